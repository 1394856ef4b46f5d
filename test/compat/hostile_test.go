package compat

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// unharmed wants everybody's WebSocket open and the witness's packets flowing.
func unharmed(t *testing.T, track string, witnesses ...*probe) {
	t.Helper()
	for _, w := range witnesses {
		n := len(w.messages())
		w.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
		w.expectAfter(n, "pong", func(m *livekit.SignalResponse) bool { return m.GetPong() != 0 })
		before := w.media.count(track)
		eventually(t, "packets at a witness", func() bool { return w.media.count(track) > before+10 })
	}
}

func TestCheck44GarbageFrames(t *testing.T) {
	r := start(t, setup{})
	track := r.publisher("ann")
	witness := r.enterWith(single, "witness", grant("ward"), [2]int{1, 1})
	for name, c := range map[string]struct {
		frameType int
		data      []byte
		code      int
	}{
		"no protobuf": {websocket.BinaryMessage, []byte{0xff, 0xff, 0xff, 0xff}, websocket.CloseProtocolError},
		"no JSON":     {websocket.TextMessage, []byte("hello"), websocket.CloseProtocolError},
		"too long":    {websocket.BinaryMessage, make([]byte, 300<<10), websocket.CloseMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			r.t = t
			p := r.enterWith(single, "mallory", grant("ward"), [2]int{1, 1})
			_ = p.sendRaw(c.frameType, c.data) // a long one may find the WebSocket closed already
			if code := p.expectEnd(); code != c.code {
				t.Errorf("closed with %d, want %d", code, c.code)
			}
			unharmed(t, track, witness)
			if next := r.resume(p, "mallory", p.join.Participant.Sid); next.first.GetReconnect() == nil {
				t.Errorf("the participant is gone: %v", next.first)
			}
		})
	}
}

// TestCheck44UnknownRequests sends what newer clients might: messages of every number that has none yet, and known ones with further fields.
func TestCheck44UnknownRequests(t *testing.T) {
	r := start(t, setup{})
	p := r.enter("ward", "ann")
	known := (&livekit.SignalRequest{}).ProtoReflect().Descriptor().Fields()
	send := func(data []byte) {
		t.Helper()
		if err := p.sendRaw(websocket.BinaryMessage, data); err != nil {
			t.Fatal(err)
		}
	}
	send(nil)
	for n := protowire.Number(1); n < 200; n++ {
		if known.ByNumber(n) != nil {
			continue
		}
		send(protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), []byte("\x0a\x03new")))
		send(protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), 1<<40))
	}
	update, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: 4711}}})
	if err != nil {
		t.Fatal(err)
	}
	send(protowire.AppendVarint(protowire.AppendTag(update, 1000, protowire.VarintType), 1))
	p.expect("pong", func(m *livekit.SignalResponse) bool { return m.GetPongResp().GetLastPingTimestamp() == 4711 })
	for _, m := range p.messages() {
		if isLeave(m) || m.GetRequestResponse() != nil {
			t.Errorf("was told %v", m)
		}
	}
}

func TestMalformedSDP(t *testing.T) {
	r := start(t, setup{})
	track := r.publisher("ann")
	witness := r.enterWith(single, "witness", grant("ward"), [2]int{1, 1})
	good := newMedia(t, single).offer().Sdp
	offers := map[string]string{
		"empty":         "",
		"no SDP":        "hello",
		"cut":           good[:len(good)/2],
		"no sections":   "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n",
		"no transport":  strings.ReplaceAll(good, "a=ice-", "a=x-"),
		"no print":      strings.ReplaceAll(good, "a=fingerprint", "a=x"),
		"false print":   strings.ReplaceAll(good, "a=fingerprint:sha-256 ", "a=fingerprint:sha-256 zz:"),
		"odd kind":      strings.ReplaceAll(good, "m=application", "m=hologram"),
		"many sections": good + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:x\r\na=rtpmap:111 opus/48000/2\r\n", 500),
		"odd numbers":   strings.ReplaceAll(good, "a=sctp-port:5000", "a=sctp-port:-99999999999999"),
	}
	for name, sdp := range offers {
		t.Run(name, func(t *testing.T) {
			r.t = t
			p := r.enter("ward", "mallory")
			for id := range uint32(3) {
				_ = p.trySend(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{
					Type: "offer", Sdp: sdp, Id: id + 1}}})
				_ = p.trySend(&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{Answer: &livekit.SessionDescription{
					Type: "answer", Sdp: sdp, Id: id + 1}}})
				_ = p.trySend(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{
					CandidateInit: fmt.Sprintf(`{"candidate":%q}`, sdp), Target: livekit.SignalTarget(id)}}})
			}
			unharmed(t, track, witness)
		})
	}
	// The same in the join itself.
	for name, sdp := range offers {
		t.Run("join "+name, func(t *testing.T) {
			r.t = t
			p, status := r.dial("/rtc/v1", r.joinRequest(token(t, "mallory", grant("ward")), &livekit.JoinRequest{
				ClientInfo:     &livekit.ClientInfo{Protocol: 17},
				PublisherOffer: &livekit.SessionDescription{Type: "offer", Sdp: sdp, Id: 1},
			}))
			if p == nil && (status < 400 || status >= 500) {
				t.Errorf("answered %d", status)
			}
			unharmed(t, track, witness)
		})
	}
}

