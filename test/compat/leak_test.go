package compat

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/configs"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list open descriptors")
	}
	return len(entries)
}

// TestCyclesLeaveNothing joins and leaves 200 times, every fourth with media, and wants goroutines and descriptors back where they were.
func TestCyclesLeaveNothing(t *testing.T) {
	r := start(t, setup{change: func(c *configs.Config) { c.Room.DepartureTimeout = time.Second }})
	cycles := func(n int) {
		t.Run("cycles", func(t *testing.T) { // its clean-up ends the clients
			gate := make(chan struct{}, 10)
			var all sync.WaitGroup
			for i := range n {
				gate <- struct{}{}
				all.Go(func() {
					defer func() { <-gate }()
					mine := &rig{t: t, server: r.server}
					room, identity := fmt.Sprint("ward-", i%7), fmt.Sprint("guest-", i)
					var p *probe
					if i%4 == 0 {
						p = mine.enterWith(mode([]string{string(dual), string(single)}[i/4%2]), identity, grant(room), [2]int{1, 1})
					} else {
						p = mine.enter(room, identity)
					}
					p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
					p.expectEnd()
				})
			}
			all.Wait()
		})
	}
	cycles(20) // what is made once is made now
	time.Sleep(quiet)
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	cycles(200)
	eventually(t, "goroutines and descriptors to go", func() bool {
		runtime.GC()
		return runtime.NumGoroutine() <= goroutines+5 && descriptors(t) <= files
	})
}
