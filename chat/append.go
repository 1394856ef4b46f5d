package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

// Receipt says where a message is kept. Who has it can rely on it.
type Receipt struct {
	Conversation string
	Seq          uint64
	ID           string
	At           time.Time
	Duplicate    bool // it was kept before, under the same client key
}

// Append writes a message, by whatever way it came: HTTP, WebSocket or a call's data channel. It returns once the message, its event and its
// audit record are on disk. A draft with a client key that the sender used before in the conversation gets the first receipt again;
// ErrOtherRequest if its content is another one.
//
// An error of kind errs.Unavailable says that the message was not stored, as far as can be known; a retry with the same client key is safe.
func (s *Service) Append(ctx context.Context, caller *Caller, conversation string, d Draft) (Receipt, error) {
	if err := caller.in(conversation, Write); err != nil {
		return Receipt{}, err
	}
	if err := d.check(s.cfg.Clock.Now()); err != nil {
		return Receipt{}, err
	}
	if _, err := s.cfg.Vault.Find(ctx, scope(conversation, caller.Principal)); err != nil {
		if err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
			_, _, err := member(tx, conversation, caller.Principal)
			return err
		}); err != nil {
			return Receipt{}, err // and no key is made for who is not in it
		}
	}
	e, err := s.envelope(ctx, caller, conversation, &d)
	if err != nil {
		return Receipt{}, err
	}
	var r Receipt
	err = s.update(ctx, func(tx *store.Tx) error {
		c, p, err := member(tx, conversation, caller.Principal)
		if err != nil {
			return err
		}
		r, err = s.append(tx, &c, &p, &d, e)
		return err
	})
	return r, err
}

// envelope is a message with its content sealed, before it has a number.
type envelope struct {
	id     string
	from   string
	box    []byte
	digest []byte // of what was sent
}

// envelope seals what somebody wrote, outside a transaction.
func (s *Service) envelope(ctx context.Context, caller *Caller, conversation string, d *Draft) (*envelope, error) {
	content := Content{Text: d.Text, Lang: d.Lang, Location: d.Location}
	for _, file := range d.Attachments {
		if s.cfg.Files == nil {
			return nil, errNoFiles
		}
		a, err := s.cfg.Files.Describe(caller, conversation, file)
		if err != nil {
			return nil, err
		}
		content.Attachments = append(content.Attachments, a)
	}
	key, err := s.key(ctx, conversation, caller.Principal)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(content)
	if err != nil {
		return nil, fmt.Errorf("encode a message: %w", err)
	}
	e := &envelope{id: newID(s.cfg.Clock.Now()), from: caller.From}
	if e.digest, err = d.digest(&content); err != nil {
		return nil, fmt.Errorf("encode a message: %w", err)
	}
	e.box = key.Seal(plain, (&Message{ID: e.id}).place())
	return e, nil
}

// append writes a message of a member in the transaction.
func (s *Service) append(tx *store.Tx, c *Conversation, p *Participant, d *Draft, e *envelope) (Receipt, error) {
	sum, err := s.cfg.Chain.Hash(tx, scope(c.ID, p.Principal), e.digest)
	if err != nil {
		return Receipt{}, err
	}
	own, err := progressOf(tx, c.ID, p.Principal)
	if err != nil {
		return Receipt{}, err
	}
	first, err := own.sentAs(tx, c.ID, p.Principal, d.ClientKey)
	switch {
	case err == nil && !bytes.Equal(first.Sum, sum):
		return Receipt{}, ErrOtherRequest
	case err == nil:
		return Receipt{c.ID, first.Seq, first.ID, first.At, true}, nil
	case !errs.Is(err, errs.NotFound):
		return Receipt{}, err
	}
	now := s.cfg.Clock.Now().UTC()
	h, err := head(tx, c.ID)
	switch {
	case err != nil:
		return Receipt{}, err
	case c.Status != Active:
		return Receipt{}, ErrClosed
	case p.muted(now):
		return Receipt{}, errs.New(errs.Denied, "you may not write in this conversation for a while")
	case !p.ErasedAt.IsZero():
		return Receipt{}, ErrErased
	case d.ReplyTo > h.LastSeq:
		return Receipt{}, errs.New(errs.Invalid, "the message that is replied to is not there")
	}
	m := Message{
		ID: e.id, Sender: p.Principal, Kind: d.Kind, At: now, SentAt: d.SentAt.UTC(), ClientKey: d.ClientKey, From: e.from, ReplyTo: d.ReplyTo,
		OnBehalfOf: d.OnBehalfOf, Generated: d.Generated, Mentions: uniquely(d.Mentions), Files: d.Attachments, LiveUntil: d.LiveUntil.UTC(), Box: e.box, Sum: sum,
	}
	if d.SentAt.IsZero() {
		m.SentAt = time.Time{}
	}
	if d.LiveUntil.IsZero() {
		m.LiveUntil = time.Time{}
	}
	for _, file := range d.Attachments {
		if err := s.cfg.Files.Attach(tx, file, c.ID, p.Principal, m.ID); err != nil {
			return Receipt{}, err
		}
	}
	number(c, &h, &m)
	own.next(&m)
	if err := written.Put(tx, of{First: c.ID, Second: p.Principal}, own); err != nil {
		return Receipt{}, err
	}
	if err := s.put(tx, c, &h, &m, p.Principal); err != nil {
		return Receipt{}, err
	}
	return Receipt{c.ID, m.Seq, m.ID, m.At, false}, nil
}

