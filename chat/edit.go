package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/names"
	"careline/internal/store"
)

// Revision is what a message said before it was edited or deleted.
type Revision struct {
	Message string    `json:"message"`
	EditNo  uint64    `json:"edit_no"`
	Fixes   uint64    `json:"fixes,omitempty"`
	Box     []byte    `json:"box,omitempty"`
	By      string    `json:"by"` // who changed it
	At      time.Time `json:"at"`
	Deleted bool      `json:"deleted,omitempty"` // it was then deleted
}

// Fix is a former place of a live location.
type Fix struct {
	Box []byte    `json:"box,omitempty"`
	At  time.Time `json:"at"`
}

var (
	revisions = store.NewTable("chat_revisions", numbered, store.JSON[Revision]()) // by message id and edit number
	tracks    = store.NewTable("chat_tracks", numbered, store.JSON[Fix]())         // by message id and number of the fix
)

const (
	maxReason = 200         // characters
	fixEvery  = time.Second // between fixes of one live location
)

func checkReason(reason string) error {
	if !names.Safe(reason) || len([]rune(reason)) > maxReason {
		return errs.Errorf(errs.Invalid, "the reason is longer than %d characters or has control characters", maxReason)
	}
	return nil
}

// Edit is what is changed of a message.
type Edit struct {
	Text     string
	Lang     string
	Mentions []string
	Revision uint64 // that was read: ErrRevision if it is not the present one
	Reason   string // for the audit
}

// Edit replaces the text of a message. What it said before stays, for those who may read revisions.
func (s *Service) Edit(ctx context.Context, caller *Caller, conversation string, seq uint64, e Edit) (MessageView, error) {
	if err := caller.in(conversation, EditOwn, EditAny); err != nil {
		return MessageView{}, err
	}
	d := Draft{ClientKey: "edit", Text: e.Text, Lang: e.Lang, Mentions: e.Mentions}
	m, err := s.mine(ctx, caller, conversation, seq, EditAny)
	if err != nil {
		return MessageView{}, err
	}
	if m.Kind != Text { // the text beside a file or a place
		d.Kind, d.Attachments = File, []string{"there are"}
	}
	if err := d.check(s.cfg.Clock.Now()); err != nil {
		return MessageView{}, err
	}
	if err := checkReason(e.Reason); err != nil {
		return MessageView{}, err
	}
	key, err := s.key(ctx, conversation, m.Sender)
	if err != nil {
		return MessageView{}, err
	}
	v := MessageView{Message: m}
	if err := s.keyring().reveal(ctx, &v); err != nil {
		return MessageView{}, err
	}
	before, err := json.Marshal(v.Content)
	if err != nil {
		return MessageView{}, fmt.Errorf("encode a message: %w", err)
	}
	v.Text, v.Lang = e.Text, e.Lang
	after, err := json.Marshal(v.Content)
	if err != nil {
		return MessageView{}, fmt.Errorf("encode a message: %w", err)
	}
	next := m
	next.EditNo++
	next.EditedAt, next.Mentions = s.cfg.Clock.Now().UTC(), uniquely(e.Mentions)
	next.Box = key.Seal(after, next.place())
	err = s.update(ctx, func(tx *store.Tx) error {
		now, err := s.unchanged(tx, caller, &m, e.Revision)
		if err != nil {
			return err
		}
		if w := s.cfg.EditWindow; w > 0 && m.Sender == caller.Principal && now.Sub(m.At) > w && !caller.May(EditAny) {
			return errs.New(errs.Denied, "it is too late to edit this message")
		}
		if err := revisions.Insert(tx, at{First: m.ID, Second: m.EditNo}, Revision{Message: m.ID, EditNo: m.EditNo, Fixes: m.Fixes, Box: m.Box, By: caller.Principal, At: now}); err != nil {
			return err
		}
		if err := messages.Put(tx, at{First: conversation, Second: seq}, next); err != nil {
			return err
		}
		return s.changed(tx, caller, &next, string(MessageUpdated), before, after, e.Reason)
	})
	if err != nil {
		return MessageView{}, err
	}
	return s.Message(ctx, &Caller{Principal: caller.Principal, Permissions: []Permission{Read}}, conversation, seq)
}

// mine returns a message that the caller may change: one's own, or anybody's by the permission.
func (s *Service) mine(ctx context.Context, caller *Caller, conversation string, seq uint64, others Permission) (m Message, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		_, p, err := member(tx, conversation, caller.Principal)
		if err != nil {
			return err
		}
		m, err = messages.Get(tx, at{First: conversation, Second: seq})
		switch {
		case err != nil:
			return instead(err, ErrNoMessage)
		case seq < p.first():
			return ErrNoMessage
		case m.Kind == SystemKd:
			return errs.New(errs.Denied, "system messages are changed by nobody")
		case m.Sender != caller.Principal && !caller.May(others):
			return ErrDenied
		}
		return nil
	})
	return m, err
}

