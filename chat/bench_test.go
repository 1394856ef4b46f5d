package chat

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"careline/internal/clock"
)

// BenchmarkAppend is messages of many writers, each on disk with its event, audit record and indexes when it is counted: how many a second, and
// how long one waits for its acknowledgement. Each writes again as soon as it can.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 32, 128} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) { benchmarkAppend(b, writers, 0) })
	}
}

// BenchmarkAppendPaced is the same of 128 who write as often as the realtime feed lets one person, 20 times a second, at moments of their own.
func BenchmarkAppendPaced(b *testing.B) { benchmarkAppend(b, 128, 50*time.Millisecond) }

func benchmarkAppend(b *testing.B, writers int, every time.Duration) {
	r := &rig{t: b, dir: b.TempDir()}
	s, stop, err := r.start(clock.Real{})
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	rooms := make([]string, 0, writers/2+1)
	for i := range writers/2 + 1 {
		made, err := s.Create(ctx, who("w0"), NewConversation{People: []Person{{Principal: fmt.Sprint("w", 2*i+1)}, {Principal: fmt.Sprint("w", 2*i+2)}}})
		if err != nil {
			b.Fatal(err)
		}
		rooms = append(rooms, made.ID)
	}
	text := fmt.Sprintf("%120s", "a message of usual length")
	waits := make([]time.Duration, b.N)
	var next atomic.Int64
	var running sync.WaitGroup
	before := r.db.Stats()
	b.ResetTimer()
	began := time.Now()
	for w := range writers {
		room, me := rooms[w/2], fmt.Sprint("w", w+1)
		running.Go(func() {
			due := began.Add(every * time.Duration(w) / time.Duration(writers))
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					return
				}
				time.Sleep(time.Until(due)) // who is late writes at once, and its wait counts from when it should have written
				begin := time.Now()
				if every > 0 {
					begin = due
				}
				if _, err := s.Append(ctx, who(me), room, Draft{ClientKey: fmt.Sprint(i), Text: text}); err != nil {
					b.Error(err)
					return
				}
				waits[i] = time.Since(begin)
				due = due.Add(every)
			}
		})
	}
	running.Wait()
	b.StopTimer()
	slices.Sort(waits)
	after := r.db.Stats()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64(waits[b.N/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(waits[b.N*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(after.Operations-before.Operations)/float64(max(1, after.Commits-before.Commits)), "messages/fsync")
}
