package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

// Rule says how long conversations are kept after they were active last.
type Rule struct {
	ID    string    `json:"id"`
	Type  Type      `json:"type,omitempty"`  // empty: of every type
	Class string    `json:"class,omitempty"` // empty: of every retention class
	Days  int       `json:"days"`
	By    string    `json:"by"`
	At    time.Time `json:"at"`
}

var (
	rules = store.NewTable("chat_retention_rules", store.String[string](), store.JSON[Rule]())

	// doomed finds conversations that are being destroyed.
	doomed = store.NewIndex(conversations, "doomed", store.String[string](), func(id string, c Conversation) []string {
		if !c.Doomed || !c.DestroyedAt.IsZero() {
			return nil
		}
		return []string{id}
	})
)

const (
	maxDays  = 36_500
	maxRules = 1000

	destroyBatch = 500
	trimBatch    = 1000
)

// ErrNoRule says that there is no such rule.
var ErrNoRule = errs.New(errs.NotFound, "there is no such retention rule")

// SetRule adds a rule, from the next run on.
func (s *Service) SetRule(ctx context.Context, caller *Caller, r Rule) (Rule, error) {
	if err := caller.needs(RetentionAdmin); err != nil {
		return r, err
	}
	if r.Days < 1 || r.Days > maxDays || r.Type != "" && !r.Type.Valid() || r.Class != "" && !validID(r.Class) {
		return r, errs.Errorf(errs.Invalid, "a rule has 1 to %d days and may have a type and a retention class", maxDays)
	}
	now := s.cfg.Clock.Now().UTC()
	r.ID, r.By, r.At = newID(now), caller.Principal, now
	return r, s.update(ctx, func(tx *store.Tx) error {
		n := 0
		for range rules.Scan(tx, store.Range[string]{}) {
			n++
		}
		if n >= maxRules {
			return errs.New(errs.Conflict, "there are too many retention rules")
		}
		if err := rules.Insert(tx, r.ID, r); err != nil {
			return err
		}
		return s.ruled(tx, caller, "retention.set", &r)
	})
}

func (s *Service) ruled(tx *store.Tx, caller *Caller, action string, r *Rule) error {
	detail := map[string]string{"type": string(r.Type), "class": r.Class, "days": fmt.Sprint(r.Days)}
	_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: action, Object: "retention-rule/" + r.ID, From: caller.From, Detail: detail})
	return err
}

// DropRule removes a rule.
func (s *Service) DropRule(ctx context.Context, caller *Caller, id string) error {
	if err := caller.needs(RetentionAdmin); err != nil {
		return err
	}
	return s.update(ctx, func(tx *store.Tx) error {
		r, err := rules.Get(tx, id)
		if err != nil {
			return instead(err, ErrNoRule)
		}
		if err := rules.Delete(tx, id); err != nil {
			return err
		}
		return s.ruled(tx, caller, "retention.dropped", &r)
	})
}

// Rules returns rules, oldest first, from after one on.
func (s *Service) Rules(ctx context.Context, caller *Caller, after string, limit int) ([]Rule, error) {
	if err := caller.needs(RetentionAdmin); err != nil {
		return nil, err
	}
	return rows(ctx, s, rules, after, limit)
}

// days is how long a conversation is kept by some rules: the one that says most of it counts, of those the shortest; 0: for ever.
func (c *Conversation) days(rules []Rule) int {
	best, days := -1, 0
	for _, r := range rules {
		if r.Type != "" && r.Type != c.Type || r.Class != "" && r.Class != c.RetentionClass {
			continue
		}
		says := 0
		if r.Type != "" {
			says++
		}
		if r.Class != "" {
			says += 2
		}
		if says > best || says == best && r.Days < days {
			best, days = says, r.Days
		}
	}
	return days
}

// Retain does what retention asks for: erasures that waited, conversations whose time is over, events that nobody needs any more. What is held
// is left alone. It can be broken off at any point, and goes on the next time. What cannot be destroyed does not hold up the rest.
func (s *Service) Retain(ctx context.Context) error {
	failed := s.resume(ctx)
	begun, err := s.begun(ctx)
	failed = errors.Join(failed, err, s.destroyAll(ctx, begun))
	for {
		list, err := s.due(ctx)
		if err == nil {
			err = s.destroyAll(ctx, list)
		}
		if err != nil || len(list) == 0 {
			return errors.Join(failed, err, s.trim(ctx))
		}
	}
}

// destroyAll destroys conversations, each unless something holds it by now.
func (s *Service) destroyAll(ctx context.Context, list []string) (failed error) {
	for _, id := range list {
		is, err := s.doom(ctx, id)
		if err == nil && is {
			err = s.destroy(ctx, id)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("destroy conversation %s: %w", id, err))
		}
	}
	return failed
}

// begun returns the conversations that an earlier run began to destroy.
func (s *Service) begun(ctx context.Context) (list []string, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		for id := range doomed.Keys(tx, store.Range[string]{}) {
			list = append(list, id)
		}
		return nil
	})
	return list, err
}

// due returns conversations whose time is over.
func (s *Service) due(ctx context.Context) (list []string, err error) {
	now := s.cfg.Clock.Now()
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		list = nil
		all := allRules(tx)
		for id, c := range byActivity.Scan(tx, store.Range[store.Pair[int64, string]]{Reverse: true}) { // the ones that were active long ago first
			is, err := s.over(tx, &c, all, now)
			if err != nil {
				return err
			}
			if is {
				if list = append(list, id); len(list) == destroyBatch {
					break
				}
			}
		}
		return nil
	})
	return list, err
}

