package scan

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon is a stand-in for clamd: it reads a command and answers what answer says.
type daemon struct {
	limit  int // of content in bytes; 0: none
	answer func(content []byte) string
}

func (d daemon) listen(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				d.serve(conn)
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

func (d daemon) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	command, err := r.ReadString(0)
	if err != nil {
		return
	}
	switch command {
	case "zPING\x00":
		_, _ = io.WriteString(conn, "PONG\x00")
	case "zINSTREAM\x00":
		var content []byte
		for {
			var head [4]byte
			if _, err := io.ReadFull(r, head[:]); err != nil {
				return
			}
			n := binary.BigEndian.Uint32(head[:])
			if n == 0 {
				break
			}
			if d.limit > 0 && len(content)+int(n) > d.limit {
				_, _ = io.WriteString(conn, "INSTREAM size limit exceeded. ERROR\x00")
				_, _ = io.Copy(io.Discard, r) // a reset would overtake the answer
				return
			}
			piece := make([]byte, n)
			if _, err := io.ReadFull(r, piece); err != nil {
				return
			}
			content = append(content, piece...)
		}
		_, _ = io.WriteString(conn, d.answer(content))
	}
}

func TestScan(t *testing.T) {
	seen := make(chan []byte, 10)
	d := daemon{answer: func(content []byte) string {
		seen <- content
		if bytes.Contains(content, []byte("malicious")) {
			return "stream: Stub.Test FOUND\x00"
		}
		return "stream: OK\x00"
	}}
	path := filepath.Join(t.TempDir(), "clamd.sock")
	d.listen(t, "unix", path)
	for _, address := range []string{path, d.listen(t, "tcp", "127.0.0.1:0")} {
		c := NewClamd(address, time.Minute)
		if err := c.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		for _, content := range []string{"", "harmless", strings.Repeat("long ", 100_000), strings.Repeat("x", piece), strings.Repeat("x", piece-3) + "malicious"} {
			want := Verdict{State: Clean}
			if strings.Contains(content, "malicious") {
				want = Verdict{Infected, "Stub.Test"}
			}
			if got, err := c.Scan(t.Context(), iotest.HalfReader(strings.NewReader(content))); err != nil || got != want {
				t.Errorf("%d bytes: %+v, %v", len(content), got, err)
			}
			if got := <-seen; string(got) != content {
				t.Errorf("%d bytes arrived, expected %d", len(got), len(content))
			}
		}
	}
}

func TestLargerThanTheScannerTakes(t *testing.T) {
	d := daemon{limit: 2 * piece}
	c := NewClamd(d.listen(t, "tcp", "127.0.0.1:0"), time.Minute)
	got, err := c.Scan(t.Context(), strings.NewReader(strings.Repeat("x", 2*piece+1)))
	if err != nil || got.State != Skipped {
		t.Errorf("%+v, %v", got, err)
	}
}

// Whatever goes wrong, nothing is called clean.
func TestFailuresAreNoVerdict(t *testing.T) {
	for _, answer := range []string{"", "stream: OK", "OK but not quite\x00", "stream: Error ERROR\x00", "stream: \x00", "UNKNOWN COMMAND\x00", strings.Repeat("x", 2*longestAnswer)} {
		d := daemon{answer: func([]byte) string { return answer }}
		c := NewClamd(d.listen(t, "tcp", "127.0.0.1:0"), time.Minute)
		if got, err := c.Scan(t.Context(), strings.NewReader("x")); !errors.Is(err, ErrScanner) || got != (Verdict{}) {
			t.Errorf("%.40q: %+v, %v", answer, got, err)
		}
	}
	gone := NewClamd(filepath.Join(t.TempDir(), "nobody"), time.Minute)
	if got, err := gone.Scan(t.Context(), strings.NewReader("x")); !errors.Is(err, ErrScanner) || got != (Verdict{}) {
		t.Errorf("nobody there: %+v, %v", got, err)
	}
	if err := gone.Ping(t.Context()); !errors.Is(err, ErrScanner) {
		t.Error(err)
	}
	d := daemon{answer: func([]byte) string { return "stream: OK\x00" }}
	failure := errors.New("disk")
	if got, err := NewClamd(d.listen(t, "tcp", "127.0.0.1:0"), time.Minute).Scan(t.Context(), iotest.ErrReader(failure)); !errors.Is(err, failure) || got != (Verdict{}) {
		t.Errorf("unreadable content: %+v, %v", got, err)
	}
}

func TestScanEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	release := make(chan struct{})
	d := daemon{answer: func([]byte) string { close(asked); <-release; return "stream: OK\x00" }}
	c := NewClamd(d.listen(t, "tcp", "127.0.0.1:0"), time.Hour)
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if got, err := c.Scan(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) || got != (Verdict{}) {
		t.Errorf("%+v, %v", got, err)
	}
}
