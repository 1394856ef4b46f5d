package audit

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// key signs as a server does.
type key struct{ ed25519.PrivateKey }

func (k key) Sign(content []byte) []byte { return ed25519.Sign(k.PrivateKey, content) }

func (k key) Public() ed25519.PublicKey { return k.PrivateKey.Public().(ed25519.PublicKey) }

func newKey(t testing.TB) key {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key{private}
}

func verified(export []byte, k key) (uint64, error) {
	return VerifyExport(bytes.NewReader(export), k.Public())
}

// TestExportThatWasChanged: an export is known as what left the server, and any change of it is found without the server.
func TestExportThatWasChanged(t *testing.T) {
	b := newBench(t)
	k := newKey(t)
	const n = 20
	b.fill(n)
	var out bytes.Buffer
	if err := b.Export(ctx, b.db, &out, k); err != nil {
		t.Fatal(err)
	}
	whole := out.Bytes()
	if count, err := verified(whole, k); err != nil || count != n {
		t.Fatalf("%d records: %v", count, err)
	}
	lines := bytes.SplitAfter(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n"))
	join := func(list ...[][]byte) []byte { return bytes.Join(slices.Concat(list...), nil) }
	swapped := slices.Clone(lines)
	swapped[3], swapped[4] = swapped[4], swapped[3]
	extra := slices.Clone(lines)
	extra[2] = bytes.Replace(extra[2], []byte(`{"pos"`), []byte(`{"ACTOR":"eve","pos"`), 1)
	for what, export := range map[string][]byte{
		"nothing":                  nil,
		"no records":               lines[n],
		"cut off before its head":  join(lines[:n]),
		"cut off with its head":    join(lines[:n-1], lines[n:]),
		"without the first record": join(lines[1:]),
		"without one":              join(lines[:7], lines[8:]),
		"with one twice":           join(lines[:7], lines[6:]),
		"with two exchanged":       join(swapped),
		"with one more member":     join(extra),
		"with another actor":       bytes.Replace(whole, []byte(`"ann"`), []byte(`"eve"`), 1),
		"with another signature":   bytes.Replace(whole, []byte(`"signature":"`), []byte(`"signature":"AAAA`), 1),
		"with a second head":       join(lines, [][]byte{[]byte("\n"), lines[n]}),
		"with something behind it": join(lines, [][]byte{[]byte("\n{}")}),
		"with a line of no end":    []byte(strings.Repeat("x", longestLine+1)),
	} {
		if _, err := verified(export, k); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := verified(whole, newKey(t)); !errors.Is(err, ErrBroken) {
		t.Errorf("by another key: %v", err)
	}
	for range 1000 {
		spoiled := bytes.Clone(whole)
		spoiled[rand.IntN(len(spoiled)-1)] ^= byte(1 + rand.IntN(255)) // but for the last line's end
		if _, err := verified(spoiled, k); !errors.Is(err, ErrBroken) {
			t.Fatalf("a changed byte: %v", err)
		}
	}
}

// TestExportOfNothingAndOfMuch: the audit of a server that has done nothing, and one that is read in pages.
func TestExportOfNothingAndOfMuch(t *testing.T) {
	b, k := newBench(t), newKey(t)
	for _, n := range []int{0, pageSize + 5} {
		b.fill(n)
		var out bytes.Buffer
		if err := b.Export(ctx, b.db, &out, k); err != nil {
			t.Fatal(err)
		}
		if got, err := verified(out.Bytes(), k); err != nil || got != uint64(n) {
			t.Errorf("%d records of %d: %v", got, n, err)
		}
	}
}

// FuzzVerifyExport reads files that somebody else wrote: only what was signed passes.
func FuzzVerifyExport(f *testing.F) {
	k := key{ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))}
	b := newBench(f)
	b.fill(3)
	var out bytes.Buffer
	if err := b.Export(ctx, b.db, &out, k); err != nil {
		f.Fatal(err)
	}
	whole := out.Bytes()
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("{}\n"))
	f.Add([]byte(fmt.Sprintf(`{"head":{"pos":0,"hash":"","at":"2026-11-21T08:00:00Z"},"public_key":"","signature":""}%s`, "\n")))
	f.Fuzz(func(t *testing.T, export []byte) {
		plain := bytes.ReplaceAll(append(bytes.TrimRight(export, "\r\n"), '\n'), []byte("\r\n"), []byte("\n"))
		if _, err := verified(export, k); err == nil && !bytes.Equal(plain, whole) {
			t.Errorf("what was never exported is taken: %q", export)
		}
	})
}
