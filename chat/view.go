package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
)

// ConversationView is a conversation as one of its members sees it.
type ConversationView struct {
	Conversation
	Head
	Subject string
	Unread  uint64
	Last    *MessageView // nil: nothing to be seen was written
	Me      Participant
	MyName  string
	Marks   Marks // the reader's own
	Ticket  *TicketView
}

// TicketView is a ticket with what is known of its subject.
type TicketView struct {
	Ticket
	Snapshot json.RawMessage
}

// MessageView is a message as a member sees it.
type MessageView struct {
	Message
	Content
	Author    string // the participant's id; empty: the server
	Erased    bool   // what it said is gone for good
	Others    int    // members besides the author
	Delivered int    // to how many of them
	Read      int    // by how many of them, as far as they show it
	Counted   bool   // the three numbers are known: they are not in very large conversations
}

// counted is the size up to which a view says how many have read a message.
const counted = 500

// Get returns a conversation that the caller is in.
func (s *Service) Get(ctx context.Context, caller *Caller, id string) (v ConversationView, err error) {
	if err := caller.in(id, Read); err != nil {
		return v, err
	}
	return s.view(ctx, caller, id)
}

// Made returns a conversation to who has just made or found it, who may have no right to read.
func (s *Service) Made(ctx context.Context, caller *Caller, id string) (ConversationView, error) {
	if err := caller.needs(Create, Broadcast); err != nil {
		return ConversationView{}, err
	}
	return s.view(ctx, caller, id)
}

func (s *Service) view(ctx context.Context, caller *Caller, id string) (v ConversationView, err error) {
	var t *Ticket
	var last *Message
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		c, p, err := member(tx, id, caller.Principal)
		if err != nil {
			return err
		}
		v, last, t, err = s.look(tx, c, p)
		return err
	})
	if err != nil {
		return v, err
	}
	return v, s.reveal(ctx, s.keyring(), &v, last, t)
}

// look reads what a member sees of a conversation, sealed as it is.
func (s *Service) look(tx *store.Tx, c Conversation, p Participant) (v ConversationView, last *Message, t *Ticket, err error) {
	h, err := head(tx, c.ID)
	if err != nil {
		return v, nil, nil, err
	}
	stored, err := storedMarks(tx, of{First: c.ID, Second: p.Principal})
	if err != nil {
		return v, nil, nil, err
	}
	v = ConversationView{Conversation: c, Head: h, Me: p, Marks: s.pending.over(of{First: c.ID, Second: p.Principal}, stored)}
	if v.Unread, err = unread(tx, &h, &p, v.Marks.Read); err != nil {
		return v, nil, nil, err
	}
	if h.LastSeq >= p.first() {
		m, err := messages.Get(tx, at{First: c.ID, Second: h.LastSeq})
		if err != nil {
			return v, nil, nil, err
		}
		last = &m
	}
	if c.Ticket != "" {
		found, err := tickets.Get(tx, c.Ticket)
		if err != nil {
			return v, nil, nil, err
		}
		t = &found
	}
	return v, last, t, nil
}

// reveal opens what is sealed in a view.
func (s *Service) reveal(ctx context.Context, keys *keyring, v *ConversationView, last *Message, t *Ticket) (err error) {
	if v.Subject, err = keys.text(ctx, v.ID, v.Conversation.Subject.By, subjectPlace, v.Conversation.Subject.Box); err != nil {
		return err
	}
	if v.MyName, err = keys.text(ctx, v.ID, v.Me.Principal, namePlace, v.Me.Name); err != nil {
		return err
	}
	if last != nil {
		m := MessageView{Message: *last}
		if err := keys.reveal(ctx, &m); err != nil {
			return err
		}
		v.Last = &m
	}
	if t != nil {
		v.Ticket = &TicketView{Ticket: *t}
		if v.Ticket.Snapshot, err = s.openDeal(ctx, t.Transaction, t.Snapshot); err != nil {
			return err
		}
	}
	return nil
}

// first is the number of the first message that somebody may see: guests see what was written since they came.
func (p *Participant) first() uint64 {
	if p.Kin == Guest {
		return p.JoinSeq + 1
	}
	return 1
}

