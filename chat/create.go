package chat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/names"
	"careline/internal/store"
)

// NewConversation is what a conversation is made from, or found by.
type NewConversation struct {
	Type           Type // empty: what the ids below say, else Group
	Subject        string
	People         []Person // besides the caller
	Links          []Link
	Transaction    string // of type Transaction
	BusinessUser   string // of type Transaction: whom the chat is with
	Organization   string // of the business user
	Incident       string // of type Incident
	RoleSet        string // of type Incident: which of its threads; empty: the main one
	Role           Role   // of the caller
	RetentionClass string
	ClientKey      string // by which a retry is known, of a group too
	First          *Draft // the first message, or the next one of a conversation that exists
}

// Created is a conversation that was made or found.
type Created struct {
	ID    string
	Made  bool     // otherwise it was there
	First *Receipt // of the first message, if there was one
}

// Create makes a conversation, its people and its first message, or finds the one that there may be only one of, all in one transaction: of
// many who ask at the same time one makes it, and all get its id. Who asks for an incident's or a transaction's conversation is then in it.
func (s *Service) Create(ctx context.Context, caller *Caller, n NewConversation) (Created, error) {
	if err := n.settle(caller); err != nil {
		return Created{}, err
	}
	rights := []Permission{Create}
	if n.Type == Transaction {
		rights = append(rights, Broadcast)
	}
	if err := caller.in("", rights...); err != nil {
		return Created{}, err
	}
	if n.First != nil {
		if n.First.ClientKey == "" {
			n.First.ClientKey = n.ClientKey
		}
		if n.First.ClientKey == "" && n.Type != Group {
			return Created{}, errs.New(errs.Invalid, "a first message needs a client_key, or the request an Idempotency-Key")
		}
		if n.First.ClientKey == "" {
			n.First.ClientKey = "first"
		}
		if err := n.First.check(s.cfg.Clock.Now()); err != nil {
			return Created{}, err
		}
	}
	people, err := n.people(caller)
	if err != nil {
		return Created{}, err
	}
	var shown json.RawMessage
	if n.Type == Transaction {
		takes, details, err := s.cfg.Directory.TakesPart(ctx, n.Transaction, n.BusinessUser)
		if err != nil {
			return Created{}, fmt.Errorf("ask who takes part in a transaction: %w", err)
		}
		if !takes {
			return Created{}, ErrNoParty
		}
		shown = details
	}
	id := newID(s.cfg.Clock.Now())
	for {
		there, err := s.find(ctx, caller, &n)
		if err != nil {
			return Created{}, err
		}
		if there != "" {
			id = there
		}
		made, err := s.create(ctx, caller, &n, people, shown, id)
		if other, ok := errors.AsType[*elsewhere](err); ok { // somebody was faster, and what was sealed is for another conversation
			id = other.id
			continue
		}
		return made, err
	}
}

// elsewhere says that the conversation is there under another id.
type elsewhere struct{ id string }

func (e *elsewhere) Error() string { return "the conversation is there" }

// settle decides on the type and holds the ids to its rules.
func (n *NewConversation) settle(caller *Caller) error {
	if n.Type == "" {
		switch {
		case n.Transaction != "":
			n.Type = Transaction
		case n.Incident != "":
			n.Type = Incident
		default:
			n.Type = Group
		}
	}
	switch {
	case !n.Type.Valid():
		return errs.New(errs.Invalid, "the type is none of direct, group, incident, transaction")
	case (n.Type == Transaction) != (n.Transaction != "") || (n.Type == Transaction) != (n.BusinessUser != ""):
		return errs.New(errs.Invalid, "a conversation about a transaction, and no other, has transactionId and businessUserId")
	case (n.Type == Incident) != (n.Incident != "") || n.RoleSet != "" && n.Type != Incident:
		return errs.New(errs.Invalid, "a conversation about an incident, and no other, has incidentId and may have roleSet")
	case n.Type == Direct && (len(n.People) != 1 || n.People[0].Principal == caller.Principal):
		return errs.New(errs.Invalid, "a direct conversation names one other person")
	case len(n.People) > maxPeople:
		return errs.Errorf(errs.Invalid, "more than %d people are named", maxPeople)
	case len(n.ClientKey) > maxClientKey || !names.Safe(n.ClientKey):
		return errs.Errorf(errs.Invalid, "the client_key is longer than %d bytes or has control characters", maxClientKey)
	case n.RetentionClass != "" && !validID(n.RetentionClass), n.RoleSet != "" && !validID(n.RoleSet):
		return errs.New(errs.Invalid, "retention_class or roleSet is too long or has control characters")
	case n.Organization != "" && n.Type != Transaction:
		return errs.New(errs.Invalid, "organizationId is that of the business user of a transaction")
	}
	if n.Transaction != "" {
		n.Links = append(n.Links, Link{TransactionLink, n.Transaction})
	}
	if n.Incident != "" {
		n.Links = append(n.Links, Link{IncidentLink, n.Incident})
	}
	n.Links = unique(n.Links)
	if err := checkLinks(n.Links); err != nil {
		return err
	}
	return checkSubject(n.Subject)
}

