package chat

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/heap"
	"careline/internal/store"
)

// BenchmarkAppend is messages of many writers, each on disk with its event, audit record and indexes when it is counted: how many a second, and
// how long one waits for its acknowledgement. Each writes again as soon as it can. Beside it, one record of the store for each message of the most.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 32, 128} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) { benchmarkAppend(b, writers, 0) })
	}
	b.Run("record/writers=128", func(b *testing.B) { benchmarkRecord(b, 128, 0) })
}

// BenchmarkAppendPaced is the same of 128 who write as often as the realtime feed lets one person, 20 times a second, at moments of their own. Beside
// it, one record of the store for each: what the disk and the machine do by themselves.
func BenchmarkAppendPaced(b *testing.B) {
	const writers, every = 128, 50 * time.Millisecond
	b.Run("message", func(b *testing.B) { benchmarkAppend(b, writers, every) })
	b.Run("record", func(b *testing.B) { benchmarkRecord(b, writers, every) })
}

func benchmarkRecord(b *testing.B, writers int, every time.Duration) {
	r := benchmarkRig(b)
	rows, record := store.NewTable("rows", store.Uint64[uint64](), store.Bytes()), make([]byte, 300)
	benchmarkWrites(b, r, writers, every, func(_, i int) error {
		return r.db.Update(ctx, func(tx *store.Tx) error { return rows.Put(tx, uint64(i), record) })
	})
}

func benchmarkRig(b *testing.B) *rig {
	heap.Raise() // as the server does
	r := &rig{t: b, dir: b.TempDir()}
	s, stop, err := r.start(clock.Real{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	r.Service = s
	return r
}

func benchmarkAppend(b *testing.B, writers int, every time.Duration) {
	r := benchmarkRig(b)
	rooms := make([]string, 0, writers/2+1)
	for i := range writers/2 + 1 {
		made, err := r.Create(ctx, who("w0"), NewConversation{People: []Person{{Principal: fmt.Sprint("w", 2*i+1)}, {Principal: fmt.Sprint("w", 2*i+2)}}})
		if err != nil {
			b.Fatal(err)
		}
		rooms = append(rooms, made.ID)
	}
	text := fmt.Sprintf("%120s", "a message of usual length")
	benchmarkWrites(b, r, writers, every, func(w, i int) error {
		_, err := r.Append(ctx, who(fmt.Sprint("w", w+1)), rooms[w/2], Draft{ClientKey: fmt.Sprint(i), Text: text})
		return err
	})
}

// benchmarkWrites lets writers write b.N times, each again as soon as it can or every so often.
func benchmarkWrites(b *testing.B, r *rig, writers int, every time.Duration, write func(w, i int) error) {
	waits := make([]time.Duration, b.N)
	var next atomic.Int64
	var running sync.WaitGroup
	before := r.db.Stats()
	b.ResetTimer()
	began := time.Now()
	for w := range writers {
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
				if err := write(w, int(i)); err != nil {
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
