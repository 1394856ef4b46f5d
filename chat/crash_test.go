package chat

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/audit"
	"careline/internal/clock"
	"careline/internal/event"
	"careline/internal/seal"
	"careline/internal/search"
	"careline/internal/store"
)

// childPath and childRound tell the test binary to be the process that is killed.
const (
	childPath  = "CARELINE_TEST_CHAT"
	childRound = "CARELINE_TEST_ROUND"

	crashWriters       = 128
	crashConversations = 8
)

func crashWriter(w int) string { return fmt.Sprint("writer-", w) }

// child writes with many writers until it is killed, and says what was acknowledged, after it was. Every message is sent twice.
func child(dir string) int {
	master, _, err := seal.ReadMaster(filepath.Join(dir, "master.key"))
	if err != nil {
		return fail(err)
	}
	db, err := store.Open(store.Options{Path: filepath.Join(dir, "store.db"), Logger: quiet()})
	if err != nil {
		return fail(err)
	}
	keys, err := store.Open(store.Options{Path: filepath.Join(dir, "keys.db"), Logger: quiet()})
	if err != nil {
		return fail(err)
	}
	vault, err := seal.New(keys, master, clock.Real{})
	if err != nil {
		return fail(err)
	}
	go func() { _ = db.Run(context.Background()) }()
	go func() { _ = keys.Run(context.Background()) }()
	s := New(Config{Log: event.NewLog(db, clock.Real{}, quiet()), Chain: audit.New(clock.Real{}), Vault: vault, Clock: clock.Real{}, Logger: slog.New(slog.DiscardHandler)})
	index, err := search.Open(search.Options{Dir: filepath.Join(dir, "search"), Logger: quiet()})
	if err != nil {
		return fail(err)
	}
	go func() { _ = s.follower(index).Run(context.Background()) }()
	var out sync.Mutex
	var running sync.WaitGroup
	for w := range crashWriters {
		running.Go(func() {
			incident := NewConversation{Incident: fmt.Sprint(w % crashConversations)}
			made, err := s.Create(context.Background(), who(crashWriter(w)), incident)
			for n := 0; err == nil; n++ {
				text := fmt.Sprintf("%s %d %d", os.Getenv(childRound), w, n)
				var got Receipt
				for range 2 {
					if got, err = s.Append(context.Background(), who(crashWriter(w)), made.ID, Draft{ClientKey: text, Text: text}); err != nil {
						break
					}
				}
				if err == nil {
					out.Lock()
					_, err = fmt.Fprintf(os.Stdout, "%s %d %s\n", made.ID, got.Seq, text)
					out.Unlock()
				}
			}
			fmt.Fprintln(os.Stderr, err)
		})
	}
	running.Wait()
	return 1
}

// follower keeps an index at the end of a service's log.
func (s *Service) follower(index *search.Index) *search.Follower {
	return &search.Follower{Index: index, Log: s.cfg.Log, Clock: clock.Real{}, Read: s.Documents, All: s.AllDocuments, Logger: quiet()}
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// rounds is how often a process is killed: 10 times, and in make soak 100.
func rounds() int {
	if os.Getenv("CARELINE_SOAK") != "" {
		return 100
	}
	return 10
}

// TestKilled kills a process with 128 writers at random moments, again and again over the same data: no acknowledged message is lost, none is
// there twice, each is where it was said to be, the audit is whole, and the index, killed with it, finds what the store has and nothing else.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acked := make(map[string]string) // conversation and number to text
	for round := range rounds() {
		crash(t, dir, round, 1+rand.IntN(800), acked, func(cmd *exec.Cmd) error { return cmd.Process.Kill() })
	}
	survived(t, dir, acked)
}

