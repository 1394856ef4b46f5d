package compat

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
)

// ledger counts what a received track's sequence numbers promised and what came.
type ledger struct {
	mu sync.Mutex

	// guarded by mu
	seen        map[int64]bool // extended sequence numbers
	first, last int64
}

func (l *ledger) read(track *webrtc.TrackRemote) {
	for {
		p, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		l.mu.Lock()
		n := int64(p.SequenceNumber)
		if len(l.seen) == 0 {
			l.first, l.last = n, n
		} else {
			n = l.last + int64(int16(p.SequenceNumber-uint16(l.last)))
			l.last = max(l.last, n)
		}
		l.seen[n] = true
		l.mu.Unlock()
	}
}

// missing is how many numbers up to the end did not come, 0 packets: -1.
func (l *ledger) missing(end int64) (lost int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) == 0 {
		return -1
	}
	for n := l.first; n <= end; n++ {
		if !l.seen[n] {
			lost++
		}
	}
	return lost
}

func (l *ledger) newest() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// TestCheck33NoLoss has two who send pictures, two who send sound and six who receive all; with CARELINE_SOAK (make soak) five, five and
// twenty for a minute. Every packet has to arrive, be it again, but for those that a subscriber's own socket had no room for: the SDK does not
// ask again for sound.
func TestCheck33NoLoss(t *testing.T) {
	publishers, subscribers, enough := 2, 6, 150
	if os.Getenv("CARELINE_SOAK") != "" {
		publishers, subscribers, enough = 5, 20, 3000 // packets of sound: a minute
	}
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		name := fmt.Sprint("load-", m)
		var sids []string
		for i := range publishers {
			sids = append(sids, load(t, r.connect(t, m, name, fmt.Sprint("picture-", i), nil, lksdk.WithAutoSubscribe(false)), webrtc.MimeTypeVP8),
				load(t, r.connect(t, m, name, fmt.Sprint("sound-", i), nil, lksdk.WithAutoSubscribe(false)), webrtc.MimeTypeOpus))
		}
		// All is there for the first answer of those who are to count: of packets that overtake an answer, pion takes the first to guess by.
		early := newInbox()
		watcher := r.connect(t, dual, name, "watcher", early.callback())
		for _, sid := range sids {
			early.flowing(t, sid, 5)
		}
		watcher.Disconnect()
		defer deepening(t)()
		var mu sync.Mutex
		var ledgers []*ledger
		for i := range subscribers {
			r.connect(t, m, name, fmt.Sprint("subscriber-", i), &lksdk.RoomCallback{ParticipantCallback: lksdk.ParticipantCallback{
				OnTrackSubscribed: func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
					l := &ledger{seen: make(map[int64]bool)}
					mu.Lock()
					ledgers = append(ledgers, l)
					mu.Unlock()
					go l.read(track)
				},
			}})
		}
		all := func() []*ledger {
			mu.Lock()
			defer mu.Unlock()
			return append([]*ledger(nil), ledgers...)
		}
		waitFor(t, "all tracks at all subscribers", 2*time.Minute, func() bool { return len(all()) == subscribers*publishers*2 })
		waitFor(t, "enough packets of each", 3*time.Minute, func() bool {
			for _, l := range all() {
				if l.count() < enough {
					return false
				}
			}
			return true
		})
		tracks := all()
		total, ends := 0, make([]int64, len(tracks))
		for i, l := range tracks {
			ends[i] = l.newest()
			total += l.count()
		}
		lost := func() (n int) {
			for i, l := range tracks {
				n += l.missing(ends[i])
			}
			return n
		}
		for deadline := time.Now().Add(patience / 4); lost() > 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		}
		n := lost()
		full := overflowed(t)
		t.Logf("%d packets of %d tracks arrived, %d did not; sockets were full for %d", total, len(tracks), n, full)
		if n > full {
			t.Errorf("%d packets were lost", n)
		}
	})
}

func waitFor(t *testing.T, what string, limit time.Duration, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain: " + what)
		}
	}
}

// load sends as a camera of 2 Mbit/s or a microphone does, until the test ends.
func load(t *testing.T, room *lksdk.Room, mime string) (sid string) {
	t.Helper()
	return send(t, room, mime, map[string]int{webrtc.MimeTypeVP8: 7500}[mime]).SID()
}