func TestMalformedMedia(t *testing.T) {
	r := start(t, setup{})
	track := r.publisher("ann")
	witness := r.enterWith(single, "witness", grant("ward"), [2]int{2, 2})
	mallory := r.enterWith(single, "mallory", grant("ward"), [2]int{1, 1})
	evil, sid := mallory.media.publish(mallory, webrtc.MimeTypeVP8, "evil")
	witness.awaitParticipant("mallory", "to publish", func(i *livekit.ParticipantInfo) bool { return len(i.Tracks) == 1 })
	eventually(t, "mallory's negotiation", func() bool { return mallory.media.main.SignalingState() == webrtc.SignalingStateStable })

	payloads := [][]byte{ // none is a VP8 payload of RFC 7741
		{0x80}, {0x90}, {0x90, 0x80}, {0x90, 0x80, 0x80}, {0x90, 0xf0, 0x80, 0x01}, {0x90, 0x40}, {},
	}
	sequence := uint16(0)
	for range 100 {
		for _, payload := range payloads {
			sequence++
			_ = evil.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: sequence, Timestamp: uint32(sequence) * 90}, Payload: payload})
		}
		raw := make([]byte, 64)
		_, _ = rand.Read(raw)
		for _, kind := range []byte{200, 201, 202, 203, 204, 205, 206, 207, 255} {
			packet := rtcp.RawPacket(append([]byte{0x80 | raw[0]&0x1f, kind, 0, byte(len(raw) / 4)}, raw...))
			_ = mallory.media.main.WriteRTCP([]rtcp.Packet{&packet})
		}
	}
	unharmed(t, track, witness)
	if n := witness.media.count(sid); n != 0 {
		t.Errorf("%d malformed packets reached another", n)
	}

	// A good picture of the same track still comes through.
	for n := range 60 {
		sequence++
		_ = evil.WriteRTP(&rtp.Packet{
			Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: sequence, Timestamp: 1000000 + uint32(n)*3000},
			Payload: frame(webrtc.MimeTypeVP8, n),
		})
	}
	eventually(t, "a good packet", func() bool { return witness.media.count(sid) > 0 })
}

// TestStrayDatagrams throws noise at the port that everybody's media shares.
func TestStrayDatagrams(t *testing.T) {
	r := start(t, setup{})
	track := r.publisher("ann")
	witness := r.enterWith(single, "witness", grant("ward"), [2]int{1, 1})
	conn, err := net.Dial("udp", fmt.Sprint("127.0.0.1:", r.server.UDPPort()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	data := make([]byte, 1400)
	for i := range 2000 {
		_, _ = rand.Read(data)
		data[0] = byte(i) // every kind of RFC 7983
		_, _ = conn.Write(data[:1+i%len(data)])
	}
	unharmed(t, track, witness)
}

// TestManySources names ever new sources in RTCP: the transport keeps a stream for each, so that such a client is sent away.
func TestManySources(t *testing.T) {
	r := start(t, setup{})
	track := r.publisher("ann")
	witness := r.enterWith(single, "witness", grant("ward"), [2]int{2, 2})
	mallory := r.enterWith(single, "mallory", grant("ward"), [2]int{1, 1})
	eventually(t, "mallory to be sent away", func() bool {
		var source [4]byte
		for range 100 {
			_, _ = rand.Read(source[:])
			// An error is that of a connection that is gone.
			_ = mallory.media.main.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: binary.BigEndian.Uint32(source[:])}})
		}
		return slices.ContainsFunc(mallory.messages(), isLeave)
	})
	unharmed(t, track, witness)
}
