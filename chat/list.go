package chat

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"careline/internal/errs"
	"careline/internal/store"
)

// Filter says which conversations a list has. All that is given has to hold.
type Filter struct {
	Participant string // somebody in it has this as principal or as organisation
	Kin         Kin    // somebody in it is of this sort: with Participant, the same one
	Links       []Link // it belongs to all of these
	Type        Type
	Status      Status // Active or Closed
	Unread      bool   // something in it is unread
	Subject     string // its subject has this in it, in capitals or not
}

// Spot is where a list goes on.
type Spot struct {
	At time.Time
	ID string
}

// behind tells whether a conversation comes after a spot in a list.
func (s Spot) behind(at time.Time, id string) bool {
	return s.ID == "" || at.Before(s.At) || at.Equal(s.At) && id < s.ID
}

const (
	// maxExamined bounds the conversations that are looked at for one page; with filters that few meet a page may be short.
	maxExamined = 5000

	maxParts = 10 // of a list that are read for one page of what has something in its subject, which is sealed
)

// List returns conversations that the caller is in, the ones that were active last first. next is where the list goes on, nil at the end.
func (s *Service) List(ctx context.Context, caller *Caller, f Filter, from Spot, limit int) (page []ConversationView, next *Spot, err error) {
	if err := caller.needs(Read); err != nil {
		return nil, nil, err
	}
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	if f.Subject == "" {
		return s.list(ctx, caller, f, from, limit)
	}
	sought := strings.ToLower(f.Subject)
	for range maxParts {
		part, next, err := s.list(ctx, caller, f, from, limit)
		if err != nil {
			return nil, nil, err
		}
		for i := range part {
			if !strings.Contains(strings.ToLower(part[i].Subject), sought) {
				continue
			}
			if page = append(page, part[i]); len(page) == limit {
				return page, &Spot{part[i].LastActivity, part[i].ID}, nil
			}
		}
		if next == nil {
			return page, nil, nil
		}
		from = *next
	}
	return page, &from, nil
}

