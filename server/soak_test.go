package server_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

const (
	soakRooms  = 8
	soakRate   = 20               // joins per second
	soakSettle = 45 * time.Second // for what ended clients leave behind to go
)

// TestSoak has people come and go for as long as CARELINE_SOAK says (`make
// soak`), otherwise for two seconds, and wants goroutines, descriptors and
// memory at the end as they were after the first rounds.
func TestSoak(t *testing.T) {
	duration := 2 * time.Second
	if text := os.Getenv("CARELINE_SOAK"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("CARELINE_SOAK: %v", err)
		}
	}
	s := start(t, development(t, "CARELINE_ROOM_DEPARTURE_TIMEOUT=1s", "CARELINE_ROOM_EMPTY_TIMEOUT=1s", "CARELINE_LOG_LEVEL=warn"))

	churn(t, s, max(duration/10, time.Second)) // caches, pools and tables fill
	before := settled(t, usage{goroutines: 1 << 30, descriptors: 1 << 30})
	joins := churn(t, s, duration)
	after := settled(t, before)
	t.Logf("%d joins in %v: before %v, after %v", joins, duration, before, after)
	if after.heap > before.heap+before.heap/50+1<<20 {
		t.Errorf("live heap grew from %d to %d bytes", before.heap, after.heap)
	}
}

// churn lets people join, stay for up to a second and leave, half of them
// without a word. It returns how many.
func churn(t *testing.T, s *instance, d time.Duration) (joins int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	tick := time.NewTicker(time.Second / soakRate)
	defer tick.Stop()
	var present []*websocket.Conn
	for {
		select {
		case <-ctx.Done():
			for n, c := range present {
				part(t, c, n%2 == 0)
			}
			return joins
		case <-tick.C:
		}
		call, err := s.NewCall(fmt.Sprintf("soak-%d", joins%soakRooms))
		if err != nil {
			t.Fatal(err)
		}
		present = append(present, join(t, s, call.Links[joins/soakRooms%2].Token))
		joins++
		if len(present) > soakRate {
			part(t, present[0], joins%2 == 0)
			present = present[1:]
		}
	}
}

// part leaves, with a word or as a client that loses its network. Somebody of
// the same identity may have ended the session before.
func part(t *testing.T, c *websocket.Conn, polite bool) {
	t.Helper()
	if polite {
		leave, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{
			Leave: &livekit.LeaveRequest{Reason: livekit.DisconnectReason_CLIENT_INITIATED},
		}})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.WriteMessage(websocket.BinaryMessage, leave)
	}
	_ = c.Close()
}

type usage struct {
	goroutines, descriptors int
	heap                    uint64
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d KiB", u.goroutines, u.descriptors, u.heap>>10)
}

// settled returns what the process holds once goroutines and descriptors are
// at most those of base, five more allowed, and have stopped to fall.
func settled(t *testing.T, base usage) usage {
	t.Helper()
	deadline := time.Now().Add(soakSettle)
	last := measure(t)
	for steady := 0; steady < 8; {
		time.Sleep(250 * time.Millisecond)
		now := measure(t)
		if now.goroutines < last.goroutines || now.descriptors < last.descriptors ||
			now.goroutines > base.goroutines+5 || now.descriptors > base.descriptors+5 {
			steady = 0
		} else {
			steady++
		}
		last = now
		if time.Now().After(deadline) {
			t.Fatalf("%v after the last client left: %v, before: %v", soakSettle, now, base)
		}
	}
	return last
}

func measure(t *testing.T) usage {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := usage{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil { // Linux
		u.descriptors = len(entries)
	}
	return u
}
