package attachment

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/errs"
	"careline/internal/scan"
	"careline/internal/store"
)

// scanner finds what contains "malicious", and fails as long as failing is set.
type scanner struct {
	mu      sync.Mutex
	failing error // guarded by mu
	asked   chan string
}

func (s *scanner) Scan(_ context.Context, content io.Reader) (scan.Verdict, error) {
	all, err := io.ReadAll(content)
	if err != nil {
		return scan.Verdict{}, err
	}
	s.asked <- string(all)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.failing != nil:
		return scan.Verdict{}, s.failing
	case strings.Contains(string(all), "malicious"):
		return scan.Verdict{State: scan.Infected, Signature: "Stub.Test"}, nil
	case strings.Contains(string(all), "nonsense"):
		return scan.Verdict{State: "fine, I think"}, nil
	}
	return scan.Verdict{State: scan.Clean}, nil
}

func (s *scanner) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

func TestScanning(t *testing.T) {
	s := &scanner{asked: make(chan string, 100)}
	told := make(chan File, 100)
	var rang sync.WaitGroup
	rang.Add(2)
	b := open(t, func(o *Options) {
		o.Scanner = s
		o.Scanned = func(_ *store.Tx, f File) error { told <- f; return nil }
		o.Rang = rang.Done
	})
	good, bad := b.mustSend("a.txt", "", []byte("harmless")), b.mustSend("b.txt", "", []byte("malicious"))
	for _, f := range []File{good, bad} {
		if f.Scan != scan.Pending {
			t.Errorf("%+v", f)
		}
		b.attach(f.ID, "m")
		_, err := b.read(f.ID, "ben", Whole)
		wantKind(t, err, errs.Conflict)
		if _, err := b.read(f.ID, "ann", Whole); err != nil {
			t.Errorf("who sent it: %v", err)
		}
	}
	stop := b.run()
	defer stop()
	verdicts := map[string]File{}
	for range 2 {
		f := <-told
		verdicts[f.ID] = f
	}
	rang.Wait()
	if verdicts[good.ID].Scan != scan.Clean || verdicts[bad.ID].Scan != scan.Infected || verdicts[bad.ID].Signature != "Stub.Test" {
		t.Errorf("%+v", verdicts)
	}
	if _, err := b.read(good.ID, "ben", Whole); err != nil {
		t.Error(err)
	}
	for _, who := range []string{"ann", "ben"} {
		_, err := b.read(bad.ID, who, Whole)
		wantKind(t, err, errs.Denied)
	}
	wantKind(t, b.db.Update(t.Context(), func(tx *store.Tx) error { return b.Attach(tx, bad.ID, "conv", "ann", "m2") }), errs.Denied)
}

// While the scanner cannot be asked files stay pending; it is asked again, less and less often, also by the next process.
func TestScannerThatFails(t *testing.T) {
	dir := t.TempDir()
	s := &scanner{asked: make(chan string, 100), failing: errors.New("down")}
	change := func(o *Options) { o.Scanner = s }
	b := openAt(t, dir, change)
	f := b.mustSend("a.txt", "", []byte("harmless"))
	nonsense := b.mustSend("b.txt", "", []byte("nonsense"))
	asked := 0
	tick := func() {
		if err := b.scan(t.Context()); err != nil {
			t.Fatal(err)
		}
		for len(s.asked) > 0 {
			<-s.asked
			asked++
		}
	}
	tick()
	tick()
	if asked != 2 {
		t.Errorf("asked %d times at once", asked)
	}
	b.clock.Advance(firstRetry)
	tick()
	if asked != 4 {
		t.Errorf("asked %d times after the first wait", asked)
	}
	b.clock.Advance(firstRetry) // the second wait is longer
	tick()
	if asked != 4 {
		t.Errorf("asked %d times during the second wait", asked)
	}
	b.stop()
	b = openAt(t, dir, change)
	s.fail(nil)
	b.clock.Advance(time.Hour)
	tick()
	if got, err := b.Describe(t.Context(), f.ID); err != nil || got.Scan != scan.Clean {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := b.Describe(t.Context(), nonsense.ID); err != nil || got.Scan != scan.Pending {
		t.Errorf("%+v, %v", got, err)
	}
	// Without a scanner any more, nothing waits for one.
	b.stop()
	b = openAt(t, dir, nil)
	b.clock.Advance(2 * time.Hour)
	if err := b.scan(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := b.Describe(t.Context(), nonsense.ID); err != nil || got.Scan != scan.Skipped {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRunEndsWhatHasWaited(t *testing.T) {
	b := open(t, nil)
	u := b.begin("a.txt", "", 10)
	stop := b.run()
	defer stop()
	if err := b.clock.WaitArmed(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	b.clock.Advance(25 * time.Hour)
	for known := true; known; {
		err := b.db.View(t.Context(), func(tx *store.Tx) (err error) { known, err = uploads.Has(tx, u.ID); return err })
		if err != nil {
			t.Fatal(err)
		}
	}
}
