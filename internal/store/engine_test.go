package store

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"careline/internal/errs"
)

// engines are all that the store can stand on. Each passes the same tests.
var engines = map[string]func(t *testing.T) engine{
	"bbolt": func(t *testing.T) engine { return newBolt(t, filepath.Join(t.TempDir(), "engine.db")) },
}

func newBolt(t testing.TB, path string) engine {
	t.Helper()
	e, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func begin(t *testing.T, e engine, writable bool) transaction {
	t.Helper()
	tx, err := e.begin(writable)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.rollback() })
	return tx
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// content returns a space as text, in order.
func content(t *testing.T, tx transaction, space string, from, to []byte, reverse bool) string {
	t.Helper()
	var b strings.Builder
	must(t, tx.scan(space, from, to, reverse, func(key, value []byte) bool {
		fmt.Fprintf(&b, "%s=%s ", key, value)
		return true
	}))
	return strings.TrimSpace(b.String())
}

func put(t *testing.T, tx transaction, pairs ...string) {
	t.Helper()
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		must(t, tx.put("s", []byte(key), []byte(value)))
	}
}

func TestEngines(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			for what, test := range map[string]func(*testing.T, engine){
				"reads what is committed": conformCommit,
				"scans in order":          conformScan,
				"takes operations back":   conformUndo,
				"isolates readers":        conformIsolation,
				"writes while it scans":   conformScanWrites,
				"keeps bytes":             conformBytes,
				"takes one writer":        conformOneWriter,
			} {
				t.Run(what, func(t *testing.T) { test(t, open(t)) })
			}
		})
	}
}

func conformCommit(t *testing.T, e engine) {
	tx := begin(t, e, true)
	if tx.wrote() {
		t.Error("a new transaction has written")
	}
	must(t, tx.delete("s", []byte("none")))
	put(t, tx, "a=1", "b=2", "a=3")
	if !tx.wrote() {
		t.Error("nothing to commit")
	}
	got, err := tx.get("s", []byte("a"))
	if string(got) != "3" || err != nil {
		t.Errorf("own write: %q, %v", got, err)
	}
	must(t, tx.commit())
	must(t, tx.rollback()) // does nothing

	tx = begin(t, e, true)
	put(t, tx, "c=4")
	must(t, tx.delete("s", []byte("a")))
	must(t, tx.put("t", []byte("k"), nil))
	must(t, tx.rollback())

	tx = begin(t, e, false)
	if got := content(t, tx, "s", nil, nil, false); got != "a=3 b=2" {
		t.Errorf("got %s", got)
	}
	names, err := tx.spaces()
	if !slices.Equal(names, []string{"s"}) || err != nil {
		t.Errorf("spaces %q, %v", names, err)
	}
	for _, space := range []string{"s", "t"} {
		if got, err := tx.get(space, []byte("z")); got != nil || err != nil {
			t.Errorf("absent in %s: %q, %v", space, got, err)
		}
	}
	if e.size() == 0 {
		t.Error("no size")
	}
}

func conformScan(t *testing.T, e engine) {
	tx := begin(t, e, true)
	put(t, tx, "b=2", "d=4", "a=1", "c=3", "c\x00=5")
	must(t, tx.put("r", []byte("x"), []byte("other")))
	must(t, tx.put("t", []byte("a"), []byte("other")))
	for _, c := range []struct {
		from, to string
		up, down string
	}{
		{"", "", "a=1 b=2 c=3 c\x00=5 d=4", "d=4 c\x00=5 c=3 b=2 a=1"},
		{"b", "", "b=2 c=3 c\x00=5 d=4", "d=4 c\x00=5 c=3 b=2"},
		{"", "c", "a=1 b=2", "b=2 a=1"},
		{"b", "c\x00", "b=2 c=3", "c=3 b=2"},
		{"bb", "cc", "c=3 c\x00=5", "c\x00=5 c=3"},
		{"c", "c", "", ""},
		{"d", "b", "", ""},
		{"e", "", "", ""},
		{"", "a", "", ""},
		{"a", "z", "a=1 b=2 c=3 c\x00=5 d=4", "d=4 c\x00=5 c=3 b=2 a=1"},
	} {
		bound := func(s string) []byte {
			if s == "" {
				return nil
			}
			return []byte(s)
		}
		if got := content(t, tx, "s", bound(c.from), bound(c.to), false); got != c.up {
			t.Errorf("from %q to %q: %q, expected %q", c.from, c.to, got, c.up)
		}
		if got := content(t, tx, "s", bound(c.from), bound(c.to), true); got != c.down {
			t.Errorf("from %q to %q, down: %q, expected %q", c.from, c.to, got, c.down)
		}
	}
	n := 0
	must(t, tx.scan("s", nil, nil, false, func(_, _ []byte) bool { n++; return n < 2 }))
	if n != 2 {
		t.Errorf("the scan went on to %d", n)
	}
	if got := content(t, tx, "none", nil, nil, false); got != "" {
		t.Errorf("a space that is not there holds %s", got)
	}
}

