package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
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

// BenchmarkQuery asks an index of 100,000 messages, by a reader of all of them and by one of a hundredth, while nothing and while 100 messages/s
// are written.
func BenchmarkQuery(b *testing.B) {
	const messages = 100_000
	x := open(b, b.TempDir())
	c := newCorpus()
	began := time.Now()
	for n := 0; n < messages; n += chunk {
		var docs []Document
		for i := range chunk {
			docs = append(docs, c.message(n+i))
		}
		put(b, x, docs...)
	}
	b.Logf("indexed in %v", time.Since(began))
	for _, who := range []string{"p:all", "p:17"} {
		for name, text := range map[string]func() string{
			"word":   c.word,
			"two":    func() string { return c.word() + " " + c.word() },
			"common": func() string { return word(0) },
			"phrase": func() string { return `"` + c.word() + " " + c.word() + `"` },
			"prefix": func() string { return c.word()[:2] + "*" },
			"from":   func() string { return "from:u17 " + c.word() },
			"month":  func() string { return "after:2026-03-01 before:2026-04-01 " + c.word() },
		} {
			b.Run(who+"/"+name, func(b *testing.B) {
				var took []time.Duration
				hits := 0
				for b.Loop() {
					q := query(text())
					q.Access = []string{who}
					t := time.Now()
					hits += len(ask(b, x, q).Hits)
					took = append(took, time.Since(t))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
				b.ReportMetric(float64(hits)/float64(len(took)), "hits")
			})
		}
	}
}
