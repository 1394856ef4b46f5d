package chat

import (
	"context"
	"errors"
	"slices"
	"strings"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
)

func isRevision(err error) bool { return errors.Is(err, ErrRevision) }

// Change is what can be changed of a conversation; nil means unchanged.
type Change struct {
	Subject        *string
	Links          *[]Link // what the conversation is about stays
	AddLinks       []Link
	RetentionClass *string
	Revision       *uint64 // that was read; nil: any
}

// Change changes a conversation that the caller is in.
func (s *Service) Change(ctx context.Context, caller *Caller, id string, change Change) (ConversationView, error) {
	if err := caller.in(id, Create); err != nil {
		return ConversationView{}, err
	}
	if change.Subject != nil {
		if err := checkSubject(*change.Subject); err != nil {
			return ConversationView{}, err
		}
	}
	if change.RetentionClass != nil && *change.RetentionClass != "" && !validID(*change.RetentionClass) {
		return ConversationView{}, errs.New(errs.Invalid, "retention_class is too long or has control characters")
	}
	for _, links := range [][]Link{change.AddLinks, orNone(change.Links)} {
		if err := checkLinks(links); err != nil {
			return ConversationView{}, err
		}
	}
	if err := s.cfg.Log.View(ctx, func(tx *store.Tx) error { _, _, err := member(tx, id, caller.Principal); return err }); err != nil {
		return ConversationView{}, err
	}
	var subject Sealed
	if change.Subject != nil {
		var err error
		if subject, err = s.sealText(ctx, id, caller.Principal, *change.Subject, subjectPlace); err != nil {
			return ConversationView{}, err
		}
	}
	err := s.manage(ctx, caller, id, func(tx *store.Tx, c *Conversation) error {
		if change.Revision != nil && *change.Revision != c.Rev {
			return ErrRevision
		}
		if change.Subject != nil {
			c.Subject = subject
		}
		if change.RetentionClass != nil {
			c.RetentionClass = *change.RetentionClass
		}
		t := ConversationUpdated
		if change.Links != nil || len(change.AddLinks) > 0 {
			t = ConversationLinked
			if change.Links != nil {
				c.Links = append(c.about(), *change.Links...)
			}
			c.Links = unique(slices.Concat(c.Links, change.AddLinks))
			if err := checkLinks(c.Links); err != nil {
				return err
			}
		}
		if err := s.save(tx, c); err != nil {
			return err
		}
		return s.record(tx, id, t, caller.Principal, ConversationEvent{Type: c.Type}, audit.Entry{From: caller.From})
	})
	if err != nil {
		return ConversationView{}, err
	}
	return s.view(ctx, caller, id)
}

func orNone(links *[]Link) []Link {
	if links == nil {
		return nil
	}
	return *links
}

// about returns the links that make the conversation what it is.
func (c *Conversation) about() (list []Link) {
	if parts := strings.Split(c.OpenKey, "\x00"); len(parts) == 3 {
		switch c.Type {
		case Transaction:
			list = append(list, Link{TransactionLink, parts[1]})
		case Incident:
			list = append(list, Link{IncidentLink, parts[1]})
		}
	}
	if c.Ticket != "" {
		list = append(list, Link{TicketLink, c.Ticket})
	}
	return list
}

// manage calls fn with a conversation that the caller is in.
func (s *Service) manage(ctx context.Context, caller *Caller, id string, fn func(*store.Tx, *Conversation) error) error {
	return s.update(ctx, func(tx *store.Tx) error {
		c, _, err := member(tx, id, caller.Principal)
		if err != nil {
			return err
		}
		return fn(tx, &c)
	})
}

// save writes a conversation as its next revision.
func (s *Service) save(tx *store.Tx, c *Conversation) error {
	c.Rev++
	return conversations.Put(tx, c.ID, *c)
}

// Close ends a conversation: it can be read, and nothing is written in it. Closing it again changes nothing.
func (s *Service) Close(ctx context.Context, caller *Caller, id, reason string) (ConversationView, error) {
	return s.turn(ctx, caller, id, Closed, reason)
}