func unique(links []Link) (list []Link) {
	for _, l := range links {
		if !slices.Contains(list, l) {
			list = append(list, l)
		}
	}
	return list
}

// people returns everybody of the new conversation, the caller first.
func (n *NewConversation) people(caller *Caller) ([]Person, error) {
	me := caller.person()
	me.Role = n.Role
	people := append([]Person{me}, n.People...)
	if n.Type == Transaction {
		people = append(people, Person{Principal: n.BusinessUser, Kin: BusinessUser, Organization: n.Organization, Role: ClientRole})
	}
	known := make(map[string]bool, len(people))
	list := people[:0]
	for _, p := range people {
		if err := p.check(); err != nil {
			return nil, err
		}
		if known[p.Principal] {
			if p.Principal == n.BusinessUser || p.Principal == caller.Principal {
				continue
			}
			return nil, errs.New(errs.Invalid, "a participant is named twice")
		}
		known[p.Principal] = true
		list = append(list, p)
	}
	return list, nil
}

// key is what there may be only one conversation of; empty: any number.
func (n *NewConversation) key(caller *Caller) string {
	join := func(parts ...string) string { return strings.Join(parts, "\x00") }
	switch n.Type {
	case Transaction:
		return join("tx", n.Transaction, n.BusinessUser)
	case Incident:
		return join("inc", n.Incident, n.RoleSet)
	case Direct:
		two := []string{caller.Principal, n.People[0].Principal}
		slices.Sort(two)
		return join("dm", two[0], two[1])
	}
	return ""
}

func (n *NewConversation) createKey(caller *Caller) string {
	if n.ClientKey == "" || n.Type != Group {
		return ""
	}
	return caller.Principal + "\x00" + n.ClientKey
}

// lookup finds the conversation that the new one would be; empty when there is none.
func (n *NewConversation) lookup(tx *store.Tx, caller *Caller) (string, error) {
	for _, try := range []struct {
		key   string
		index *store.Index[string, string, Conversation]
	}{{n.key(caller), openKeys}, {n.createKey(caller), creates}} {
		if try.key == "" {
			continue
		}
		id, _, err := try.index.Get(tx, try.key)
		if err == nil || !errs.Is(err, errs.NotFound) {
			return id, err
		}
	}
	return "", nil
}

func (s *Service) find(ctx context.Context, caller *Caller, n *NewConversation) (id string, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		id, err = n.lookup(tx, caller)
		return err
	})
	return id, err
}

// create makes the conversation under id, or uses the one that has it.
func (s *Service) create(ctx context.Context, caller *Caller, n *NewConversation, people []Person, details json.RawMessage, id string) (out Created, err error) {
	sealed, err := s.sealNames(ctx, id, people)
	if err != nil {
		return out, err
	}
	subject, err := s.sealText(ctx, id, caller.Principal, n.Subject, subjectPlace)
	if err != nil {
		return out, err
	}
	ticket, err := s.prepareTicket(ctx, caller, n, details)
	if err != nil {
		return out, err
	}
	var e *envelope
	if n.First != nil {
		if e, err = s.envelope(ctx, caller, id, n.First); err != nil {
			return out, err
		}
	}
	err = s.update(ctx, func(tx *store.Tx) error {
		out = Created{ID: id}
		there, err := n.lookup(tx, caller)
		if err != nil {
			return err
		}
		if there != "" && there != id {
			return &elsewhere{there}
		}
		var c Conversation
		if there == "" {
			out.Made = true
			if c, err = s.insert(tx, caller, n, id, subject, ticket); err != nil {
				return err
			}
			for i, p := range people {
				if _, err := s.enter(tx, &c, p, sealed[i], caller.Principal, false); err != nil {
					return err
				}
			}
		} else if c, err = s.reenter(tx, caller, n, id, people[0], sealed[0]); err != nil {
			return err
		}
		if n.First == nil {
			return nil
		}
		me, err := participants.Get(tx, of{First: id, Second: caller.Principal})
		if err != nil {
			return err
		}
		r, err := s.append(tx, &c, &me, n.First, e)
		out.First = &r
		return err
	})
	return out, err
}

