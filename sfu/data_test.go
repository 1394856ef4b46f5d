package sfu

import (
	"testing"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

func userPacket(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := proto.Marshal(&livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// say lets a client send a text on its reliable channel.
func (c *client) say(text string) {
	c.t.Helper()
	eventually(c.t, "the channel", func() bool {
		c.session.data.mu.Lock()
		defer c.session.data.mu.Unlock()
		return c.session.data.out[livekit.DataPacket_RELIABLE] != nil
	})
	c.session.data.receive(livekit.DataPacket_RELIABLE, &livekit.DataPacket{
		ParticipantIdentity: "forged", ParticipantSid: "PA_forged",
		Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte(text), ParticipantSid: "PA_forged"}},
	})
}

// TestDataWaitsForItsSender sends data of somebody whom the receiver was not told of yet.
func TestDataWaitsForItsSender(t *testing.T) {
	s := startServer(t, nil)
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	link := bob.session.data
	link.send(livekit.DataPacket_RELIABLE, "PA_later", userPacket(t, "early"))
	link.send(livekit.DataPacket_LOSSY, "PA_later", userPacket(t, "lossy"))
	link.send(livekit.DataPacket_RELIABLE, "", userPacket(t, "of the server"))
	eventually(t, "what needs no introduction", func() bool { return bob.heardText("of the server") })
	if texts := bob.texts(); len(texts) != 1 {
		t.Fatalf("%q came before its sender was told of", texts)
	}
	link.know("PA_later")
	eventually(t, "the packet that waited", func() bool { return bob.heardText("early") })
	link.send(livekit.DataPacket_RELIABLE, "PA_gone", userPacket(t, "orphan"))
	link.forget("PA_gone")
	link.know("PA_gone")
	link.send(livekit.DataPacket_RELIABLE, "PA_later", userPacket(t, "last"))
	eventually(t, "the last", func() bool { return bob.heardText("last") })
	if texts := bob.texts(); len(texts) != 3 {
		t.Errorf("came %q", texts)
	}
	if s.Stats().LossyDropped != 1 {
		t.Error("the lossy packet was not counted")
	}
}

// TestDataIsStamped looks at who a packet says it is from.
func TestDataIsStamped(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true}).active()
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	alice.say("hello")
	eventually(t, "the text", func() bool { return bob.heardText("hello") })
	for _, p := range bob.data() {
		if p.ParticipantIdentity != "alice" || p.ParticipantSid != alice.session.SID() || p.GetUser().ParticipantSid != alice.session.SID() {
			t.Errorf("the packet says it is from %s, %s", p.ParticipantIdentity, p.ParticipantSid)
		}
	}
	if len(alice.data()) != 0 {
		t.Error("the sender received its own packet")
	}
}

// TestAgentSpeaksForOthers has an agent write in the name of whom it heard: only text, marked as generated, and only an agent.
func TestAgentSpeaksForOthers(t *testing.T) {
	s := startServer(t, nil)
	agent := join(t, s, "agent", clientOptions{single: true, join: func(r *JoinRequest) { r.Kind = livekit.ParticipantInfo_AGENT }}).active()
	alice := join(t, s, "alice", clientOptions{single: true}).active()
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	for _, from := range []*client{agent, alice} {
		from.say("ready")
		for _, p := range []*livekit.DataPacket{
			{Value: &livekit.DataPacket_ChatMessage{ChatMessage: &livekit.ChatMessage{Message: "text"}}},
			{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
				StreamId: "text", ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{}}}}},
			{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
				StreamId: "file", ContentHeader: &livekit.DataStream_Header_ByteHeader{ByteHeader: &livekit.DataStream_ByteHeader{}}}}},
			{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte("user")}}},
		} {
			p.ParticipantIdentity, p.ParticipantSid = "carol", "PA_carol"
			from.session.data.receive(livekit.DataPacket_RELIABLE, p)
		}
	}
	eventually(t, "everything", func() bool { return len(bob.data()) == 10 })
	for i, p := range bob.data() {
		text := p.GetChatMessage() != nil || p.GetStreamHeader().GetTextHeader() != nil
		want := "alice"
		if i < 5 {
			want = "agent"
			if text {
				want = "carol"
			}
		}
		if p.ParticipantIdentity != want || p.ParticipantSid == "PA_carol" {
			t.Errorf("packet %d is from %s, %s, want %s", i, p.ParticipantIdentity, p.ParticipantSid, want)
		}
		if generated := p.GetChatMessage().GetGenerated() || p.GetStreamHeader().GetTextHeader().GetGenerated(); generated != (text && i < 5) {
			t.Errorf("packet %d is generated: %v", i, generated)
		}
	}
}

// swallow is a DataHandler that keeps one text for itself.
type swallow string

func (s swallow) HandleData(_ *Participant, _ livekit.DataPacket_Kind, p *livekit.DataPacket) bool {
	return string(p.GetUser().GetPayload()) != string(s)
}

func TestDataHandlerDecides(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Data = swallow("secret") })
	alice := join(t, s, "alice", clientOptions{single: true}).active()
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	alice.say("secret")
	alice.say("public")
	eventually(t, "the public text", func() bool { return bob.heardText("public") })
	if bob.heardText("secret") {
		t.Error("the handler was not asked")
	}
}

// TestSlowReceiverIsSentAway fills what waits for a receiver that is not ready: it is sent away, and nobody waits for it.
func TestSlowReceiverIsSentAway(t *testing.T) {
	s := startServer(t, nil)
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	big := make([]byte, 60_000)
	for range pendingBytes/len(big) + 2 {
		bob.session.data.send(livekit.DataPacket_RELIABLE, "PA_later", big)
	}
	if leave := bob.left(); leave.Action != livekit.LeaveRequest_RECONNECT {
		t.Errorf("left with %+v", leave)
	}
	if s.Stats().ReliableOverflows != 1 {
		t.Error("the overflow was not counted")
	}
}

func TestLeaveIsSeen(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true}).active()
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	eventually(t, "alice at bob", func() bool { return bob.participant("alice").GetState() == livekit.ParticipantInfo_ACTIVE })
	alice.leave()
	eventually(t, "the end of alice at bob", func() bool {
		p := bob.participant("alice")
		return p.GetState() == livekit.ParticipantInfo_DISCONNECTED && p.DisconnectReason == livekit.DisconnectReason_CLIENT_INITIATED
	})
}
