package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// childPath and childRound tell the test binary to be the process that is killed.
const (
	childPath  = "CARELINE_TEST_STORE"
	childRound = "CARELINE_TEST_ROUND"
)

// note is a row of the crash test: what a writer wrote as its n-th.
type note struct{ Round, Writer, N int }

type noteKey = Pair[string, uint64]

var (
	noteKeys = Join(String[string](), Uint64[uint64]())
	notes    = NewTable("notes", noteKeys, JSON[note]())
	noteSeq  = NewCounter("notes", String[string]())
	byNote   = NewUnique(notes, "by_note", String[string](), func(_ noteKey, n note) []string { return []string{fmt.Sprint(n)} })
)

const (
	crashWriters       = 32
	crashConversations = 4
)

// writeUntilKilled is the child: each writer says on standard output what was acknowledged, after it was.
func writeUntilKilled(path string) error {
	round, err := strconv.Atoi(os.Getenv(childRound))
	if err != nil {
		return err
	}
	db, err := Open(Options{Path: path, Logger: quiet()})
	if err != nil {
		return err
	}
	go func() { _ = db.Run(context.Background()) }()
	var running sync.WaitGroup
	for w := range crashWriters {
		conversation := fmt.Sprint("conversation ", w%crashConversations)
		running.Go(func() {
			for n := 0; ; n++ {
				var seq uint64
				err := db.Update(context.Background(), func(tx *Tx) (err error) {
					if seq, err = noteSeq.Next(tx, conversation); err != nil {
						return err
					}
					if err = notes.Insert(tx, noteKey{conversation, seq}, note{round, w, n}); err == nil && n%5 == 4 {
						err = errUnlucky
					}
					return err
				})
				if err == nil {
					_, err = fmt.Fprintf(os.Stdout, "%d %d %d %d\n", w%crashConversations, seq, w, n)
				}
				if err != nil && err != errUnlucky {
					fmt.Fprintln(os.Stderr, err)
					return
				}
			}
		})
	}
	running.Wait()
	return nil
}

var errUnlucky = fmt.Errorf("every fifth operation fails")

// TestKilled kills a process with 32 writers at random moments, ten times over the same file. Whatever was acknowledged is there, where
// it was said to be.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	acked := make(map[noteKey]note)
	for round := range 10 {
		kill(t, path, round, 1+rand.IntN(1500), acked)
		db := openAt(t, path)
		view(t, db, func(tx *Tx) error { return inspectNotes(t, tx, acked) })
		must(t, db.Close())
	}
	t.Logf("%d rows acknowledged", len(acked))
}

// kill runs a child until it acknowledged so many rows and adds all that it did.
func kill(t *testing.T, path string, round, after int, acked map[noteKey]note) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path, childRound+"="+strconv.Itoa(round))
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	must(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	count := 0
	for lines.Scan() {
		var c int
		k, n := noteKey{}, note{Round: round}
		if _, err := fmt.Sscanf(lines.Text(), "%d %d %d %d", &c, &k.Second, &n.Writer, &n.N); err != nil {
			break // cut by the kill
		}
		k.First = fmt.Sprint("conversation ", c)
		if old, twice := acked[k]; twice {
			t.Errorf("%v was given to %+v and %+v", k, old, n)
		}
		acked[k] = n
		if count++; count == after {
			must(t, cmd.Process.Kill())
		}
	}
	_ = cmd.Wait() // killed
	if count < after {
		t.Fatalf("the child ended after %d rows: %s", count, stderr.String())
	}
}

func inspectNotes(t *testing.T, tx *Tx, acked map[noteKey]note) error {
	for k, want := range acked {
		got, err := notes.Get(tx, k)
		if err != nil || got != want {
			t.Errorf("%v: acknowledged %+v, found %+v, %v", k, want, got, err)
		}
	}
	rows := 0
	for c := range crashConversations {
		conversation := fmt.Sprint("conversation ", c)
		seq := uint64(0)
		last := make(map[int]note)
		for k, n := range notes.Scan(tx, Range[noteKey]{In: noteKeys.Of(conversation)}) {
			if seq++; k.Second != seq {
				t.Errorf("%s: %d follows %d", conversation, k.Second, seq-1)
				seq = k.Second
			}
			if before, ok := last[n.Writer]; ok && (n.Round < before.Round || n.Round == before.Round && n.N <= before.N) {
				t.Errorf("%s: %+v after %+v", conversation, n, before)
			}
			last[n.Writer] = n
			if n.N%5 == 4 {
				t.Errorf("%v failed and is there", n)
			}
			rows++
		}
		if given, err := noteSeq.Last(tx, conversation); given != seq || err != nil {
			t.Errorf("%s: counter at %d, %v, %d rows", conversation, given, err, seq)
		}
	}
	entries := 0
	for range byNote.Scan(tx, Range[string]{}) {
		entries++
	}
	if entries != rows {
		t.Errorf("%d rows, %d in the index", rows, entries)
	}
	return nil
}
