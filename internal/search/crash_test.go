package search

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"careline/internal/clock"
)

// childDir is the environment variable that makes the test binary a process that writes and indexes until it is killed.
const childDir = "CARELINE_TEST_SEARCH_DIR"

func child(dir string) int {
	t := &testing.T{}
	s := newShelf(t, dir)
	x, err := Open(Options{Dir: filepath.Join(dir, "search"), Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	f := &Follower{Index: x, Log: s.Log, Clock: clock.Real{}, Read: s.read, All: s.all, Logger: quiet}
	go func() { _ = f.Run(context.Background()) }()
	for n := 0; ; n++ {
		i := rand.IntN(400)
		d := message(i, fmt.Sprintf("message%d version%d", i, rand.IntN(10)))
		switch {
		case n == 3:
			fmt.Println("busy")
			fallthrough
		case n%7 > 0:
			s.put(d, message(500+i, "both"))
		default:
			s.delete(d)
		}
	}
}

// TestKilled kills a process that indexes, at random moments: afterwards the index is that of the store.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	for range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 64)
		if n, err := out.Read(line); err != nil || string(line[:n]) != "busy\n" {
			t.Fatalf("the child says %q, %v", line[:n], err)
		}
		time.Sleep(rand.N(300 * time.Millisecond))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		s := newShelf(t, dir)
		x, err := Open(Options{Dir: filepath.Join(dir, "search"), Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		stop := s.follow(x)
		s.reached(x)
		s.same(x)
		stop()
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		s.close()
	}
}
