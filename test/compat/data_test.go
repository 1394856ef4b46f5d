package compat

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
)

// openChannels waits until data of a client reaches others. The SDK reports a single connection as up before its channels are open, and
// loses silently what is sent until then.
func openChannels(t *testing.T, from *lksdk.Room, to ...*inbox) {
	t.Helper()
	first := received{"first", "channels", from.LocalParticipant.Identity()}
	eventually(t, "open channels", func() bool {
		data := &lksdk.UserDataPacket{Payload: []byte(first.text), Topic: first.topic}
		if err := from.LocalParticipant.PublishDataPacket(data, lksdk.WithDataPublishReliable(true)); err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(to, func(i *inbox) bool { return !i.has(first) })
	})
}

func TestCheck16PublishData(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		room := fmt.Sprint("ward-", m)
		inboxes := map[string]*inbox{"ann": newInbox(), "ben": newInbox(), "cleo": newInbox()}
		rooms := map[string]*lksdk.Room{}
		for identity, i := range inboxes {
			rooms[identity] = r.connect(t, m, room, identity, i.callback())
		}
		send := func(text string, options ...lksdk.DataPublishOption) {
			t.Helper()
			data := &lksdk.UserDataPacket{Payload: []byte(text), Topic: "topic"}
			if err := rooms["ann"].LocalParticipant.PublishDataPacket(data, options...); err != nil {
				t.Fatal(err)
			}
		}
		openChannels(t, rooms["ann"], inboxes["ben"], inboxes["cleo"])
		for _, reliable := range []bool{true, false} {
			text := fmt.Sprint("to all, reliable ", reliable)
			send(text, lksdk.WithDataPublishReliable(reliable))
			for _, identity := range []string{"ben", "cleo"} {
				eventually(t, text+" at "+identity, func() bool { return inboxes[identity].has(received{text, "topic", "ann"}) })
			}
		}
		send("to cleo", lksdk.WithDataPublishReliable(true), lksdk.WithDataPublishDestination([]string{"cleo"}))
		send("to all again", lksdk.WithDataPublishReliable(true))
		eventually(t, "the last at both", func() bool {
			last := received{"to all again", "topic", "ann"}
			return inboxes["ben"].has(last) && inboxes["cleo"].has(last)
		})
		if !inboxes["cleo"].has(received{"to cleo", "topic", "ann"}) || inboxes["ben"].has(received{"to cleo", "topic", "ann"}) {
			t.Error("a packet for cleo did not reach cleo only")
		}
		if n := inboxes["ann"].amount(); n != 0 {
			t.Errorf("ann received %d of her own packets", n)
		}
	})
}

// TestForgedSender writes another's name into a packet. Who receives it must see the sender of the session, and nobody else's sequence.
func TestForgedSender(t *testing.T) {
	r := start(t, setup{})
	ann := r.enterWith(single, "ann", grant("ward"), [2]int{})
	ben := r.enterWith(single, "ben", grant("ward"), [2]int{})
	forged := &livekit.DataPacket{
		ParticipantIdentity: "cleo", ParticipantSid: "PA_cleo",
		Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte("hello"), ParticipantIdentity: "cleo", ParticipantSid: "PA_cleo"}},
	}
	if err := ann.media.sendData(ann.media.reliable, forged); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the packet", func() bool { return len(ben.media.received()) == 1 })
	got := ben.media.received()[0]
	sid := ann.join.Participant.Sid
	if got.ParticipantIdentity != "ann" || got.ParticipantSid != sid || got.GetUser().ParticipantIdentity != "ann" || got.GetUser().ParticipantSid != sid {
		t.Errorf("arrived as %v", got)
	}
	if got.Kind != livekit.DataPacket_RELIABLE {
		t.Errorf("arrived as %v", got.Kind)
	}
	ben.expect("an update about ann before her data", func(m *livekit.SignalResponse) bool {
		for _, p := range append(m.GetUpdate().GetParticipants(), m.GetJoin().GetOtherParticipants()...) {
			if p.Identity == "ann" {
				return true
			}
		}
		return false
	})
}

