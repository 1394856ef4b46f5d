package signal

import (
	"encoding/binary"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"

	"careline/internal/clock"
)

// writeFrame writes a masked frame of n zeros whose first byte is head.
func writeFrame(c *client, head byte, n int) error {
	frame := []byte{head, 0x80 | 126}
	frame = binary.BigEndian.AppendUint16(frame, uint16(n))
	_, err := c.conn.NetConn().Write(append(frame, make([]byte, 4+n)...))
	return err
}

// TestMessagesGrowWithTheSession sends messages that just fit and such that just do not.
func TestMessagesGrowWithTheSession(t *testing.T) {
	for _, tc := range []struct {
		name      string
		active    bool
		sections  int32
		announced int
		limit     int
	}{
		{"before media", false, 0, 0, 64 << 10},
		{"before media, three tracks announced", false, 0, 3, (64 + 3*8) << 10},
		{"before media, tracks announced without end", false, 0, 100, (64 + 32*8) << 10},
		{"with media", true, 0, 0, 256 << 10},
		{"with ten sections", true, 10, 0, (256 + 10*8) << 10},
		{"with a thousand", true, 1000, 0, 2 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t)
			c, p := r.join()
			call[attached](t, p)
			for range tc.announced {
				c.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{}}})
				call[*livekit.AddTrackRequest](t, p)
			}
			p.active.Store(tc.active)
			p.sections.Store(tc.sections)
			offer := func(size int) *livekit.SignalRequest {
				return &livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{Sdp: strings.Repeat("a", size-10)}}}
			}
			c.send(offer(tc.limit))
			if got := call[offered](t, p); len(got.sdp) != tc.limit-10 {
				t.Errorf("an offer of %d bytes arrived", len(got.sdp))
			}
			_ = c.conn.WriteMessage(websocket.BinaryMessage, make([]byte, tc.limit+1))
			c.closed(websocket.CloseMessageTooBig)
		})
	}
}

// TestFloodEndsThatWebSocketOnly sends frames of each kind as fast as it can; the clock stands still.
func TestFloodEndsThatWebSocketOnly(t *testing.T) {
	for name, kind := range map[string]int{"messages": websocket.BinaryMessage, "pings": websocket.PingMessage, "pongs": websocket.PongMessage} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			other, _ := r.join()
			c, _, err := r.dial("/rtc", url.Values{"access_token": {r.token(nil)}})
			if err != nil {
				t.Fatal(err)
			}
			sent := 0
			for ; sent < 100_000; sent++ {
				if kind == websocket.BinaryMessage {
					err = c.conn.WriteMessage(kind, nil)
				} else {
					err = c.conn.WriteControl(kind, nil, time.Now().Add(testWait))
				}
				if err != nil {
					break
				}
			}
			c.closed(websocket.ClosePolicyViolation)
			if s := r.handler.Stats(); s.Floods != 1 || sent < 1000 {
				t.Errorf("ended after %d: %+v", sent, s)
			}
			other.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
			for other.read().GetPong() == 0 {
				continue
			}
		})
	}
}

func TestPace(t *testing.T) {
	c := clock.NewFake(time.Now())
	p := newPace(10, c)
	take := func(times int) (taken int) {
		for range times {
			if p.take() {
				taken++
			}
		}
		return taken
	}
	if n := take(100); n != 50 {
		t.Errorf("%d at once", n)
	}
	c.Advance(time.Second)
	if n := take(100); n != 10 {
		t.Errorf("%d a second later", n)
	}
	c.Advance(time.Hour)
	if n := take(100); n != 50 {
		t.Errorf("%d an hour later", n)
	}
	if p := newPace(0, c); !p.take() {
		t.Error("no limit is a limit")
	}
}