// unread counts the messages after a mark that somebody else wrote and that are still there.
func unread(tx *store.Tx, h *Head, p *Participant, read uint64) (uint64, error) {
	if p.Kin == Guest {
		read = max(read, p.JoinSeq)
	}
	if read >= h.LastSeq {
		return 0, nil
	}
	var before uint64
	if read > 0 {
		m, err := messages.Get(tx, at{First: p.Conversation, Second: read})
		if err != nil {
			return 0, err
		}
		before = m.Ord
	}
	own, err := writtenAfter(tx, p.Conversation, p.Principal, read)
	if err != nil {
		return 0, err
	}
	n := h.Countable - before - own
	after := at{First: p.Conversation, Second: read}
	for _, m := range tombstones.Scan(tx, store.Range[at]{In: numbered.Of(p.Conversation), After: &after}) {
		if m.Sender != p.Principal {
			n--
		}
	}
	return n, nil
}

// reveal opens the content of a message.
func (k *keyring) reveal(ctx context.Context, m *MessageView) error {
	switch {
	case m.Kind == SystemKd || !m.DeletedAt.IsZero():
		return nil
	case len(m.Box) == 0:
		m.Erased = true
		return nil
	}
	plain, ok, err := k.open(ctx, m.Conversation, m.Sender, m.place(), m.Box)
	if err != nil {
		return err
	}
	if !ok {
		m.Erased = true
		return nil
	}
	if err := json.Unmarshal(plain, &m.Content); err != nil {
		return fmt.Errorf("decode message %d of conversation %s: %w", m.Seq, m.Conversation, err)
	}
	return nil
}

// Window says which messages are asked for. At most one of After, Before and Around is set; without any it is the newest ones.
type Window struct {
	After  *uint64
	Before *uint64
	Around *uint64
	Limit  int
	Kinds  []Kind // empty: all
}

// Messages is a part of a conversation, by number.
type Messages struct {
	Items []MessageView
	Prev  uint64 // there is more before this number; 0: no
	Next  uint64 // there may be more after this number, also later
	More  bool   // there is more after it now
}

// maxLooked bounds the messages that are looked at for one answer.
const maxLooked = 2000

// Messages returns messages of a conversation that the caller is in, oldest first.
func (s *Service) Messages(ctx context.Context, caller *Caller, conversation string, w Window) (out Messages, err error) {
	if err := caller.in(conversation, Read); err != nil {
		return out, err
	}
	if w.Limit <= 0 {
		return out, errs.New(errs.Invalid, "limit is not positive")
	}
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		_, p, err := member(tx, conversation, caller.Principal)
		if err != nil {
			return err
		}
		h, err := head(tx, conversation)
		if err != nil {
			return err
		}
		out = w.read(tx, conversation, p.first(), h.LastSeq)
		return s.count(tx, conversation, out.Items)
	})
	if err != nil {
		return out, err
	}
	keys := s.keyring()
	for i := range out.Items {
		if err := keys.reveal(ctx, &out.Items[i]); err != nil {
			return out, err
		}
	}
	return out, nil
}

// read takes the messages of a window out of those from first to last.
func (w Window) read(tx *store.Tx, conversation string, first, last uint64) (out Messages) {
	back, forth := w.Limit, 0
	pivot := last // messages up to it are read backwards, those after it forwards
	switch {
	case w.After != nil:
		back, forth, pivot = 0, w.Limit, *w.After
	case w.Before != nil:
		pivot = 0
		if *w.Before > 0 {
			pivot = *w.Before - 1
		}
	case w.Around != nil:
		back, forth, pivot = w.Limit/2+1, w.Limit-w.Limit/2-1, *w.Around
	}
	pivot = min(max(pivot, first-1), last)
	older, low := w.scan(tx, conversation, first, pivot, back, true)
	slices.Reverse(older)
	newer, high := w.scan(tx, conversation, pivot+1, last, forth, false)
	out.Items = append(older, newer...)
	if back == 0 {
		low = pivot + 1
	}
	if low > first {
		out.Prev = low
	}
	if forth == 0 {
		high = pivot
	}
	out.Next, out.More = high, high < last
	return out
}

// scan reads up to n messages between two numbers, both included, and returns the last number that it looked at, or the end when it got there.
func (w Window) scan(tx *store.Tx, conversation string, from, to uint64, n int, reverse bool) (list []MessageView, reached uint64) {
	if reached = to; reverse {
		reached = from
	}
	if n == 0 || from > to {
		return nil, reached
	}
	end := to + 1
	r := store.Range[at]{In: numbered.Of(conversation), From: &at{First: conversation, Second: from}, To: &at{First: conversation, Second: end}, Reverse: reverse, Limit: maxLooked}
	looked := 0
	for _, m := range messages.Scan(tx, r) {
		if len(w.Kinds) == 0 || slices.Contains(w.Kinds, m.Kind) {
			list = append(list, MessageView{Message: m})
		}
		if looked++; len(list) == n || looked == maxLooked {
			return list, m.Seq
		}
	}
	return list, reached
}

