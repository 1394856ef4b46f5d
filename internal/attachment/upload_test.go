package attachment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"careline/internal/blob"
	"careline/internal/errs"
)

// An upload goes on from where it was, over lost connections and restarts, and what is answered is there.
func TestUploadGoesOn(t *testing.T) {
	dir := t.TempDir()
	change := func(o *Options) { o.Limits.Piece = 1000 }
	b := openAt(t, dir, change)
	content := []byte(strings.Repeat("0123456789abcdef", 1000))
	u := b.begin("a.txt", "text/plain", len(content))
	lost := errors.New("connection lost")
	r := rand.New(rand.NewPCG(1, 2))
	for round := 0; u.Offset < u.Length; round++ {
		part := content[u.Offset:]
		n := r.IntN(3000)
		connection := io.Reader(bytes.NewReader(part))
		if n < len(part) {
			connection = io.MultiReader(bytes.NewReader(part[:n]), iotest.ErrReader(lost))
		}
		now, err := b.Append(t.Context(), u.ID, "ann", u.Offset, connection)
		if n < len(part) && !errors.Is(err, lost) || n >= len(part) && err != nil || now.Offset != min(u.Offset+int64(n), u.Length) && n < len(part) {
			t.Fatalf("%d more: %+v, %v", n, now, err)
		}
		if round%3 == 2 {
			b.stop()
			b = openAt(t, dir, change)
		}
		known, err := b.Offset(t.Context(), u.ID, "ann")
		if err != nil || known.Offset != now.Offset {
			t.Fatalf("%+v, then %+v, %v", now, known, err)
		}
		u = known
	}
	f, err := b.Finish(t.Context(), u.ID, "ann")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.read(f.ID, "ann", Whole); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n := b.files(); n != 1 {
		t.Errorf("%d files", n)
	}
}

func TestAppendIsRefused(t *testing.T) {
	b := open(t, nil)
	u := b.begin("a.txt", "", 10)
	if _, err := b.Append(t.Context(), u.ID, "ann", 0, strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 4, 6, -1} {
		if now, err := b.Append(t.Context(), u.ID, "ann", at, strings.NewReader("x")); !errors.Is(err, ErrOffset) || now.Offset != 5 {
			t.Errorf("at %d: %+v, %v", at, now, err)
		}
	}
	if now, err := b.Append(t.Context(), u.ID, "ann", 5, strings.NewReader("too much")); !errors.Is(err, blob.ErrTooLarge) || now.Offset != 5 {
		t.Errorf("%+v, %v", now, err)
	}
	if _, err := b.Finish(t.Context(), u.ID, "ann"); !errors.Is(err, ErrIncomplete) {
		t.Errorf("%v", err)
	}
	for _, id := range []string{u.ID, "att_none"} {
		_, err := b.Append(t.Context(), id, "ben", 5, strings.NewReader("x"))
		wantKind(t, err, errs.NotFound)
		_, err = b.Offset(t.Context(), id, "ben")
		wantKind(t, err, errs.NotFound)
		if err := b.Cancel(t.Context(), id, "ben"); err != nil {
			t.Error(err)
		}
	}
	if err := b.Cancel(t.Context(), u.ID, "ann"); err != nil {
		t.Error(err)
	}
	if _, err := b.Offset(t.Context(), u.ID, "ann"); !errs.Is(err, errs.NotFound) {
		t.Errorf("%v", err)
	}
}

// TestCancelAFile: a file without a message goes with its upload's end, for who sent it only; one that a message has stays.
func TestCancelAFile(t *testing.T) {
	b := open(t, nil)
	sent, loose := b.mustSend("sent.txt", "text/plain", []byte("sent")), b.mustSend("loose.txt", "text/plain", []byte("loose"))
	b.attach(sent.ID, "m1")
	for _, by := range []string{"ben", "ann"} {
		for _, id := range []string{sent.ID, loose.ID} {
			if err := b.Cancel(t.Context(), id, by); err != nil {
				t.Error(err)
			}
		}
		if _, err := b.Describe(t.Context(), loose.ID); errs.Is(err, errs.NotFound) != (by == "ann") {
			t.Errorf("after %s: %v", by, err)
		}
	}
	if _, err := b.Describe(t.Context(), sent.ID); err != nil {
		t.Error(err)
	}
	if n := b.files(); n != 1 {
		t.Errorf("%d files", n)
	}
}

func TestLimits(t *testing.T) {
	b := open(t, func(o *Options) { o.Limits = Limits{File: 100, Open: 3, Pending: 250} })
	begin := func(by string, length int64) error {
		_, err := b.Begin(t.Context(), Offer{Conversation: "conv", By: by, Name: "a.txt", Length: length})
		return err
	}
	if err := begin("ann", 101); !errors.Is(err, blob.ErrTooLarge) {
		t.Error(err)
	}
	for _, o := range []Offer{{Name: "", Length: 1}, {Name: strings.Repeat("x", 256), Length: 1}, {Name: "a", Declared: strings.Repeat("x", 256), Length: 1}} {
		o.Conversation, o.By = "conv", "ann"
		_, err := b.Begin(t.Context(), o)
		wantKind(t, err, errs.Invalid)
	}
	f := b.mustSend("a.txt", "", bytes.Repeat([]byte("x"), 100)) // counts until it is in a message
	if err := begin("ann", 100); err != nil {
		t.Error(err)
	}
	wantKind(t, begin("ann", 51), errs.Limit)
	if err := begin("ann", 50); err != nil {
		t.Error(err)
	}
	wantKind(t, begin("ann", 0), errs.Limit) // the fourth
	if err := begin("ben", 100); err != nil {
		t.Error(err)
	}
	b.attach(f.ID, "m")
	if err := begin("ann", 100); err != nil {
		t.Error(err)
	}
}

// Of appends and ends at the same time one wins, and nothing is left behind.
func TestRaces(t *testing.T) {
	b := open(t, nil)
	u := b.begin("a.txt", "text/plain", 5000)
	for u.Offset < u.Length {
		var won atomic.Int32
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				part := strings.NewReader(strings.Repeat(fmt.Sprint(w), 1000))
				switch _, err := b.Append(t.Context(), u.ID, "ann", u.Offset, part); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ErrOffset):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		now, err := b.Offset(t.Context(), u.ID, "ann")
		if err != nil || now.Offset != u.Offset+1000 || won.Load() != 1 {
			t.Fatalf("%+v, %d won, %v", now, won.Load(), err)
		}
		u = now
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if f, err := b.Finish(t.Context(), u.ID, "ann"); err != nil || f.ID != u.ID || f.Size != 5000 {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
	wg.Wait()
	b.attach(u.ID, "m")
	b.clock.Advance(2 * time.Hour) // holds of those who lost
	if n := b.files(); n != 1 {
		t.Errorf("%d files", n)
	}
}

func TestPieces(t *testing.T) {
	b := open(t, func(o *Options) { o.Limits.Piece = 7 })
	content := []byte("The quick brown fox jumps over the lazy dog")
	u := b.begin("a.txt", "", len(content))
	if _, err := b.Append(t.Context(), u.ID, "ann", 0, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	full, err := b.upload(t.Context(), u.ID, "ann")
	if err != nil || len(full.Pieces) != 7 {
		t.Fatalf("%+v, %v", full, err)
	}
	p := b.pieces(t.Context(), &full)
	if err := iotest.TestReader(p, content); err != nil {
		t.Error(err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Error(err)
	}
}
