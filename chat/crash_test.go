package chat

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"careline/internal/audit"
	"careline/internal/clock"
	"careline/internal/event"
	"careline/internal/seal"
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

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// TestKilled kills a process with 128 writers at random moments, ten times over the same data: no acknowledged message is lost, none is there
// twice, each is where it was said to be, and the audit is whole.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acked := make(map[string]string) // conversation and number to text
	for round := range 10 {
		kill(t, dir, round, 1+rand.IntN(800), acked)
	}
	r := newRigIn(t, dir, nil)
	r.verify()
	inspected := 0
	for c := range crashConversations {
		made, err := r.Create(ctx, who(crashWriter(c)), NewConversation{Incident: fmt.Sprint(c)})
		r.must(err)
		if made.Made {
			continue
		}
		texts := make(map[string]uint64)
		last := make(map[string]int) // of a round and writer
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
				key := fmt.Sprint(made.ID, " ", m.Seq)
				if text, ok := acked[key]; ok && text != m.Text {
					t.Errorf("%s was acknowledged as %q and is %q", key, text, m.Text)
				}
				delete(acked, key)
			}
			if !page.More {
				break
			}
		}
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged messages are lost", len(acked))
	}
	t.Logf("%d messages", inspected)
}

// kill runs a child until it acknowledged so many messages, and adds all that it did.
func kill(t *testing.T, dir string, round, after int, acked map[string]string) {
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
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	_ = cmd.Wait() // killed
	if count < after {
		t.Fatalf("round %d ended by itself after %d: %s", round, count, stderr.String())
	}
}