// list is List but for what is in subjects.
func (s *Service) list(ctx context.Context, caller *Caller, f Filter, from Spot, limit int) (page []ConversationView, next *Spot, err error) {
	type found struct {
		view ConversationView
		last *Message
		t    *Ticket
	}
	var list []found
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list, next = nil, nil
		examined := 0
		for c := range s.order(tx, caller, &f, from) {
			if examined++; examined > maxExamined || len(list) == limit {
				break
			}
			next = &Spot{c.head.LastActivity, c.ID}
			p, err := participants.Get(tx, of{First: c.ID, Second: caller.Principal})
			if err != nil || p.State != In {
				if err == nil || errs.Is(err, errs.NotFound) {
					continue
				}
				return err
			}
			if !f.matches(tx, &c.Conversation) {
				continue
			}
			var one found
			if one.view, one.last, one.t, err = s.look(tx, c.Conversation, p); err != nil {
				return err
			}
			if !f.Unread || one.view.Unread > 0 {
				list = append(list, one)
			}
		}
		if examined <= maxExamined && len(list) < limit {
			next = nil
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	keys := s.keyring()
	for i := range list {
		if err := s.reveal(ctx, keys, &list[i].view, list[i].last, list[i].t); err != nil {
			return nil, nil, err
		}
		page = append(page, list[i].view)
	}
	return page, next, nil
}

func (f *Filter) check() error {
	switch {
	case f.Participant != "" && !validID(f.Participant):
		return errs.New(errs.Invalid, "participantId is too long or has control characters")
	case f.Kin != "" && !f.Kin.Valid():
		return errs.New(errs.Invalid, "participantType is none of user, business_user, contact, ai, guest, phone")
	case f.Type != "" && !f.Type.Valid():
		return errs.New(errs.Invalid, "type is none of direct, group, incident, transaction")
	case utf8.RuneCountInString(f.Subject) > maxSubject:
		return errs.Errorf(errs.Invalid, "q is longer than %d characters", maxSubject)
	case f.Status != "" && f.Status != Active && f.Status != Closed:
		return errs.New(errs.Invalid, "status is none of active, closed")
	}
	return checkLinks(f.Links)
}

// matches tells whether a conversation is one that is asked for, but for what is unread.
func (f *Filter) matches(tx *store.Tx, c *Conversation) bool {
	if f.Type != "" && c.Type != f.Type || f.Status != "" && c.Status != f.Status {
		return false
	}
	if slices.ContainsFunc(f.Links, func(l Link) bool { return !c.linked(l) }) {
		return false
	}
	switch {
	case f.Participant != "":
		bucket := c.Bucket
		if c.Large {
			bucket = always
		}
		entry := seen{First: f.Participant, Second: bucket, Third: c.ID}
		for _, p := range byWhom.Scan(tx, store.Range[seen]{In: seenKey.Of2(f.Participant, bucket), From: &entry}) {
			if p.Conversation != c.ID {
				return false
			}
			if p.State != Removed && (f.Kin == "" || p.Kin == f.Kin) {
				return true
			}
		}
		return false
	case f.Kin != "":
		for _, p := range participants.Scan(tx, store.Range[of]{In: ofConversation.Of(c.ID)}) {
			if p.State != Removed && p.Kin == f.Kin {
				return true
			}
		}
		return false
	}
	return true
}

// placed is a conversation with its head.
type placed struct {
	Conversation
	head Head
}

// order goes through the conversations that may be in a list, the ones that were active last first, from a spot on. The index knows when they
// were active to a span of time only: those of one span are read and sorted.
func (s *Service) order(tx *store.Tx, caller *Caller, f *Filter, from Spot) func(yield func(placed) bool) {
	return func(yield func(placed) bool) {
		var waiting []placed // known conversations whose turn is still to come, in order
		add := func(ids []string) {
			for _, id := range ids {
				c, err := conversations.Get(tx, id)
				if err != nil || c.Status == Deleted || caller.Only != "" && c.ID != caller.Only {
					continue
				}
				h, err := head(tx, id)
				if err == nil && from.behind(h.LastActivity, id) {
					waiting = append(waiting, placed{c, h})
				}
			}
			slices.SortFunc(waiting, func(a, b placed) int {
				if c := b.head.LastActivity.Compare(a.head.LastActivity); c != 0 {
					return c
				}
				return strings.Compare(b.ID, a.ID)
			})
		}
		// flush yields what was active in a span or later.
		flush := func(bucket int64) bool {
			for len(waiting) > 0 && bucketOf(waiting[0].head.LastActivity) >= bucket {
				if !yield(waiting[0]) {
					return false
				}
				waiting = waiting[1:]
			}
			return true
		}
		const end = -int64(1) << 62
		if len(f.Links) > 0 {
			l := f.Links[0]
			var ids []string
			for _, id := range byLink.Keys(tx, store.Range[linked]{In: threeTexts.Of2(l.Type, l.ID), Limit: maxExamined}) {
				ids = append(ids, id)
			}
			add(ids)
			_ = flush(end)
			return
		}
		who := caller.Principal
		var ids []string
		for _, key := range byWhom.Keys(tx, store.Range[seen]{In: seenKey.Of2(who, always)}) {
			ids = append(ids, key.First)
		}
		slices.Sort(ids)
		add(slices.Compact(ids))
		begin := seen{First: who, Second: always - 1}
		if from.ID != "" {
			begin.Second = bucketOf(from.At)
		}
		var group []string
		bucket := begin.Second
		stopped := false
		for entry, key := range byWhom.Keys(tx, store.Range[seen]{In: seenKey.Of(who), From: &begin}) {
			if entry.Second != bucket {
				add(group)
				if !flush(bucket) {
					stopped = true
					break
				}
				group, bucket = group[:0], entry.Second
			}
			if !slices.Contains(group, key.First) {
				group = append(group, key.First)
			}
		}
		if !stopped {
			add(group)
			_ = flush(end)
		}
	}
}
