package search

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// corpus makes messages of 5 to 25 words, as common as those of a language are: the n-th is there 1/n as often as the first.
type corpus struct {
	rand *rand.Rand
	zipf *rand.Zipf
}

func newCorpus() *corpus {
	r := rand.New(rand.NewPCG(1, 2))
	return &corpus{r, rand.NewZipf(r, 1.1, 3, 30000)}
}

const people = 200

func (c *corpus) word() string { return word(c.zipf.Uint64()) }

func word(n uint64) string {
	var b strings.Builder
	for n += 20; n > 0; n /= 20 {
		b.WriteByte("bcdfghklmnprstvwxzjq"[n%20])
		b.WriteByte("aeiou"[n%5])
	}
	return b.String()
}

func (c *corpus) message(n int) Document {
	var words []string
	for range 5 + c.rand.IntN(20) {
		words = append(words, c.word())
	}
	d := message(n, strings.Join(words, " "))
	d.Access = []string{fmt.Sprint("p:", n%people), fmt.Sprint("p:", (n*7+1)%people), "p:all"}
	d.From, d.Stream = fmt.Sprint("u", n%people), fmt.Sprint("c", n%1000)
	return d
}

const benchMessages = 100_000

// report adds the middle, the 99th percentile and the worst of some times.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(ms(took[len(took)-1]), "max-ms")
}

// BenchmarkQuery asks an index of 100,000 messages, on behalf of somebody who may read all of them and of somebody who may read a hundredth,
// while 100 messages a second are written.
func BenchmarkQuery(b *testing.B) {
	dir := b.TempDir()
	x := open(b, dir)
	c := newCorpus()
	began := time.Now()
	for n := 0; n < benchMessages; n += chunk {
		var docs []Document
		for i := range chunk {
			docs = append(docs, c.message(n+i))
		}
		put(b, x, docs...)
	}
	eventually(b, "the disk", func() bool { return x.Stats().Unwritten == 0 })
	indexed := time.Since(began)
	done := make(chan struct{})
	var run sync.WaitGroup
	run.Go(func() {
		more := newCorpus()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := benchMessages; ; n += 10 {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			var changes []Change
			for i := range 10 {
				d := more.message(n + i)
				changes = append(changes, Change{Put: &d})
			}
			if err := x.Apply(ctx, changes, nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
	defer run.Wait()
	defer close(done)
	for _, who := range []string{"p:all", "p:17"} {
		for _, q := range []struct {
			name string
			text func() string
		}{
			{"word", c.word},
			{"most-common-word", func() string { return word(0) }},
			{"two-words", func() string { return c.word() + " " + c.word() }},
			{"phrase", func() string { return `"` + c.word() + " " + c.word() + `"` }},
			{"prefix", func() string { return c.word()[:2] + "*" }},
			{"from", func() string { return "from:u17 " + c.word() }},
			{"month", func() string { return "after:2026-04-01 before:2026-05-01 " + c.word() }},
		} {
			b.Run(who+"/"+q.name, func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					q := query(q.text())
					q.Access = []string{who}
					t := time.Now()
					ask(b, x, q)
					took = append(took, time.Since(t))
				}
				report(b, took)
			})
		}
	}
	b.Run("size", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(float64(folderSize(b, dir))/(1<<20), "MiB")
			b.ReportMetric(indexed.Seconds(), "s-to-index")
		}
	})
}

func folderSize(b *testing.B, dir string) (size int64) {
	b.Helper()
	files, err := os.ReadDir(filepath.Join(dir, "index"))
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if info, err := f.Info(); err == nil { // else merged away
			size += info.Size()
		}
	}
	return size
}

// BenchmarkFindable writes messages into a store of 100,000 and asks until each is found: from the commit to the first answer that has it.
func BenchmarkFindable(b *testing.B) {
	s := newShelf(b, b.TempDir())
	x := open(b, b.TempDir())
	c := newCorpus()
	for n := 0; n < benchMessages; n += chunk {
		var docs []Document
		for i := range chunk {
			docs = append(docs, c.message(n+i))
		}
		s.put(docs...)
	}
	stop := s.follow(x)
	s.reached(x)
	var took []time.Duration
	for n := benchMessages; b.Loop(); n++ {
		text := fmt.Sprint("unheard", n)
		s.put(message(n, text))
		t := time.Now()
		for find(b, x, text) == "" {
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(t))
	}
	report(b, took)
	stop()
}