// TestCheck17StreamsAndCalls has two clients of the Go SDK, which speak the first version of streams. livekit-client is in streams.spec.ts.
func TestCheck17StreamsAndCalls(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		room := fmt.Sprint("ward-", m)
		inbox := newInbox()
		ann := r.connect(t, m, room, "ann", nil)
		ben := r.connect(t, m, room, "ben", inbox.callback())
		openChannels(t, ann, inbox)
		texts, files := make(chan string, 1), make(chan []byte, 1)
		if err := ben.RegisterTextStreamHandler("lk.chat", func(reader *lksdk.TextStreamReader, from string) {
			texts <- from + ": " + reader.ReadAll()
		}); err != nil {
			t.Fatal(err)
		}
		if err := ben.RegisterByteStreamHandler("files", func(reader *lksdk.ByteStreamReader, _ string) {
			files <- reader.ReadAll()
		}); err != nil {
			t.Fatal(err)
		}
		if err := ben.RegisterRpcMethod("double", func(call lksdk.RpcInvocationData) (string, error) {
			return call.CallerIdentity + call.Payload + call.Payload, nil
		}); err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("Grüße, נחמה, 慰问. ", 2000)
		ann.LocalParticipant.SendText(long, lksdk.StreamTextOptions{Topic: "lk.chat"})
		if got := wait(t, texts); got != "ann: "+long {
			t.Errorf("a text of %d bytes arrived", len(got))
		}
		file := bytes.Repeat([]byte{0, 1, 2, 3, 255}, 8000)
		writer := ann.LocalParticipant.StreamBytes(lksdk.StreamBytesOptions{Topic: "files"})
		written := make(chan struct{})
		done := func() { close(written) }
		writer.Write(file, &done)
		wait(t, written) // the SDK's Close does not wait for what Write has queued
		writer.Close()
		if got := wait(t, files); !bytes.Equal(got, file) {
			t.Errorf("a file of %d bytes arrived", len(got))
		}
		answer, err := ann.LocalParticipant.PerformRpc(lksdk.PerformRpcParams{DestinationIdentity: "ben", Method: "double", Payload: "xy"})
		if err != nil || *answer != "annxyxy" {
			t.Errorf("the call answered %v, %v", answer, err)
		}
	})
}

func wait[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("nothing of type %T came", v)
	}
	return v
}

// user is a packet whose marshalled form has exactly n bytes.
func user(n int) *livekit.DataPacket {
	overhead := 16 // of the two messages around the payload, at this size
	p := &livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: bytes.Repeat([]byte("d"), n-overhead)}}}
	return p
}

func TestCheck47DataSizes(t *testing.T) {
	r := start(t, setup{})
	ann := r.enterWith(single, "ann", grant("ward"), [2]int{})
	ben := r.enterWith(single, "ben", grant("ward"), [2]int{})
	for _, channel := range []*webrtc.DataChannel{ann.media.reliable, ann.media.lossy} {
		before := len(ben.media.received())
		if err := ann.media.sendData(channel, user(64_000)); err != nil {
			t.Fatal(err)
		}
		again := time.Now().Add(time.Second)
		eventually(t, "64,000 bytes on "+channel.Label(), func() bool {
			if channel == ann.media.lossy && time.Now().After(again) { // it may lose any of the packet's many chunks
				again = time.Now().Add(time.Second)
				if err := ann.media.sendData(channel, user(64_000)); err != nil {
					t.Fatal(err)
				}
			}
			return len(ben.media.received()) > before
		})

		// A client that ignores what the server said it takes: the packet is refused, the channel lives on.
		_ = ann.media.sendData(channel, user(100_000))
		eventually(t, "a small packet after a large one on "+channel.Label(), func() bool {
			if err := ann.media.sendData(channel, user(100)); err != nil {
				t.Fatalf("%s was closed: %v", channel.Label(), err)
			}
			time.Sleep(10 * time.Millisecond)
			return len(ben.media.received()) > before+1
		})
		for _, p := range ben.media.received() {
			if n := len(p.GetUser().GetPayload()); n > 64_000 {
				t.Errorf("a packet of %d bytes was passed on", n)
			}
		}
	}
}

// TestSlowReceiver has one receiver that reads nothing. The others must get everything, in order, and the slow one be told to start over.
func TestSlowReceiver(t *testing.T) {
	r := start(t, setup{})
	ann := r.enterWith(single, "ann", grant("ward"), [2]int{})
	ben := r.enterWith(single, "ben", grant("ward"), [2]int{})
	slow := r.enterWith(single, "slow", grant("ward"), [2]int{})
	var once sync.Once
	released := make(chan struct{})
	t.Cleanup(func() { once.Do(func() { close(released) }) })
	slow.media.reliable.OnMessage(func(webrtc.DataChannelMessage) { <-released })

	const packets = 200
	go func() {
		for i := range packets {
			p := user(60_000)
			copy(p.GetUser().Payload, fmt.Sprintf("%04d", i))
			for len(ben.media.received())+8 < i && t.Context().Err() == nil { // ben keeps up, whatever the machine
				time.Sleep(time.Millisecond)
			}
			if err := ann.media.sendData(ann.media.reliable, p); err != nil {
				t.Errorf("packet %d: %v", i, err)
				return
			}
		}
	}()
	eventually(t, "all packets at ben", func() bool { return len(ben.media.received()) == packets })
	for i, p := range ben.media.received() {
		if want := fmt.Sprintf("%04d", i); string(p.GetUser().Payload[:4]) != want {
			t.Fatalf("packet %d is %s", i, p.GetUser().Payload[:4])
		}
	}
	leave := slow.expect("leave", isLeave).GetLeave()
	if leave.Action != livekit.LeaveRequest_RECONNECT {
		t.Errorf("the slow one was told %v", leave)
	}
	for _, p := range []*probe{ann, ben} {
		for _, m := range p.messages() {
			if isLeave(m) {
				t.Errorf("one who was not slow was told %v", m)
			}
		}
	}
}
