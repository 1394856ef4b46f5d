package webhook

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"careline/internal/clock"
	"careline/internal/store"
)

// The test binary is the process that is killed when these are set.
const (
	childPath  = "CARELINE_TEST_WEBHOOKS"
	childURL   = "CARELINE_TEST_RECEIVER"
	childRound = "CARELINE_TEST_ROUND"
	rooms      = 4
)

func nowhen() time.Time { return time.Time{} }

// postUntilKilled is the child: it writes events into the outbox, says so on standard output, and delivers.
func postUntilKilled(path string) {
	db, err := store.Open(store.Options{Path: path, Logger: quiet()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	o := NewOutbox(Config{Store: db, Logger: quiet(), Clock: clock.Real{}})
	NewNotifier(o, NotifierConfig{URLs: []string{os.Getenv(childURL)}, Sign: func(string) (string, error) { return "signed", nil }})
	go func() { _ = db.Run(context.Background()) }()
	go func() { _ = o.Run(context.Background()) }()
	var receiver string
	for receiver = range o.channels[livekitPrefix].(*Notifier).receivers {
	}
	var writing sync.WaitGroup
	for room := range rooms {
		writing.Go(func() {
			for n := 0; ; n++ {
				for o.Stats().Waiting > 100 {
					time.Sleep(time.Millisecond)
				}
				text := fmt.Sprintf("%s %d %d", os.Getenv(childRound), room, n)
				key := lineKey{First: receiver, Second: strconv.Itoa(room)}
				var at place
				if err := db.Update(context.Background(), func(tx *store.Tx) (err error) {
					at, err = put(tx, key, item{ID: text, Body: []byte(text)})
					return err
				}); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				o.added(at)
				if _, err := fmt.Println(text); err != nil {
					return
				}
			}
		})
	}
	writing.Wait()
}

// TestKilled kills a process that writes and delivers, at random moments. What was written arrives, at least once, and in order for each room.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	to := newReceiver(t, func(n int, _ string, _ http.Header) int {
		if n%50 == 0 {
			return 503
		}
		return 200
	})
	var written []string
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childPath+"="+path, childURL+"="+to.URL, childRound+"="+strconv.Itoa(round))
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		goal := to.asked() + 1 + rand.IntN(200)
		eventually(t, "deliveries of the child", func() bool { return to.asked() >= goal })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		lines := strings.Split(out.String(), "\n")
		written = append(written, lines[:len(lines)-1]...) // the last was cut
	}
	r := newRig(t, newStore(t, path), to.URL)
	r.clock.Advance(time.Since(r.clock.Now())) // the child's clock was the real one
	r.over(t, "the rest", func() bool { return r.Stats().Waiting == 0 && r.Stats().Delivered > 0 })
	got := make(map[string]bool)
	last := make(map[string][]int)
	for _, body := range to.taken() {
		again := got[body]
		got[body] = true
		var round, room, n int
		if _, err := fmt.Sscan(body, &round, &room, &n); err != nil {
			t.Fatal(err)
		}
		key := strconv.Itoa(room)
		if at := []int{round, n}; slices.Compare(at, last[key]) < 0 || slices.Equal(at, last[key]) && !again {
			t.Errorf("room %d: %v after %v", room, at, last[key])
		} else {
			last[key] = at
		}
	}
	for _, text := range written {
		if !got[text] {
			t.Errorf("%q was written and did not arrive", text)
		}
	}
	t.Logf("%d written, %d arrived, %d requests", len(written), len(got), to.asked())
}