// unchanged makes sure that a message that was read is still as it was, and that the caller may still change it.
func (s *Service) unchanged(tx *store.Tx, caller *Caller, m *Message, revision uint64) (time.Time, error) {
	now := s.cfg.Clock.Now().UTC()
	c, p, err := member(tx, m.Conversation, caller.Principal)
	if err != nil {
		return now, err
	}
	there, err := messages.Get(tx, at{First: m.Conversation, Second: m.Seq})
	switch {
	case err != nil:
		return now, err
	case c.Status != Active:
		return now, ErrClosed
	case p.muted(now):
		return now, errs.New(errs.Denied, "you may not write in this conversation for a while")
	case !there.DeletedAt.IsZero():
		return now, errs.New(errs.Conflict, "the message was deleted")
	case len(there.Box) == 0:
		return now, errs.New(errs.Conflict, "the message was erased")
	case there.EditNo != revision || !bytes.Equal(there.Box, m.Box):
		return now, ErrRevision
	}
	return now, nil
}

// changed records that a message is another one now.
func (s *Service) changed(tx *store.Tx, caller *Caller, m *Message, action string, before, after []byte, reason string) error {
	salt := scope(m.Conversation, m.Sender)
	entry := audit.Entry{Object: object(m.Conversation, m.Seq), From: caller.From, Reason: reason}
	var err error
	if entry.Before, err = s.cfg.Chain.Hash(tx, salt, before); err != nil {
		return err
	}
	t := MessageDeleted
	if after != nil {
		t = MessageUpdated
		if entry.After, err = s.cfg.Chain.Hash(tx, salt, after); err != nil {
			return err
		}
	}
	entry.Action = action
	return s.record(tx, m.Conversation, t, caller.Principal, MessageEvent{Seq: m.Seq, ID: m.ID, Kind: m.Kind, EditNo: m.EditNo, Mentions: m.Mentions}, entry)
}

// DeleteMessage leaves a tombstone in a message's place: its number stays, what it said is shown to nobody any more but those who may read
// revisions. revision is the one that was read, nil for any. Deleting it again changes nothing.
func (s *Service) DeleteMessage(ctx context.Context, caller *Caller, conversation string, seq uint64, revision *uint64, reason string) error {
	if err := caller.in(conversation, DeleteOwn, DeleteAny); err != nil {
		return err
	}
	if err := checkReason(reason); err != nil {
		return err
	}
	for {
		m, err := s.mine(ctx, caller, conversation, seq, DeleteAny)
		if err != nil || !m.DeletedAt.IsZero() {
			return err
		}
		v := MessageView{Message: m}
		if err := s.keyring().reveal(ctx, &v); err != nil {
			return err
		}
		before, err := json.Marshal(v.Content)
		if err != nil {
			return fmt.Errorf("encode a message: %w", err)
		}
		read := m.EditNo
		if revision != nil {
			read = *revision
		}
		err = s.update(ctx, func(tx *store.Tx) error {
			now, err := s.unchanged(tx, caller, &m, read)
			if err != nil {
				return err
			}
			last := Revision{Message: m.ID, EditNo: m.EditNo, Fixes: m.Fixes, Box: m.Box, By: caller.Principal, At: now, Deleted: true}
			if err := revisions.Insert(tx, at{First: m.ID, Second: m.EditNo}, last); err != nil {
				return err
			}
			gone := m
			gone.Box, gone.DeletedAt, gone.DeletedBy = nil, now, caller.Principal
			if err := messages.Put(tx, at{First: conversation, Second: seq}, gone); err != nil {
				return err
			}
			return s.changed(tx, caller, &gone, string(MessageDeleted), before, nil, reason)
		})
		if revision == nil && errs.Is(err, errs.Conflict) && isRevision(err) {
			continue // it was edited meanwhile, which does not matter here
		}
		return err
	}
}

// RevisionView is a revision as it is shown.
type RevisionView struct {
	Revision
	Content
	Erased bool
}