// survived looks at what processes that did not end by themselves have left.
func survived(t *testing.T, dir string, acked map[string]string) {
	t.Helper()
	r := newRigIn(t, dir, nil)
	r.verify()
	missing := maps.Clone(acked)
	found := r.everything(t)
	inspected := 0
	for c := range crashConversations {
		made, err := r.Create(ctx, who(crashWriter(c)), NewConversation{Incident: fmt.Sprint(c)})
		r.must(err)
		if made.Made {
			continue
		}
		texts := make(map[string]uint64)
		last := make(map[string]int) // of a round and writer
		indexed := found[made.ID]
		var after uint64
		for {
			page, err := r.Messages(ctx, who(crashWriter(c)), made.ID, Window{After: &after, Limit: 500})
			r.must(err)
			for _, m := range page.Items {
				if after++; m.Seq != after {
					t.Fatalf("message %d follows %d", m.Seq, after-1)
				}
				inspected++
				if m.Kind == SystemKd {
					continue
				}
				if texts[m.Text] != 0 {
					t.Errorf("%q is there as %d and %d", m.Text, texts[m.Text], m.Seq)
				}
				texts[m.Text] = m.Seq
				at := strings.LastIndex(m.Text, " ")
				var n int
				_, err := fmt.Sscan(m.Text[at:], &n)
				r.must(err)
				if before, ok := last[m.Text[:at]]; ok && n != before+1 || !ok && n != 0 {
					t.Errorf("%q comes after number %d", m.Text, before)
				}
				last[m.Text[:at]] = n
				if !indexed[m.ID] {
					t.Errorf("%q is not in the index", m.Text)
				}
				delete(indexed, m.ID)
				key := fmt.Sprint(made.ID, " ", m.Seq)
				if text, ok := missing[key]; ok && text != m.Text {
					t.Errorf("%s was acknowledged as %q and is %q", key, text, m.Text)
				}
				delete(missing, key)
			}
			if !page.More {
				break
			}
		}
		if len(indexed) > 0 {
			t.Errorf("the index has %d messages that are not in the store", len(indexed))
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d acknowledged messages are lost", len(missing))
	}
	t.Logf("%d messages", inspected)
}

// everything returns the ids that the index of a rig's folder has, by conversation, once it has caught up with the log.
func (r *rig) everything(t *testing.T) map[string]map[string]bool {
	t.Helper()
	index, err := search.Open(search.Options{Dir: filepath.Join(r.dir, "search"), Logger: quiet()})
	r.must(err)
	running, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() { _ = r.follower(index).Run(running) })
	defer func() {
		cancel()
		wait.Wait()
		r.must(index.Close())
	}()
	var last uint64
	r.must(r.log.View(ctx, func(tx *store.Tx) (err error) { last, err = r.log.Last(tx, ""); return err }))
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		at, known, err := index.Cursor()
		if err == nil && known && at.Pos >= last {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the index stays at %d of %d: %v", at.Pos, last, err)
		}
	}
	found := make(map[string]map[string]bool)
	q := search.Query{Limit: 200, Visible: func(_ context.Context, hits []search.Hit) ([]search.Hit, error) { return hits, nil }}
	r.must(r.log.View(ctx, func(tx *store.Tx) error {
		for id := range conversations.Scan(tx, store.Range[string]{}) {
			q.Access, q.In = append(q.Access, access(id)), append(q.In, id)
			found[id] = make(map[string]bool)
		}
		return nil
	}))
	for more := len(q.In) > 0; more; {
		page, err := index.Query(ctx, q)
		r.must(err)
		for _, h := range page.Hits {
			found[h.Stream][h.ID] = true
		}
		q.Cursor, more = page.Cursor, page.Cursor != ""
	}
	return found
}

// crash runs a child until it acknowledged so many messages, ends it, and adds all that it acknowledged.
func crash(t *testing.T, dir string, round, after int, acked map[string]string, end func(*exec.Cmd) error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+dir, childRound+"="+fmt.Sprint(round))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	count := 0
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), " ", 3)
		if len(parts) != 3 || strings.Count(parts[2], " ") != 2 {
			break // cut by the kill
		}
		acked[parts[0]+" "+parts[1]] = parts[2]
		if count++; count == after {
			if err := end(cmd); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if count < after {
		t.Fatalf("round %d ended by itself after %d: %s", round, count, stderr.String())
	}
}
