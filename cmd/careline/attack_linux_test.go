package main_test

import (
	"bytes"
	"encoding/base64"
	bits "encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

const keysOfAttack = "keys: [{id: booking, secret: " + secret + "}]\n"

// resident is the memory of the process, in bytes.
func (s *service) resident() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return n << 10
}

func (s *service) token(identity string) string {
	s.t.Helper()
	token, err := lkauth.NewAccessToken("booking", secret).SetIdentity(identity).
		SetVideoGrant(&lkauth.VideoGrant{RoomJoin: true, Room: "ward"}).SetValidFor(time.Hour).ToJWT()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// enter opens a WebSocket of a client that has no connections yet, and reads
// what comes first: the join and a token.
func (s *service) enter(identity string) *websocket.Conn {
	s.t.Helper()
	join, err := proto.Marshal(&livekit.JoinRequest{ClientInfo: &livekit.ClientInfo{Protocol: 17}})
	if err != nil {
		s.t.Fatal(err)
	}
	wrapped, err := proto.Marshal(&livekit.WrappedJoinRequest{JoinRequest: join})
	if err != nil {
		s.t.Fatal(err)
	}
	header := http.Header{"Authorization": {"Bearer " + s.token(identity)}}
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url(), "http")+
		"/rtc/v1?join_request="+base64.RawURLEncoding.EncodeToString(wrapped), header)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for range 2 {
		if _, _, err := conn.ReadMessage(); err != nil {
			s.t.Fatal(err)
		}
	}
	return conn
}

// frame is the head of a masked binary frame that claims a length, and zeros.
func frame(head byte, claimed uint64, zeros int) []byte {
	b := bits.BigEndian.AppendUint64([]byte{head, 0xff}, claimed)
	return append(b, make([]byte, 4+zeros)...)
}

// TestOversizeFramesCostNothing sends 100 messages that are too long, in every
// way, each over a WebSocket of its own. It is closed with 1009, or
// 1002 where the frame itself is broken, and memory stays.
func TestOversizeFramesCostNothing(t *testing.T) {
	// Garbage does not count, so it is collected soon.
	s := serve(t, keysOfAttack, "GOGC=100")
	for range 50 { // what a WebSocket costs at all
		_ = s.enter("mallory").Close()
	}
	fragments := bytes.Repeat(append([]byte{0x00, 0xff, 0, 0, 0, 0, 0, 0, 0x03, 0xe8}, make([]byte, 4+1000)...), 3000)
	attacks := []struct {
		name string
		data []byte
		code int
	}{
		{"2^63-1 bytes", frame(0x82, 1<<63-1, 1000), websocket.CloseMessageTooBig},
		{"2^63 bytes", frame(0x82, 1<<63, 1000), websocket.CloseMessageTooBig},
		{"4 GiB", frame(0x82, 1<<32, 1<<20), websocket.CloseMessageTooBig},
		{"3 MiB, all of it", frame(0x82, 3<<20, 3<<20), websocket.CloseMessageTooBig},
		{"2 MiB, within what the longest may have", frame(0x82, 2<<20, 2<<20), websocket.CloseMessageTooBig},
		{"fragments without end", append(frame(0x02, 10, 10), fragments...), websocket.CloseMessageTooBig},
		{"compressed", frame(0xc2, 1<<20, 1<<20), websocket.CloseProtocolError},
		{"not masked", []byte{0x82, 0x7f, 0, 0, 0, 0, 0x10, 0, 0, 0}, websocket.CloseProtocolError},
	}
	before := s.resident()
	most := before
	for n := range 100 {
		a := attacks[n%len(attacks)]
		conn := s.enter("mallory")
		var sending sync.WaitGroup
		sending.Go(func() { _, _ = conn.NetConn().Write(a.data) }) // ends with the connection
		for {
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
			if _, _, err := conn.ReadMessage(); err != nil {
				if !websocket.IsCloseError(err, a.code) {
					t.Errorf("%s: %v, want %d", a.name, err, a.code)
				}
				break
			}
		}
		_ = conn.Close()
		sending.Wait()
		most = max(most, s.resident())
	}
	t.Logf("resident: %d KiB before, %d KiB at most, %d KiB after", before>>10, most>>10, s.resident()>>10)
	if most-before > 5<<20 {
		t.Errorf("%d bytes more", most-before)
	}
	_ = s.enter("ann").Close()
}

// TestHalfOpenConnectionsAreClosed leaves 200 connections without a whole
// request, with TLS and without: none is left after 15 s.
func TestHalfOpenConnectionsAreClosed(t *testing.T) {
	for name, more := range map[string]string{"HTTP": "", "HTTPS": "http: {tls: {mode: self}}\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, keysOfAttack+more)
			_, host, _ := strings.Cut(s.url(), "://")
			_, port, _ := strings.Cut(host, ":")
			starts := []string{"", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX-A: ", "GET /rtc HTTP/1.1\r\nUpgrade: websocket\r\n", "\x16\x03\x01\x02\x00\x01", "PRI * HTTP/2.0\r\n"}
			deadline := time.Now().Add(15 * time.Second)
			var left atomic.Int32
			var open sync.WaitGroup
			for n := range 200 {
				conn, err := net.Dial("tcp", "127.0.0.1:"+port)
				if err != nil {
					t.Fatal(err)
				}
				open.Go(func() {
					defer func() { _ = conn.Close() }()
					_, _ = io.WriteString(conn, starts[n%len(starts)])
					if n%2 == 0 { // goes on, a byte at a time
						done := make(chan struct{})
						defer close(done)
						go func() {
							for {
								select {
								case <-done:
									return
								case <-time.After(500 * time.Millisecond):
									_, _ = io.WriteString(conn, "a")
								}
							}
						}()
					}
					_ = conn.SetReadDeadline(deadline)
					if _, err := io.Copy(io.Discard, conn); err != nil {
						if e, ok := err.(net.Error); ok && e.Timeout() {
							left.Add(1)
						}
					}
				})
			}
			open.Wait()
			if n := left.Load(); n != 0 {
				t.Errorf("%d of 200 are left", n)
			}
		})
	}
}
