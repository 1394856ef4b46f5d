package chat

import (
	"context"
	"sync"
	"time"

	"careline/internal/store"
)

const (
	// TypingLife is how long somebody is seen typing who does not say so again.
	TypingLife = 6 * time.Second

	typingEvery = 3 * time.Second // between notices of one person in one conversation
	maxTyping   = 100_000         // people who type, in all conversations; more are not told of
)

// typing is who was told to be typing lately.
type typing struct {
	mu   sync.Mutex
	told map[of]typed // guarded by mu
}

type typed struct {
	at time.Time
	on bool
}

func newTyping() *typing { return &typing{told: make(map[of]typed)} }

// Typing tells the others that the caller is writing, or not any more. More often than every three seconds, and where more than fifty are, it
// does nothing.
func (s *Service) Typing(ctx context.Context, caller *Caller, conversation string, on bool) error {
	if err := caller.in(conversation, Write); err != nil {
		return err
	}
	var c Conversation
	var p Participant
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		c, p, err = member(tx, conversation, caller.Principal)
		return err
	})
	if err != nil {
		return err
	}
	if c.Active > small || c.Status != Active || p.muted(s.cfg.Clock.Now()) {
		return nil
	}
	if s.typing.note(of{First: conversation, Second: caller.Principal}, on, s.cfg.Clock.Now()) {
		s.tell(Notice{Type: TypingNotice, Conversation: conversation, Principal: caller.Principal, On: on})
	}
	return nil
}

// note reports whether the others are told.
func (t *typing) note(key of, on bool, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.told[key]
	switch {
	case on && known && last.on && now.Sub(last.at) < typingEvery:
		return false
	case !on && (!known || !last.on): // nobody thinks so
		return false
	case on && known && !last.on && now.Sub(last.at) < typingEvery:
		return false
	case !known && len(t.told) >= maxTyping:
		return false
	}
	if !on {
		t.told[key] = typed{last.at, false}
		return true
	}
	t.told[key] = typed{now, on}
	return true
}

// sweep forgets who was seen typing long ago.
func (t *typing) sweep(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, last := range t.told {
		if now.Sub(last.at) >= TypingLife {
			delete(t.told, key)
		}
	}
}
