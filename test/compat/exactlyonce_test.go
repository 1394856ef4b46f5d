package compat

import (
	"fmt"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// TestCheck48ExactlyOnce sends numbered packets before, during and after a resume, and again all that the client is unsure of.
func TestCheck48ExactlyOnce(t *testing.T) {
	r := start(t, setup{})
	ben := r.enterWith(single, "ben", grant("ward"), [2]int{})
	ann := r.enterWith(single, "ann", grant("ward"), [2]int{})
	send := func(n int) {
		t.Helper()
		packet := &livekit.DataPacket{Sequence: uint32(n), Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: fmt.Append(nil, n)}}}
		if err := ann.media.sendData(ann.media.reliable, packet); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n <= 10; n++ {
		send(n)
	}
	eventually(t, "the first packets", func() bool { return len(ben.media.received()) == 10 })
	_ = ann.conn.NetConn().Close()
	ann.expectEnd()
	send(11) // the connection for data is still there
	eventually(t, "a packet without signalling", func() bool { return len(ben.media.received()) == 11 })

	next := r.resume(ann, "ann", ann.join.Participant.Sid)
	if last := next.first.GetReconnect().GetLastMessageSeq(); last != 11 {
		t.Errorf("the newest packet is said to be %d: %v", last, next.first)
	}
	for n := 5; n <= 20; n++ { // a client that is less sure than it need be
		send(n)
	}
	eventually(t, "the last packets", func() bool { return len(ben.media.received()) >= 20 })
	packet := user(64_000)
	packet.Sequence = 21
	if err := ann.media.sendData(ann.media.reliable, packet); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a large one", func() bool { return len(ben.media.received()) >= 21 })
	for i, p := range ben.media.received() {
		if got := string(p.GetUser().GetPayload()); p.Sequence != uint32(i+1) || i < 20 && got != fmt.Sprint(i+1) {
			t.Errorf("packet %d has sequence %d", i, p.Sequence)
		}
	}
	if n := len(ben.media.received()); n != 21 {
		t.Errorf("%d packets arrived", n)
	}
}