// number gives a message the next number of its conversation.
func number(c *Conversation, h *Head, m *Message) {
	h.LastSeq++
	if m.countable() {
		h.Countable++
	}
	if m.At.After(h.LastActivity) { // the clock may have been put back
		h.LastActivity = m.At
	}
	m.Conversation, m.Seq, m.Ord = c.ID, h.LastSeq, h.Countable
}

// put writes a message that has its number, with event, audit record and what the conversation says of its activity.
func (s *Service) put(tx *store.Tx, c *Conversation, h *Head, m *Message, actor string) error {
	if err := messages.Insert(tx, at{First: c.ID, Second: m.Seq}, *m); err != nil {
		return err
	}
	if err := heads.Put(tx, c.ID, *h); err != nil {
		return err
	}
	if err := s.active(tx, c, h.LastActivity); err != nil {
		return err
	}
	data := MessageEvent{Seq: m.Seq, ID: m.ID, Kind: m.Kind, Mentions: m.Mentions}
	for _, who := range m.Mentions {
		p, err := participants.Get(tx, of{First: c.ID, Second: who})
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if err != nil || p.State != In {
			data.Outside = append(data.Outside, who)
		}
	}
	return s.record(tx, c.ID, MessageCreated, actor, data, audit.Entry{Object: object(c.ID, m.Seq), From: m.From, After: m.Sum})
}

// object names a message in the audit.
func object(conversation string, seq uint64) string { return fmt.Sprintf("%s/%d", conversation, seq) }

// active notes when a conversation was active, for the order of lists. It writes only when a new span of time begins, and for each member
// only in conversations that are small.
func (s *Service) active(tx *store.Tx, c *Conversation, now time.Time) error {
	bucket := bucketOf(now)
	if bucket <= c.Bucket {
		return nil
	}
	c.Bucket = bucket
	if err := conversations.Put(tx, c.ID, *c); err != nil {
		return err
	}
	if c.Large {
		return nil
	}
	return s.rebucket(tx, c.ID, bucket)
}

// rebucket moves the rows of all members.
func (s *Service) rebucket(tx *store.Tx, conversation string, bucket int64) error {
	for _, p := range members(tx, conversation) {
		p.Bucket = bucket
		if err := participants.Put(tx, of{First: conversation, Second: p.Principal}, p); err != nil {
			return err
		}
	}
	return nil
}

// members returns everybody who is or was in a conversation.
func members(tx *store.Tx, conversation string) (list []Participant) {
	for _, p := range participants.Scan(tx, store.Range[of]{In: ofConversation.Of(conversation)}) {
		list = append(list, p)
	}
	return list
}

// system writes a message of the server into a conversation.
func (s *Service) system(tx *store.Tx, c *Conversation, actor, code string, params map[string]string) error {
	h, err := head(tx, c.ID)
	if err != nil {
		return err
	}
	now := s.cfg.Clock.Now().UTC()
	m := Message{ID: newID(now), Kind: SystemKd, At: now, System: &System{Code: code, Params: params}}
	number(c, &h, &m)
	return s.put(tx, c, &h, &m, actor)
}