// Reopen lets people write in a conversation that was closed.
func (s *Service) Reopen(ctx context.Context, caller *Caller, id, reason string) (ConversationView, error) {
	return s.turn(ctx, caller, id, Active, reason)
}

func (s *Service) turn(ctx context.Context, caller *Caller, id string, to Status, reason string) (ConversationView, error) {
	if err := caller.in(id, Close); err != nil {
		return ConversationView{}, err
	}
	if err := checkReason(reason); err != nil {
		return ConversationView{}, err
	}
	err := s.manage(ctx, caller, id, func(tx *store.Tx, c *Conversation) error {
		if c.Status == to {
			return nil
		}
		t, code := ConversationClosed, "conversation_closed"
		c.Status, c.ClosedAt, c.ClosedBy, c.CloseReason = to, s.cfg.Clock.Now().UTC(), caller.Principal, reason
		if to == Active {
			t, code = ConversationReopened, "conversation_reopened"
			c.ClosedAt, c.ClosedBy, c.CloseReason = noTime, "", ""
		}
		if err := s.save(tx, c); err != nil {
			return err
		}
		if err := s.system(tx, c, caller.Principal, code, nil); err != nil {
			return err
		}
		return s.record(tx, id, t, caller.Principal, ConversationEvent{Type: c.Type}, audit.Entry{From: caller.From, Reason: reason})
	})
	if err != nil {
		return ConversationView{}, err
	}
	return s.view(ctx, caller, id)
}