// Revisions returns what a message said before, oldest first. That they were read is in the audit.
func (s *Service) Revisions(ctx context.Context, caller *Caller, conversation string, seq uint64) ([]RevisionView, error) {
	if err := caller.in(conversation, AuditRead); err != nil {
		return nil, err
	}
	var m Message
	var list []RevisionView
	err := s.update(ctx, func(tx *store.Tx) error {
		list = nil
		_, p, err := member(tx, conversation, caller.Principal)
		if err != nil {
			return err
		}
		if m, err = messages.Get(tx, at{First: conversation, Second: seq}); err != nil || seq < p.first() {
			return instead(orMissing(err), ErrNoMessage)
		}
		for _, r := range revisions.Scan(tx, store.Range[at]{In: numbered.Of(m.ID)}) {
			list = append(list, RevisionView{Revision: r})
		}
		_, err = s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: "message.revisions-read", Object: object(conversation, seq), From: caller.From})
		return err
	})
	if err != nil {
		return nil, err
	}
	keys := s.keyring()
	for i := range list {
		r := &list[i]
		v := MessageView{Message: Message{Conversation: conversation, ID: m.ID, Sender: m.Sender, EditNo: r.EditNo, Fixes: r.Fixes, Box: r.Box}}
		if err := keys.reveal(ctx, &v); err != nil {
			return nil, err
		}
		r.Content, r.Erased = v.Content, v.Erased
	}
	return list, nil
}

// Move gives a live location its next fix, and with end ends it. Only its author can.
func (s *Service) Move(ctx context.Context, caller *Caller, conversation string, seq uint64, l *Location, end bool) (MessageView, error) {
	if err := caller.in(conversation, Write); err != nil {
		return MessageView{}, err
	}
	if l == nil && !end {
		return MessageView{}, errs.New(errs.Invalid, "neither a location nor the end is given")
	}
	if l != nil {
		if err := l.check(); err != nil {
			return MessageView{}, err
		}
	}
	m, err := s.mine(ctx, caller, conversation, seq, "")
	if err != nil {
		return MessageView{}, err
	}
	now := s.cfg.Clock.Now().UTC()
	if m.Kind != Place || m.LiveUntil.IsZero() || !now.Before(m.LiveUntil) {
		return MessageView{}, errs.New(errs.Conflict, "this message is no location that is live")
	}
	next := m
	if end {
		next.LiveUntil = now
	}
	if l != nil {
		v := MessageView{Message: m}
		if err := s.keyring().reveal(ctx, &v); err != nil {
			return MessageView{}, err
		}
		v.Location = l
		plain, err := json.Marshal(v.Content)
		if err != nil {
			return MessageView{}, fmt.Errorf("encode a message: %w", err)
		}
		key, err := s.key(ctx, conversation, m.Sender)
		if err != nil {
			return MessageView{}, err
		}
		next.Fixes++
		next.Box = key.Seal(plain, next.place())
	}
	err = s.update(ctx, func(tx *store.Tx) error {
		if _, err := s.unchanged(tx, caller, &m, m.EditNo); err != nil {
			return err
		}
		if l != nil {
			if m.Fixes > 0 {
				last, err := tracks.Get(tx, at{First: m.ID, Second: m.Fixes - 1})
				if err != nil {
					return err
				}
				if now.Sub(last.At) < fixEvery {
					return errs.New(errs.Limit, "a live location moves once a second at most")
				}
			}
			if err := tracks.Insert(tx, at{First: m.ID, Second: m.Fixes}, Fix{Box: m.Box, At: now}); err != nil {
				return err
			}
		}
		if err := messages.Put(tx, at{First: conversation, Second: seq}, next); err != nil {
			return err
		}
		_, err := s.cfg.Log.Append(tx, conversation, MessageUpdated, caller.Principal, MessageEvent{Seq: seq, ID: m.ID, Kind: m.Kind, EditNo: m.EditNo})
		return err
	})
	if err != nil {
		return MessageView{}, err
	}
	return s.Message(ctx, &Caller{Principal: caller.Principal, Permissions: []Permission{Read}}, conversation, seq)
}

// Track returns where a live location was, oldest first, the present place last; limit at most, the newest ones.
func (s *Service) Track(ctx context.Context, caller *Caller, conversation string, seq uint64, limit int) ([]Location, error) {
	m, err := s.Message(ctx, caller, conversation, seq)
	if err != nil {
		return nil, err
	}
	if m.Kind != Place || !m.DeletedAt.IsZero() || m.Erased {
		return nil, errs.New(errs.Conflict, "this message is no location, or not any more")
	}
	var fixes []MessageView
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		fixes = nil
		for key, f := range tracks.Scan(tx, store.Range[at]{In: numbered.Of(m.ID), Reverse: true, Limit: limit - 1}) {
			old := m.Message
			old.Fixes, old.Box = key.Second, f.Box
			fixes = append(fixes, MessageView{Message: old})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(fixes)
	keys := s.keyring()
	var list []Location
	for i := range fixes {
		if err := keys.reveal(ctx, &fixes[i]); err != nil {
			return nil, err
		}
		if fixes[i].Location != nil {
			list = append(list, *fixes[i].Location)
		}
	}
	if m.Location != nil {
		list = append(list, *m.Location)
	}
	return list, nil
}
