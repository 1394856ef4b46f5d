package sfu

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"
	"google.golang.org/protobuf/proto"
)

// lastPacket is a DataHandler that keeps a packet and forwards none.
type lastPacket struct{ packet *livekit.DataPacket }

func (l *lastPacket) HandleData(_ *Participant, _ livekit.DataPacket_Kind, packet *livekit.DataPacket) bool {
	l.packet = packet
	return false
}

// FuzzDataPacket sends data packets of any kind: whatever a packet says, it goes on as its sender's.
func FuzzDataPacket(f *testing.F) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		f.Fatal(err)
	}
	seen := new(lastPacket)
	m, err := NewManager(Config{UDPConns: []*net.UDPConn{conn}, Loopback: true, Room: RoomDefaults{AutoCreate: true}, Workers: 1, Data: seen})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.Run(ctx)
	}()
	f.Cleanup(func() {
		cancel()
		<-done
	})
	joined, err := m.Join(context.Background(), request("ann"))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := m.Join(context.Background(), request("bob")); err != nil {
		f.Fatal(err)
	}
	ann := joined.Participant
	for _, p := range []*livekit.DataPacket{
		{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{ParticipantSid: "PA_forged", ParticipantIdentity: "bob", Payload: []byte("x"), DestinationSids: []string{"PA_1"}}}},
		{ParticipantIdentity: "bob", ParticipantSid: "PA_forged", Kind: livekit.DataPacket_LOSSY, Value: &livekit.DataPacket_ChatMessage{ChatMessage: &livekit.ChatMessage{Message: "x"}}},
		{Sequence: 1 << 31, DestinationIdentities: []string{"bob", "", "bob"}, Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
			StreamId: "s", ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{Generated: true}}}}},
		{Value: &livekit.DataPacket_RpcResponse{RpcResponse: &livekit.RpcResponse{RequestId: "r"}}},
		{Value: &livekit.DataPacket_RpcRequest{RpcRequest: &livekit.RpcRequest{Id: "r", Method: "m"}}},
		{Value: &livekit.DataPacket_Transcription{Transcription: &livekit.Transcription{TranscribedParticipantIdentity: "bob"}}},
		{Value: &livekit.DataPacket_Speaker{Speaker: &livekit.ActiveSpeakerUpdate{}}},
		{Value: &livekit.DataPacket_Metrics{Metrics: &livekit.MetricsBatch{}}},
	} {
		raw, err := proto.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, true)
		f.Add(raw, false)
	}
	f.Add([]byte("\x12\x00"), true)
	f.Fuzz(func(t *testing.T, raw []byte, reliable bool) {
		packet := &livekit.DataPacket{}
		if proto.Unmarshal(raw, packet) != nil || packet.Value == nil {
			return
		}
		packet.Sequence = 0 // else only ever higher ones pass
		kind := livekit.DataPacket_LOSSY
		if reliable {
			kind = livekit.DataPacket_RELIABLE
		}
		seen.packet = nil
		ann.data.receive(kind, packet)
		got := seen.packet
		if got == nil {
			return
		}
		if got.ParticipantIdentity != "ann" || got.ParticipantSid != ann.sid || got.Kind != kind {
			t.Fatalf("from %q (%q), kind %v", got.ParticipantIdentity, got.ParticipantSid, got.Kind)
		}
		if user := got.GetUser(); user != nil && (user.ParticipantIdentity != "ann" || user.ParticipantSid != ann.sid) {
			t.Fatalf("a user packet from %q (%q)", user.ParticipantIdentity, user.ParticipantSid)
		}
		if got.GetTranscription() != nil || got.GetSpeaker() != nil {
			t.Fatal("a kind that clients may not send")
		}
		if _, err := proto.Marshal(got); err != nil {
			t.Fatalf("nobody could be sent it: %v", err)
		}
	})
}

// FuzzCandidate reads candidates: none that passes has the server resolve a name or send a check to where it must not.
func FuzzCandidate(f *testing.F) {
	for _, address := range []string{"192.0.2.1", "2001:db8::1", "host.example", "0a1b.local", "::ffff:127.0.0.1", "::1", "0.0.0.0", "169.254.169.254",
		"fe80::1%eth0", "224.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]"} {
		f.Add("candidate:1 1 udp 2122260223 " + address + " 5000 typ host")
	}
	f.Add("a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active")
	f.Add("candidate:1 1 udp 1 192.0.2.1 99999 typ relay raddr host.example rport 1\r\na=candidate:2 1 udp 1 host.example 1 typ host")
	f.Add("candidate:1 1 udp 1 ::%0 5000 typ host")
	f.Add("")
	f.Add("x\ra=candidate:1 1 udp 1 169.254.169.254 80 typ host")
	m := &Manager{}
	f.Fuzz(func(t *testing.T, text string) {
		if m.acceptable(text) {
			addr, err := netip.ParseAddr(strings.Fields(strings.TrimPrefix(strings.TrimPrefix(text, "a="), "candidate:"))[4])
			if err != nil {
				t.Fatalf("a name passed: %q", text)
			}
			if addr = addr.Unmap(); addr.IsLoopback() || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
				t.Fatalf("%v passed", addr)
			}
			if c, err := ice.UnmarshalCandidate(text); err == nil && c.Address() != "" {
				if read, err := netip.ParseAddr(c.Address()); err != nil || read.Unmap() != addr {
					t.Fatalf("checked was %v, used is %v", addr, c.Address())
				}
			}
		}
		description := "v=0\r\na=" + strings.TrimPrefix(text, "a=") + "\r\n"
		kept, _ := m.withoutForeignCandidates(description)
		for line := range strings.Lines(kept) {
			if strings.HasPrefix(line, "a=candidate") && !m.acceptable(strings.TrimSpace(line)) {
				t.Fatalf("%q was kept", line)
			}
		}
		var read sdp.SessionDescription // as pion will read it
		description = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=" + text + "\r\n"
		if kept, _ = m.withoutForeignCandidates(description); read.UnmarshalString(kept) != nil {
			return
		}
		for _, media := range read.MediaDescriptions {
			for _, a := range media.Attributes {
				if a.Key == "candidate" && !m.acceptable(a.Value) {
					t.Fatalf("candidate %q was kept", a.Value)
				}
			}
		}
	})
}