func allRules(tx *store.Tx) (list []Rule) {
	for _, r := range rules.Scan(tx, store.Range[string]{}) {
		list = append(list, r)
	}
	return list
}

// doom says of a conversation that it is being destroyed, unless something holds it by now. From then on no hold can save it.
func (s *Service) doom(ctx context.Context, id string) (is bool, err error) {
	now := s.cfg.Clock.Now()
	err = s.update(ctx, func(tx *store.Tx) error {
		c, err := conversations.Get(tx, id)
		if err != nil {
			return err
		}
		if is = c.Doomed; is {
			return nil
		}
		if is, err = s.over(tx, &c, allRules(tx), now); err != nil || !is {
			return err
		}
		c.Doomed, c.OpenKey, c.CreateKey = true, "", ""
		if c.Status != Deleted {
			c.Status, c.DeletedAt, c.DeletedBy = Deleted, now.UTC(), retention
		}
		return conversations.Put(tx, id, c)
	})
	return is, err
}

// over tells whether a conversation's time is over, nothing holds it, and it is not being destroyed yet.
func (s *Service) over(tx *store.Tx, c *Conversation, rules []Rule, now time.Time) (bool, error) {
	if c.Doomed {
		return false, nil
	}
	h, err := head(tx, c.ID)
	if err != nil {
		return false, err
	}
	days := c.days(rules)
	is := c.Status == Deleted && now.Sub(c.DeletedAt) >= s.cfg.DeletedLife || days > 0 && now.Sub(h.LastActivity) >= time.Duration(days)*24*time.Hour
	if !is {
		return false, nil
	}
	held, err := s.held(tx, c)
	return !held, err
}

// retention is the actor of what happens by itself.
const retention = "retention"

// destroy removes everything of a conversation but the fact that it was there. Keys go first, so that what is broken off is unreadable.
func (s *Service) destroy(ctx context.Context, id string) error {
	var people []Participant
	if err := s.cfg.Log.View(ctx, func(tx *store.Tx) error { people = members(tx, id); return nil }); err != nil {
		return err
	}
	scopes := make([]string, 0, len(people))
	for _, p := range people {
		scopes = append(scopes, scope(id, p.Principal))
	}
	if len(scopes) > 0 {
		if err := s.cfg.Vault.Destroy(ctx, scopes...); err != nil {
			return err
		}
	}
	for more := true; more; {
		if err := s.update(ctx, func(tx *store.Tx) error {
			var list []Message
			for _, m := range messages.Scan(tx, store.Range[at]{In: numbered.Of(id), Limit: destroyBatch}) {
				list = append(list, m)
			}
			for _, m := range list {
				if err := s.hollow(tx, &m, m.At); err != nil {
					return err
				}
				if err := deleteAll(tx, revisions, m.ID); err != nil {
					return err
				}
				if err := messages.Delete(tx, at{First: id, Second: m.Seq}); err != nil {
					return err
				}
			}
			more = len(list) == destroyBatch
			return nil
		}); err != nil {
			return err
		}
	}
	return s.update(ctx, func(tx *store.Tx) error {
		gone := ConversationEvent{Destroyed: true}
		for _, p := range people {
			if p.State == In {
				gone.People = append(gone.People, p.Principal)
			}
			key := of{First: id, Second: p.Principal}
			if err := participants.Delete(tx, key); err != nil {
				return err
			}
			if err := marks.Delete(tx, key); err != nil {
				return err
			}
			if err := written.Delete(tx, key); err != nil {
				return err
			}
			if err := s.cfg.Chain.Forget(tx, scope(id, p.Principal)); err != nil {
				return err
			}
			if err := s.eraseFiles(tx, id, p.Principal); err != nil {
				return err
			}
		}
		if err := heads.Delete(tx, id); err != nil {
			return err
		}
		c, err := conversations.Get(tx, id)
		if err != nil {
			return err
		}
		c.DestroyedAt, c.Subject, c.Links = s.cfg.Clock.Now().UTC(), Sealed{}, nil
		if err := conversations.Put(tx, id, c); err != nil {
			return err
		}
		gone.Type = c.Type
		return s.record(tx, id, ConversationDeleted, retention, gone, audit.Entry{Action: "conversation.destroyed"})
	})
}

// trim removes old events that every consumer has handled.
func (s *Service) trim(ctx context.Context) error {
	before := s.cfg.Clock.Now().Add(-s.cfg.EventLife)
	for {
		n := 0
		err := s.update(ctx, func(tx *store.Tx) (err error) {
			n, err = s.cfg.Log.Trim(tx, before, trimBatch)
			return err
		})
		if err != nil || n < trimBatch {
			return err
		}
	}
}

// retainAt is the hour of the day at which retention runs, by the machine's clock.
const retainAt = 3

// RunRetention runs retention at once, and then every night, until ctx ends.
func (s *Service) RunRetention(ctx context.Context) {
	for {
		if err := s.Retain(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Error("retention did not finish, it goes on the next night", "error", err)
		}
		now := s.cfg.Clock.Now()
		next := time.Date(now.Year(), now.Month(), now.Day(), retainAt, 0, 0, 0, now.Location())
		if !next.After(now) {
			next = next.AddDate(0, 0, 1)
		}
		timer := s.cfg.Clock.NewTimer(next.Sub(now))
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}
