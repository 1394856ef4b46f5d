package sfu

import (
	"testing"

	"github.com/livekit/protocol/livekit"
)

func letter(text string) []*livekit.DataPacket {
	return []*livekit.DataPacket{{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte(text)}}}}
}

// TestParcelsAreNamed looks at whose name a parcel carries: the author's for who sees the author, another for the rest.
func TestParcelsAreNamed(t *testing.T) {
	s := startServer(t, func(c *Config) { c.Admission = &gate{} })
	host := join(t, s, "host", clientOptions{single: true}).active()
	ann := join(t, s, "viewer-ann", clientOptions{single: true}).active()
	ben := join(t, s, "viewer-ben", clientOptions{single: true}).active()
	clients := []*client{host, ann, ben}
	post := func(p Parcel) {
		t.Helper()
		p.Room, p.Instead = host.session.RoomName(), "chat"
		if err := s.Post(p); err != nil {
			t.Fatal(err)
		}
	}
	post(Parcel{Author: "viewer-ann", Packets: letter("seen by some")})
	post(Parcel{Author: "nobody here", Packets: letter("of somebody outside")})
	post(Parcel{Author: "host", To: func(i *livekit.ParticipantInfo) bool { return i.Identity == "viewer-ben" }, Packets: letter("for ben")})
	post(Parcel{Packets: letter("the last")})
	for _, c := range clients {
		eventually(t, "the last", func() bool { return c.heardText("the last") })
	}
	want := map[*client]map[string]string{
		host: {"seen by some": "viewer-ann", "of somebody outside": "chat", "the last": "chat"},
		ann:  {"seen by some": "viewer-ann", "of somebody outside": "chat", "the last": "chat"},
		ben:  {"seen by some": "chat", "of somebody outside": "chat", "for ben": "host", "the last": "chat"},
	}
	for c, texts := range want {
		got := c.data()
		if len(got) != len(texts) {
			t.Errorf("%s received %d packets", c.session.identity, len(got))
		}
		for _, p := range got {
			if from := texts[string(p.GetUser().GetPayload())]; p.ParticipantIdentity != from || p.Sequence != 0 || (p.ParticipantSid == "") != (from == "chat") {
				t.Errorf("%s received %q from %s %s, want %s", c.session.identity, p.GetUser().GetPayload(), p.ParticipantIdentity, p.ParticipantSid, from)
			}
		}
	}
	if err := s.Post(Parcel{Room: "none"}); err != ErrRoomMissing {
		t.Errorf("a room that is not there: %v", err)
	}
}

// TestClientAttributeIsTheClients: of the server's attributes a client may set its hand and that it knows our events.
func TestClientAttributeIsTheClients(t *testing.T) {
	for key, reserved := range map[string]bool{ClientAttribute: false, HandAttribute: false, "careline.role": true, "color": false} {
		if ReservedAttribute(key) != reserved {
			t.Errorf("%s is reserved: %v", key, !reserved)
		}
	}
}
