package signal

import (
	"errors"
	"time"

	"careline/internal/clock"
)

const (
	maxBeforeMedia = 64 << 10 // bytes of a message of a client that has no media yet
	maxPerSection  = 8 << 10  // added for each media section that it has or announced
	maxOfAll       = 2 << 20
	maxAnnounced   = 32 // sections counted that are announced and not offered yet

	// burst is how many seconds' worth of messages may come at once.
	burst = 5
)

var errFlood = errors.New("the client sends too many messages")

// longestMessage is what the next message may have, in bytes: descriptions grow with what a client publishes and receives.
func (s *Session) longestMessage() int64 {
	limit := min(s.handler.cfg.MaxMessage, maxBeforeMedia)
	if s.participant == nil { // there is none to resume
		return limit
	}
	if s.participant.Active() {
		limit = s.handler.cfg.MaxMessage
	}
	return min(limit+int64(s.participant.MediaSections()+s.announced)*maxPerSection, maxOfAll)
}

// pace is a bucket of messages that fills evenly. It belongs to one goroutine.
type pace struct {
	clock    clock.Clock
	interval time.Duration // from one message to the next; 0: no limit
	full     time.Time     // when the bucket is full again
}

func newPace(perSecond int, c clock.Clock) pace {
	p := pace{clock: c}
	if perSecond > 0 {
		p.interval = time.Second / time.Duration(perSecond)
	}
	return p
}

// take reports whether one more may come.
func (p *pace) take() bool {
	if p.interval == 0 {
		return true
	}
	now := p.clock.Now()
	if p.full.Before(now) {
		p.full = now
	}
	if p.full.Sub(now) > burst*time.Second-p.interval {
		return false
	}
	p.full = p.full.Add(p.interval)
	return true
}
