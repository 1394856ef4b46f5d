package chat

import (
	"context"
	"sync"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

// Marks is how far somebody got: everything up to a number was delivered, or read. They only rise.
type Marks struct {
	Delivered uint64 `json:"delivered"`
	Read      uint64 `json:"read"`
}

// up returns the higher ones of two.
func (m Marks) up(o Marks) Marks { return Marks{max(m.Delivered, o.Delivered), max(m.Read, o.Read)} }

const (
	flushEvery  = 2 * time.Second        // how long a mark may be in memory only
	noticeEvery = time.Second            // between notices of one person in one conversation
	tickEvery   = 250 * time.Millisecond // between looks at what waits
	maxPending  = 100_000                // marks in memory; more are refused
	flushBatch  = 500                    // of one transaction
)

// pending is the marks that were set lately.
type pending struct {
	mu    sync.Mutex
	marks map[of]*pendingMark // guarded by mu
}

type pendingMark struct {
	marks   Marks
	hidden  bool      // what was read is not shown
	dirty   bool      // not on disk
	untold  bool      // nobody was told
	toldAt  time.Time // last
	changed uint64    // counts, so that a flush knows whether it wrote the newest
}

func newPending() *pending { return &pending{marks: make(map[of]*pendingMark)} }

// over returns stored marks with what is in memory.
func (p *pending) over(key of, stored Marks) Marks {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.marks[key]; m != nil {
		return stored.up(m.marks)
	}
	return stored
}

// Mark notes how far the caller has received and read a conversation. Marks never go back, end at the newest message, and what was read was
// delivered. They are in memory at once and on disk within two seconds; the others hear of them at most once a second.
func (s *Service) Mark(ctx context.Context, caller *Caller, conversation string, m Marks) (Marks, error) {
	if err := caller.in(conversation, Read); err != nil {
		return Marks{}, err
	}
	key := of{First: conversation, Second: caller.Principal}
	var stored Marks
	var p Participant
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		var err error
		if _, p, err = member(tx, conversation, caller.Principal); err != nil {
			return err
		}
		h, err := head(tx, conversation)
		if err != nil {
			return err
		}
		m = Marks{max(min(m.Delivered, h.LastSeq), min(m.Read, h.LastSeq)), min(m.Read, h.LastSeq)}
		stored, err = storedMarks(tx, key)
		return err
	})
	if err != nil {
		return Marks{}, err
	}
	now := s.cfg.Clock.Now()
	s.pending.mu.Lock()
	known := s.pending.marks[key]
	before := stored
	if known != nil {
		before = stored.up(known.marks)
	}
	after := before.up(m)
	if after == before {
		s.pending.mu.Unlock()
		return after, nil
	}
	if known == nil {
		if len(s.pending.marks) >= maxPending {
			s.pending.mu.Unlock()
			return Marks{}, errs.New(errs.Limit, "too many receipts wait to be written")
		}
		known = new(pendingMark)
		s.pending.marks[key] = known
	}
	known.marks, known.hidden, known.dirty, known.untold = after, p.HidesReads, true, true
	known.changed++
	notice, tell := known.notice(key, now)
	s.pending.mu.Unlock()
	if tell {
		s.tell(notice)
	}
	return after, nil
}

// notice returns what the others are told, when it is time.
func (m *pendingMark) notice(key of, now time.Time) (Notice, bool) {
	if !m.untold || now.Sub(m.toldAt) < noticeEvery {
		return Notice{}, false
	}
	m.untold, m.toldAt = false, now
	n := Notice{Type: ReceiptUpdated, Conversation: key.First, Principal: key.Second, Delivered: m.marks.Delivered, Read: m.marks.Read}
	if m.hidden {
		n.Read = 0
	}
	return n, true
}

func storedMarks(tx *store.Tx, key of) (Marks, error) {
	m, err := marks.Get(tx, key)
	if errs.Is(err, errs.NotFound) {
		return Marks{}, nil
	}
	return m, err
}

// notices tells what was held back.
func (s *Service) notices() {
	now := s.cfg.Clock.Now()
	var list []Notice
	s.pending.mu.Lock()
	for key, m := range s.pending.marks {
		if n, tell := m.notice(key, now); tell {
			list = append(list, n)
		}
		if !m.dirty && !m.untold && now.Sub(m.toldAt) >= noticeEvery {
			delete(s.pending.marks, key)
		}
	}
	s.pending.mu.Unlock()
	for _, n := range list {
		s.tell(n)
	}
}

// Flush writes the marks that are in memory only.
func (s *Service) Flush(ctx context.Context) error {
	type one struct {
		key     of
		marks   Marks
		changed uint64
	}
	var dirty []one
	s.pending.mu.Lock()
	for key, m := range s.pending.marks {
		if m.dirty {
			dirty = append(dirty, one{key, m.marks, m.changed})
		}
	}
	s.pending.mu.Unlock()
	for len(dirty) > 0 {
		batch := dirty[:min(flushBatch, len(dirty))]
		dirty = dirty[len(batch):]
		err := s.update(ctx, func(tx *store.Tx) error {
			for _, o := range batch {
				p, err := participants.Get(tx, o.key)
				if errs.Is(err, errs.NotFound) || err == nil && !p.ErasedAt.IsZero() {
					continue
				}
				if err != nil {
					return err
				}
				stored, err := storedMarks(tx, o.key)
				if err != nil {
					return err
				}
				if err := marks.Put(tx, o.key, stored.up(o.marks)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.pending.mu.Lock()
		for _, o := range batch {
			if m := s.pending.marks[o.key]; m != nil && m.changed == o.changed {
				m.dirty = false
			}
		}
		s.pending.mu.Unlock()
	}
	return nil
}

// Run writes marks and tells of them until ctx ends, and once more then.
func (s *Service) Run(ctx context.Context) {
	tick := s.cfg.Clock.NewTicker(tickEvery)
	defer tick.Stop()
	flushed := s.cfg.Clock.Now()
	for {
		select {
		case <-ctx.Done():
			if err := s.Flush(context.WithoutCancel(ctx)); err != nil {
				s.cfg.Logger.Error("receipts are not written", "error", err)
			}
			return
		case <-tick.C():
		}
		s.notices()
		s.typing.sweep(s.cfg.Clock.Now())
		if now := s.cfg.Clock.Now(); now.Sub(flushed) >= flushEvery {
			flushed = now
			if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.Warn("receipts wait to be written", "error", err)
			}
		}
	}
}
