package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/store"
)

var ctx = context.Background()

type bench struct {
	*Chain
	t     testing.TB
	db    *store.DB
	clock *clock.Fake
	dir   string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, clock: clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)), dir: t.TempDir()}
	b.Chain = New(b.clock)
	var err error
	b.db, err = store.Open(store.Options{Path: filepath.Join(b.dir, "store.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() {
		if err := b.db.Run(running); err != nil {
			t.Errorf("run the store: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		run.Wait()
		if err := b.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) update(fn func(*store.Tx) error) {
	b.t.Helper()
	if err := b.db.Update(ctx, fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) fill(n int) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error {
		for i := range n {
			b.clock.Advance(time.Second)
			hash, err := b.Hash(tx, "conv-1", []byte(fmt.Sprint("text ", i)))
			if err != nil {
				return err
			}
			e := Entry{Actor: "ann", Action: "message.edited", Object: fmt.Sprint("conv-1/", i), After: hash, Detail: map[string]string{"b": "2", "a": "1"}}
			if _, err := b.Append(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestEveryChangeIsFound makes a thousand random changes, one at a time, and wants each to be found, and the chain to be whole when it is
// taken back.
func TestEveryChangeIsFound(t *testing.T) {
	b := newBench(t)
	const n = 40
	b.fill(n)
	anchors := []Head{}
	b.update(func(tx *store.Tx) error {
		head, err := b.Head(tx)
		anchors = append(anchors, head)
		return err
	})
	whole := func() error { _, err := b.Verify(ctx, b.db, anchors); return err }
	if count, err := b.Verify(ctx, b.db, anchors); err != nil || count != n {
		t.Fatalf("%d records, %v", count, err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 1000 {
		at := 1 + random.Uint64N(n)
		var kept Record
		var head Head
		b.update(func(tx *store.Tx) (err error) {
			if kept, err = records.Get(tx, at); err != nil {
				return err
			}
			head, err = b.Head(tx)
			return err
		})
		kind := random.IntN(6)
		other := kept
		b.update(func(tx *store.Tx) error {
			switch kind {
			case 0: // removed
				return records.Delete(tx, at)
			case 1: // changed
				other.Actor += "x"
				return records.Put(tx, at, other)
			case 2: // changed and hashed anew
				other.Action = "message.read"
				hash, err := other.sum()
				if err != nil {
					return err
				}
				other.Hash = hash
				if at == n { // with the head
					if err := heads.Put(tx, headKey, Head{Pos: n, Hash: hash, At: other.At}); err != nil {
						return err
					}
				}
				return records.Put(tx, at, other)
			case 3: // moved
				next, err := records.Get(tx, at%n+1)
				if err != nil {
					return err
				}
				return records.Put(tx, at, next)
			case 4: // cut off at the end, with the head
				last, err := records.Get(tx, n-1)
				if err != nil {
					return err
				}
				at = n
				if kept, err = records.Get(tx, n); err != nil {
					return err
				}
				if err := heads.Put(tx, headKey, Head{Pos: n - 1, Hash: last.Hash, At: last.At}); err != nil {
					return err
				}
				return records.Delete(tx, n)
			default: // one more in the middle
				other.Pos = n + 1
				return records.Put(tx, n+1, other)
			}
		})
		if err := whole(); !errors.Is(err, ErrBroken) {
			t.Fatalf("round %d: a change of kind %d at %d is not found: %v", round, kind, at, err)
		}
		b.update(func(tx *store.Tx) error {
			return errors.Join(records.Put(tx, at, kept), records.Delete(tx, n+1), heads.Put(tx, headKey, head))
		})
	}
	if err := whole(); err != nil {
		t.Errorf("after all was taken back: %v", err)
	}
}

func TestChainIsWrittenAnew(t *testing.T) {
	b := newBench(t)
	b.fill(3)
	file := filepath.Join(b.dir, "anchors")
	a := NewAnchors(file, b.Chain, b.db, b.clock, slog.New(slog.DiscardHandler))
	if err := a.Anchor(ctx); err != nil {
		t.Fatal(err)
	}
	// Everything again, with other people: whole in itself, but not what was anchored.
	b.update(func(tx *store.Tx) error {
		for pos := range uint64(3) {
			if err := records.Delete(tx, pos+1); err != nil {
				return err
			}
		}
		return heads.Delete(tx, headKey)
	})
	b.update(func(tx *store.Tx) error {
		for range 5 {
			if _, err := b.Append(tx, Entry{Actor: "eve", Action: "nothing", Object: "x"}); err != nil {
				return err
			}
		}
		return nil
	})
	if _, err := b.Verify(ctx, b.db, nil); err != nil {
		t.Fatalf("without anchors: %v", err)
	}
	anchors, err := ReadAnchors(file)
	if err != nil || len(anchors) != 1 {
		t.Fatalf("%v, %v", anchors, err)
	}
	if _, err := b.Verify(ctx, b.db, anchors); !errors.Is(err, ErrBroken) {
		t.Errorf("with anchors: %v", err)
	}
}

func TestContentIsOnlyAHash(t *testing.T) {
	b := newBench(t)
	b.fill(2)
	var out bytes.Buffer
	if err := b.Export(ctx, b.db, &out, newKey(t)); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "text ") {
		t.Error("the export has content")
	}
	lines := bufio.NewScanner(&out)
	n := 0
	for lines.Scan() {
		n++
		if !json.Valid(lines.Bytes()) {
			t.Errorf("line %d is no JSON", n)
		}
	}
	if n != 3 {
		t.Errorf("%d lines, want two records and the head", n)
	}
	check := func(want bool) {
		t.Helper()
		b.update(func(tx *store.Tx) error {
			r, err := records.Get(tx, 1)
			if err != nil {
				return err
			}
			got, err := b.Matches(tx, "conv-1", []byte("text 0"), r.After)
			if got != want {
				t.Errorf("the content matches: %v, want %v", got, want)
			}
			if other, _ := b.Matches(tx, "conv-2", []byte("text 0"), r.After); other {
				t.Error("it matches under another stream's salt")
			}
			return err
		})
	}
	check(true)
	b.update(func(tx *store.Tx) error { return b.Forget(tx, "conv-1") })
	check(false)
	if _, err := b.Verify(ctx, b.db, nil); err != nil {
		t.Errorf("after the salt was destroyed: %v", err)
	}
}

func TestAnchorsAreAppended(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(b.dir, "anchors")
	a := NewAnchors(file, b.Chain, b.db, b.clock, slog.New(slog.DiscardHandler))
	running, cancel := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() { a.Run(running) })
	count := func() int {
		heads, err := ReadAnchors(file)
		if err != nil {
			t.Error(err)
		}
		return len(heads)
	}
	b.fill(1)
	deadline := time.Now().Add(10 * time.Second)
	for count() < 1 && time.Now().Before(deadline) {
		b.clock.Advance(AnchorEvery)
		time.Sleep(time.Millisecond)
	}
	b.fill(1)
	cancel()
	run.Wait()
	if n := count(); n != 2 {
		t.Errorf("%d anchors, want one for each head and the last at the end", n)
	}
	// A line that was cut off by a crash is no anchor; one that makes no sense is a broken chain.
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(bytes.Clone(whole), []byte(`{"pos":3,`)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2 {
		t.Errorf("%d anchors with one cut off", n)
	}
	if err := os.WriteFile(file, append(bytes.Clone(whole), []byte("nonsense\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAnchors(file); !errors.Is(err, ErrBroken) {
		t.Errorf("an anchor that makes no sense: %v", err)
	}
}

// FuzzReadAnchors reads files that somebody else wrote.
func FuzzReadAnchors(f *testing.F) {
	f.Add([]byte(`{"pos":1,"hash":"AA==","at":"2026-11-21T08:00:00Z"}` + "\n"))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(t.TempDir(), "anchors")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _ = ReadAnchors(file)
	})
}