// count says who wrote messages, to how many they were delivered and by how many they were read.
func (s *Service) count(tx *store.Tx, conversation string, items []MessageView) error {
	c, err := conversations.Get(tx, conversation)
	if err != nil {
		return err
	}
	if c.Members > counted {
		ids := make(map[string]string)
		for i := range items {
			sender := items[i].Sender
			if _, known := ids[sender]; !known && sender != "" {
				p, err := participants.Get(tx, of{First: conversation, Second: sender})
				if err != nil {
					return err
				}
				ids[sender] = p.ID
			}
			items[i].Author = ids[sender]
		}
		return nil
	}
	people := members(tx, conversation)
	got := make([]Marks, len(people))
	for i, p := range people {
		key := of{First: conversation, Second: p.Principal}
		stored, err := storedMarks(tx, key)
		if err != nil {
			return err
		}
		got[i] = s.pending.over(key, stored)
	}
	for i := range items {
		m := &items[i]
		m.Counted = true
		for j := range people {
			p := &people[j]
			if p.Principal == m.Sender {
				m.Author = p.ID
				continue
			}
			if p.State != In {
				continue
			}
			m.Others++
			if got[j].Delivered >= m.Seq {
				m.Delivered++
			}
			if got[j].Read >= m.Seq && !p.HidesReads {
				m.Read++
			}
		}
	}
	return nil
}

// Message returns one message.
func (s *Service) Message(ctx context.Context, caller *Caller, conversation string, seq uint64) (MessageView, error) {
	if err := caller.in(conversation, Read); err != nil {
		return MessageView{}, err
	}
	if seq == 0 {
		return MessageView{}, ErrNoMessage
	}
	list, err := s.Messages(ctx, caller, conversation, Window{Before: new(seq + 1), Limit: 1})
	if err == nil && (len(list.Items) == 0 || list.Items[0].Seq != seq) {
		err = ErrNoMessage
	}
	if err != nil {
		return MessageView{}, err
	}
	return list.Items[0], nil
}

// Progress is how far somebody got with a message.
type Progress struct {
	Participant string // id
	Principal   string
	Delivered   bool
	Read        bool
}

// Progress returns who received and read a message, up to limit people.
func (s *Service) Progress(ctx context.Context, caller *Caller, conversation string, seq uint64, limit int) (list []Progress, err error) {
	if err := caller.in(conversation, Read); err != nil {
		return nil, err
	}
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		_, me, err := member(tx, conversation, caller.Principal)
		if err != nil {
			return err
		}
		m, err := messages.Get(tx, at{First: conversation, Second: seq})
		if err != nil || seq < me.first() {
			return instead(orMissing(err), ErrNoMessage)
		}
		for key, p := range participants.Scan(tx, store.Range[of]{In: ofConversation.Of(conversation)}) {
			if p.State != In || p.Principal == m.Sender {
				continue
			}
			stored, err := storedMarks(tx, key)
			if err != nil {
				return err
			}
			got := s.pending.over(key, stored)
			list = append(list, Progress{p.ID, p.Principal, got.Delivered >= seq, got.Read >= seq && !p.HidesReads})
			if len(list) == limit {
				break
			}
		}
		return nil
	})
	return list, err
}

func orMissing(err error) error {
	if err == nil {
		return ErrNoMessage
	}
	return err
}

// Happened is a part of a conversation's log.
type Happened struct {
	Items   []event.Event
	Last    uint64 // position of the newest event there is
	Trimmed bool   // some of what was asked for is not kept any more: read the conversation anew
}

// Events returns what happened in a conversation after a position of its log, for clients that missed something.
func (s *Service) Events(ctx context.Context, caller *Caller, conversation string, after uint64, limit int) (out Happened, err error) {
	if err := caller.in(conversation, Read); err != nil {
		return out, err
	}
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		_, p, err := member(tx, conversation, caller.Principal)
		if err != nil {
			return err
		}
		if out.Last, err = s.cfg.Log.Last(tx, conversation); err != nil {
			return err
		}
		out.Items, out.Trimmed = s.cfg.Log.StreamAfter(tx, conversation, after, limit)
		for p.Kin == Guest && len(out.Items) > 0 {
			next := out.Items[len(out.Items)-1].StreamPos
			out.Items = slices.DeleteFunc(out.Items, func(e event.Event) bool { return e.At.Before(p.JoinedAt) })
			if len(out.Items) > 0 {
				break
			}
			out.Items, _ = s.cfg.Log.StreamAfter(tx, conversation, next, limit) // an empty answer would be taken for the end
		}
		return nil
	})
	return out, err
}