// insert writes a new conversation without people.
func (s *Service) insert(tx *store.Tx, caller *Caller, n *NewConversation, id string, subject Sealed, t *Ticket) (Conversation, error) {
	now := s.cfg.Clock.Now().UTC()
	c := Conversation{
		ID: id, Type: n.Type, Status: Active, Subject: subject, Links: n.Links, CreatedAt: now, CreatedBy: caller.Principal, Rev: 1,
		RetentionClass: n.RetentionClass, OpenKey: n.key(caller), CreateKey: n.createKey(caller), Bucket: bucketOf(now),
	}
	if t != nil {
		var err error
		if c.Ticket, err = s.takeTicket(tx, t); err != nil {
			return c, err
		}
		c.Links = unique(append(slices.Clip(c.Links), Link{TicketLink, c.Ticket}))
	}
	if err := conversations.Insert(tx, id, c); err != nil {
		return c, err
	}
	if err := heads.Put(tx, id, Head{LastActivity: now}); err != nil {
		return c, err
	}
	return c, s.record(tx, id, ConversationCreated, caller.Principal, ConversationEvent{Type: c.Type}, audit.Entry{From: caller.From})
}

// reenter lets who asks for a conversation that exists into it, where asking gives the right to be in it.
func (s *Service) reenter(tx *store.Tx, caller *Caller, n *NewConversation, id string, me Person, name []byte) (Conversation, error) {
	c, err := live(tx, id)
	if err != nil {
		return c, errs.New(errs.Conflict, "the conversation was deleted")
	}
	p, err := participants.Get(tx, of{First: id, Second: caller.Principal})
	switch {
	case err == nil && p.State == In:
		return c, nil
	case err == nil && p.State == Removed:
		return c, ErrPutOut
	case err != nil && !errs.Is(err, errs.NotFound):
		return c, err
	case n.Type != Transaction && n.Type != Incident:
		return c, ErrNoConversation
	}
	_, err = s.enter(tx, &c, me, name, caller.Principal, true)
	return c, err
}

// enter gives somebody a place in a conversation. aloud: the thread says so.
func (s *Service) enter(tx *store.Tx, c *Conversation, person Person, name []byte, actor string, aloud bool) (Participant, error) {
	now := s.cfg.Clock.Now().UTC()
	h, err := head(tx, c.ID)
	if err != nil {
		return Participant{}, err
	}
	p, err := participants.Get(tx, of{First: c.ID, Second: person.Principal})
	switch {
	case errs.Is(err, errs.NotFound):
		if c.Members >= MaxMembers || c.Type == Direct && c.Members >= 2 {
			return p, ErrFull
		}
		p = Participant{ID: newID(now), Conversation: c.ID, Principal: person.Principal}
		c.Members++
	case err != nil:
		return p, err
	case p.State == In:
		return p, nil
	case !p.ErasedAt.IsZero():
		return p, ErrErased
	}
	p.Name, p.Kin, p.Organization, p.Role = name, person.Kin, person.Organization, person.Role
	p.State, p.JoinedAt, p.LeftAt, p.JoinSeq, p.Bucket = In, now, noTime, h.LastSeq, c.Bucket
	p.Rev++
	c.Active++
	if c.Members > small && !c.Large {
		c.Large = true
		if err := s.rebucket(tx, c.ID, always); err != nil {
			return p, err
		}
	}
	if c.Large {
		p.Bucket = always
	}
	if err := participants.Put(tx, of{First: c.ID, Second: p.Principal}, p); err != nil {
		return p, err
	}
	if err := marks.Put(tx, of{First: c.ID, Second: p.Principal}, Marks{Delivered: h.LastSeq, Read: h.LastSeq}); err != nil {
		return p, err
	}
	if err := conversations.Put(tx, c.ID, *c); err != nil {
		return p, err
	}
	if aloud {
		if err := s.system(tx, c, actor, "participant_joined", map[string]string{"participant": p.ID}); err != nil {
			return p, err
		}
	}
	return p, s.people(tx, c, &p, ParticipantJoined, actor)
}

// people records what happened to somebody's place.
func (s *Service) people(tx *store.Tx, c *Conversation, p *Participant, t event.Type, actor string) error {
	return s.record(tx, c.ID, t, actor, ParticipantEvent{p.ID, p.Principal, p.Role}, audit.Entry{Object: c.ID + "/" + p.ID})
}