func conformUndo(t *testing.T, e engine) {
	tx := begin(t, e, true)
	put(t, tx, "a=1", "b=2")
	must(t, tx.commit())

	tx = begin(t, e, true)
	tx.mark()
	put(t, tx, "a=first")
	tx.mark()
	put(t, tx, "a=second", "a=third", "c=3", "b=x")
	must(t, tx.delete("s", []byte("b")))
	must(t, tx.delete("s", []byte("c")))
	put(t, tx, "c=again")
	must(t, tx.put("new", []byte("k"), []byte("v")))
	must(t, tx.undo())
	if got := content(t, tx, "s", nil, nil, false); got != "a=first b=2" {
		t.Errorf("undone: %s", got)
	}
	if got := content(t, tx, "new", nil, nil, false); got != "" {
		t.Errorf("undone: %s", got)
	}
	tx.mark()
	put(t, tx, "d=4")
	must(t, tx.commit())
	if got := content(t, begin(t, e, false), "s", nil, nil, false); got != "a=first b=2 d=4" {
		t.Errorf("committed: %s", got)
	}
}

func conformIsolation(t *testing.T, e engine) {
	tx := begin(t, e, true)
	put(t, tx, "a=1")
	must(t, tx.commit())
	before := begin(t, e, false)
	tx = begin(t, e, true)
	put(t, tx, "a=2", "b=2")
	during := begin(t, e, false)
	must(t, tx.commit())
	for name, reader := range map[string]transaction{"before": before, "during": during} {
		if got := content(t, reader, "s", nil, nil, false); got != "a=1" {
			t.Errorf("a reader that began %s sees %s", name, got)
		}
	}
	if got := content(t, begin(t, e, false), "s", nil, nil, false); got != "a=2 b=2" {
		t.Errorf("a reader afterwards sees %s", got)
	}
}

func conformScanWrites(t *testing.T, e engine) {
	tx := begin(t, e, true)
	const n = 3000
	key := func(i int) []byte { return fmt.Appendf(nil, "%06d", i) }
	for i := range n {
		must(t, tx.put("s", key(2*i), bytes.Repeat([]byte("v"), 100)))
	}
	must(t, tx.commit())
	for _, reverse := range []bool{false, true} {
		tx = begin(t, e, true)
		next, step := 0, 2
		if reverse {
			next, step = 2*n-2, -2
		}
		must(t, tx.scan("s", nil, nil, reverse, func(k, _ []byte) bool {
			if !bytes.Equal(k, key(next)) {
				t.Fatalf("reverse %v: at %s, expected %s", reverse, k, key(next))
			}
			must(t, tx.delete("s", k))
			must(t, tx.put("s", key(next-step/2), nil)) // behind: not seen
			next += step
			return true
		}))
		if next != 2*n && next != -2 {
			t.Errorf("reverse %v: ended before %d", reverse, next)
		}
		must(t, tx.rollback())
	}
}

func conformBytes(t *testing.T, e engine) {
	tx := begin(t, e, true)
	key, value := bytes.Repeat([]byte{0, 255}, maxKey/2), make([]byte, 1<<20)
	for i := range value {
		value[i] = byte(i * i)
	}
	must(t, tx.put("s", key, value))
	must(t, tx.put("s", []byte{0}, nil))
	must(t, tx.put("s", []byte{255}, []byte{}))
	must(t, tx.commit())
	tx = begin(t, e, false)
	got, err := tx.get("s", key)
	if !bytes.Equal(got, value) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, k := range []byte{0, 255} {
		if got, err := tx.get("s", []byte{k}); got == nil || len(got) != 0 || err != nil {
			t.Errorf("an empty value comes back as %v, %v", got, err)
		}
	}
}

func conformOneWriter(t *testing.T, e engine) {
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for range 20 {
				tx, err := e.begin(true)
				if err != nil {
					t.Error(err)
					return
				}
				old, err := tx.get("s", []byte("n"))
				if err != nil || tx.put("s", []byte("n"), append(bytes.Clone(old), 'x')) != nil || tx.commit() != nil {
					t.Error("could not count")
				}
			}
		})
	}
	running.Wait()
	if got, err := begin(t, e, false).get("s", []byte("n")); len(got) != 160 || err != nil {
		t.Errorf("%d of 160, %v", len(got), err)
	}
}

func TestFileInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	openAt(t, path)
	_, err := Open(Options{Path: path, Logger: quiet()})
	wantKind(t, err, errs.Conflict)
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not say so: %v", err)
	}
	if errors.Is(err, ErrDamaged) {
		t.Error("called damaged")
	}
}
