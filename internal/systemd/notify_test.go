package systemd

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNotify(t *testing.T) {
	for _, address := range []string{filepath.Join(t.TempDir(), "n"), "@careline-" + filepath.Base(t.TempDir()) + t.Name()} {
		name := address
		if strings.HasPrefix(address, "@") {
			name = "\x00" + address[1:]
		}
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		n := New([]string{"A=b", "NOTIFY_SOCKET=" + address})
		for _, c := range []struct {
			tell func() error
			want string
		}{{n.Ready, "READY=1"}, {n.Reloading, "RELOADING=1\nMONOTONIC_USEC="}, {n.Stopping, "STOPPING=1"}} {
			if err := c.tell(); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 256)
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			size, err := conn.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(buf[:size]); !strings.HasPrefix(got, c.want) {
				t.Errorf("told %q, want %q", got, c.want)
			}
		}
		_ = conn.Close()
		if n.Ready() == nil {
			t.Errorf("%s: nobody listens, and that is no error", address)
		}
	}
}

func TestNobodyWantsToKnow(t *testing.T) {
	if err := New([]string{"A=b"}).Ready(); err != nil {
		t.Error(err)
	}
}