// Delete hides a conversation from everybody. It stays, sealed, until retention destroys it. Another one about the same can be begun.
func (s *Service) Delete(ctx context.Context, caller *Caller, id, reason string) error {
	if err := caller.in(id, DeleteWhole); err != nil {
		return err
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	return s.manage(ctx, caller, id, func(tx *store.Tx, c *Conversation) error {
		if held, err := s.held(tx, c); err != nil || held {
			return orHeld(err)
		}
		c.Status, c.DeletedAt, c.DeletedBy, c.OpenKey, c.CreateKey = Deleted, s.cfg.Clock.Now().UTC(), caller.Principal, "", ""
		if err := s.save(tx, c); err != nil {
			return err
		}
		return s.record(tx, id, ConversationDeleted, caller.Principal, ConversationEvent{Type: c.Type}, audit.Entry{From: caller.From, Reason: reason})
	})
}

// MemberView is somebody's place as the others see it.
type MemberView struct {
	Participant
	Name  string
	Marks Marks // Read is 0 when it is hidden
}

// People returns who is or was in a conversation, by principal, from after one on.
func (s *Service) People(ctx context.Context, caller *Caller, conversation, after string, limit int) (list []MemberView, err error) {
	if err := caller.in(conversation, Read); err != nil {
		return nil, err
	}
	r := store.Range[of]{In: ofConversation.Of(conversation), Limit: limit}
	if after != "" {
		r.After = &of{First: conversation, Second: after}
	}
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		if _, _, err := member(tx, conversation, caller.Principal); err != nil {
			return err
		}
		for key, p := range participants.Scan(tx, r) {
			v, err := s.place(tx, key, p, caller)
			if err != nil {
				return err
			}
			list = append(list, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, s.names(ctx, list)
}

func (s *Service) place(tx *store.Tx, key of, p Participant, caller *Caller) (MemberView, error) {
	stored, err := storedMarks(tx, key)
	v := MemberView{Participant: p, Marks: s.pending.over(key, stored)}
	if p.HidesReads && p.Principal != caller.Principal {
		v.Marks.Read = 0
	}
	return v, err
}

// names opens the names of people.
func (s *Service) names(ctx context.Context, list []MemberView) (err error) {
	keys := s.keyring()
	for i := range list {
		p := &list[i]
		if p.Name, err = keys.text(ctx, p.Conversation, p.Principal, namePlace, p.Participant.Name); err != nil {
			return err
		}
	}
	return nil
}

// Person returns one place, by its id.
func (s *Service) Person(ctx context.Context, caller *Caller, conversation, id string) (MemberView, error) {
	if err := caller.in(conversation, Read); err != nil {
		return MemberView{}, err
	}
	return s.person(ctx, caller, conversation, id)
}

func (s *Service) person(ctx context.Context, caller *Caller, conversation, id string) (MemberView, error) {
	list := make([]MemberView, 1)
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		if _, _, err := member(tx, conversation, caller.Principal); err != nil {
			return err
		}
		p, err := placeIn(tx, conversation, id)
		if err == nil {
			list[0], err = s.place(tx, of{First: conversation, Second: p.Principal}, p, caller)
		}
		return err
	})
	if err == nil {
		err = s.names(ctx, list)
	}
	return list[0], err
}

func placeIn(tx *store.Tx, conversation, id string) (Participant, error) {
	_, p, err := byPlace.Get(tx, id)
	if err == nil && p.Conversation != conversation {
		err = ErrNoParticipant
	}
	return p, instead(err, ErrNoParticipant)
}

// Add names somebody for a conversation that the caller is in, also somebody who left it or was removed.
func (s *Service) Add(ctx context.Context, caller *Caller, conversation string, person Person) (MemberView, error) {
	if err := caller.in(conversation, Create); err != nil {
		return MemberView{}, err
	}
	if err := person.check(); err != nil {
		return MemberView{}, err
	}
	return s.letIn(ctx, caller, conversation, person, func(tx *store.Tx) (Conversation, error) {
		c, _, err := member(tx, conversation, caller.Principal)
		return c, err
	})
}

// Join makes the caller a member of a conversation that is not direct and that nobody removed it from.
func (s *Service) Join(ctx context.Context, caller *Caller, conversation string) (MemberView, error) {
	if err := caller.in(conversation, Join); err != nil {
		return MemberView{}, err
	}
	me := caller.person()
	if err := me.check(); err != nil {
		return MemberView{}, err
	}
	return s.letIn(ctx, caller, conversation, me, func(tx *store.Tx) (Conversation, error) {
		c, err := live(tx, conversation)
		if err != nil {
			return c, err
		}
		p, err := participants.Get(tx, of{First: conversation, Second: caller.Principal})
		switch {
		case err == nil && p.State == Removed:
			return c, ErrPutOut
		case err != nil && !errs.Is(err, errs.NotFound):
			return c, err
		case c.Type == Direct && (err != nil || p.State != In):
			return c, ErrNoConversation
		}
		return c, nil
	})
}

// letIn gives somebody a place where allowed does not refuse.
func (s *Service) letIn(ctx context.Context, caller *Caller, conversation string, person Person, allowed func(*store.Tx) (Conversation, error)) (MemberView, error) {
	if err := s.cfg.Log.View(ctx, func(tx *store.Tx) error { _, err := allowed(tx); return err }); err != nil {
		return MemberView{}, err
	}
	sealed, err := s.sealNames(ctx, conversation, []Person{person})
	if err != nil {
		return MemberView{}, err
	}
	var p Participant
	err = s.update(ctx, func(tx *store.Tx) error {
		c, err := allowed(tx)
		if err != nil {
			return err
		}
		p, err = s.enter(tx, &c, person, sealed[0], caller.Principal, true)
		return err
	})
	if err != nil {
		return MemberView{}, err
	}
	return s.person(ctx, caller, conversation, p.ID)
}

// Leave takes the caller out of a conversation that is not direct.
func (s *Service) Leave(ctx context.Context, caller *Caller, conversation string) error {
	if err := caller.in(conversation, Read); err != nil {
		return err
	}
	return s.manage(ctx, caller, conversation, func(tx *store.Tx, c *Conversation) error {
		p, err := participants.Get(tx, of{First: c.ID, Second: caller.Principal})
		if err != nil {
			return err
		}
		return s.exit(tx, c, &p, Left, ParticipantLeft, "participant_left", caller.Principal)
	})
}

// Remove takes somebody out of a conversation, who then comes back only when added again.
func (s *Service) Remove(ctx context.Context, caller *Caller, conversation, id string) error {
	if err := caller.in(conversation, Create); err != nil {
		return err
	}
	return s.manage(ctx, caller, conversation, func(tx *store.Tx, c *Conversation) error {
		p, err := placeIn(tx, c.ID, id)
		switch {
		case err != nil:
			return err
		case p.Principal == caller.Principal:
			return errs.New(errs.Conflict, "nobody removes themselves: leave")
		case p.State != In:
			return nil
		}
		return s.exit(tx, c, &p, Removed, ParticipantRemoved, "participant_removed", caller.Principal)
	})
}

func (s *Service) exit(tx *store.Tx, c *Conversation, p *Participant, to State, t event.Type, code, actor string) error {
	if c.Type == Direct {
		return errs.New(errs.Conflict, "nobody leaves a direct conversation")
	}
	if err := s.system(tx, c, actor, code, map[string]string{"participant": p.ID}); err != nil {
		return err
	}
	now, err := participants.Get(tx, of{First: c.ID, Second: p.Principal}) // the message may have moved it in the lists
	if err != nil {
		return err
	}
	now.State, now.LeftAt = to, s.cfg.Clock.Now().UTC()
	now.Rev++
	if err := participants.Put(tx, of{First: c.ID, Second: p.Principal}, now); err != nil {
		return err
	}
	c.Active--
	if err := conversations.Put(tx, c.ID, *c); err != nil {
		return err
	}
	return s.people(tx, c, &now, t, actor)
}

// PersonChange is what can be changed of a place; nil means unchanged.
type PersonChange struct {
	Role       *Role
	MutedFor   *int64 // seconds; 0: not any more
	HidesReads *bool  // by the person only
	Locale     *string
}

// maxMuted bounds how long somebody may be muted, in seconds.
const maxMuted = 365 * 24 * 3600

// ChangePerson changes somebody's place: role and muting by who may manage the conversation, the rest by the person.
func (s *Service) ChangePerson(ctx context.Context, caller *Caller, conversation, id string, change PersonChange) (MemberView, error) {
	if err := caller.in(conversation, Read, Create); err != nil {
		return MemberView{}, err
	}
	switch {
	case change.Role != nil && (!change.Role.Valid() || *change.Role == SystemRole):
		return MemberView{}, errs.New(errs.Invalid, "the role is none of client, agent, supervisor, ai, guest")
	case change.MutedFor != nil && (*change.MutedFor < 0 || *change.MutedFor > maxMuted):
		return MemberView{}, errs.New(errs.Invalid, "muted_for is not a number of seconds within a year")
	case change.Locale != nil && (len(*change.Locale) > maxLang || strings.ContainsFunc(*change.Locale, func(r rune) bool { return r < '!' || r > '~' })):
		return MemberView{}, errs.New(errs.Invalid, "locale is no language tag")
	}
	err := s.manage(ctx, caller, conversation, func(tx *store.Tx, c *Conversation) error {
		p, err := placeIn(tx, c.ID, id)
		if err != nil {
			return err
		}
		self := p.Principal == caller.Principal
		if (change.Role != nil || change.MutedFor != nil) && !caller.May(Create) || (change.HidesReads != nil || change.Locale != nil) && !self {
			return ErrDenied
		}
		if change.Role != nil {
			p.Role = *change.Role
		}
		if change.MutedFor != nil {
			p.MutedUntil = noTime
			if *change.MutedFor > 0 {
				p.MutedUntil = s.cfg.Clock.Now().UTC().Add(secondsOf(*change.MutedFor))
			}
		}
		if change.HidesReads != nil {
			p.HidesReads = *change.HidesReads
		}
		if change.Locale != nil {
			p.Locale = *change.Locale
		}
		p.Rev++
		if err := participants.Put(tx, of{First: c.ID, Second: p.Principal}, p); err != nil {
			return err
		}
		return s.people(tx, c, &p, ParticipantUpdated, caller.Principal)
	})
	if err != nil {
		return MemberView{}, err
	}
	return s.person(ctx, caller, conversation, id)
}

// uniquely returns texts in order, each once.
func uniquely(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
