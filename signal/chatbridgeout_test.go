package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	roles "careline/call"
	"careline/chat"
	"careline/internal/event"
	"careline/sfu"
)

func (r *chatRig) expect(identity string, want ...string) {
	r.t.Helper()
	if got := r.took(identity); !slices.Equal(got, want) {
		r.t.Errorf("%s is sent\n%s\nwant\n%s", identity, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestOutsideIsToldInside writes, edits and deletes outside the call.
func TestOutsideIsToldInside(t *testing.T) {
	r := newChatRig(t)
	r.took("cleo")
	seq := r.outside("dora", "hello")
	hello := []string{"careline.chat: CREATE id-1", "hello", "end", `lk-chat-topic {"id":"id-1","timestamp":1,"message":"hello","ignoreLegacy":true}`}
	r.expect("ann", hello...)
	r.expect("ben", hello...)
	r.expect("cleo", append(hello, "careline.event message.created")...)
	r.chats.set(func() {
		m := &r.chats.messages[seq-1]
		m.Text, m.EditNo, m.EditedAt = "hello all", 1, time.UnixMilli(5)
	})
	r.happen(chat.MessageUpdated, seq)
	r.expect("ann", "careline.chat: UPDATE id-1", "hello all", "end", `lk-chat-update-topic {"id":"id-1","timestamp":5,"message":"hello all","ignoreLegacy":true}`)
	r.chats.set(func() { r.chats.messages[seq-1].DeletedAt = time.UnixMilli(6) })
	r.happen(chat.MessageDeleted, seq)
	r.expect("ben", "careline.chat: UPDATE id-1", "hello all", "end", `lk-chat-update-topic {"id":"id-1","timestamp":5,"message":"hello all","ignoreLegacy":true}`,
		"careline.chat: DELETE id-1", tombstone, "end", `lk-chat-update-topic {"id":"id-1","timestamp":6,"message":"(deleted)","ignoreLegacy":true}`)
	if r.Stats().Told != 3 {
		t.Errorf("counted %+v", r.Stats())
	}
}

// TestAuthorsInsideAreNamed: what ann writes outside while she is in the call is hers there, and a change of what she wrote inside goes by the id
// that the clients know; her own old client would show it as another message, and is not sent it in that form.
func TestAuthorsInsideAreNamed(t *testing.T) {
	r := newChatRig(t)
	r.outside("ann", "from my phone")
	r.expect("ben", "ann: CREATE id-1", "from my phone", "end", `lk-chat-topic {"id":"id-1","timestamp":1,"message":"from my phone","ignoreLegacy":true}`)
	r.send("ann", header("stream", "inside"))
	r.settle()
	r.happen(chat.MessageCreated, 2)
	r.took("ann")
	r.chats.set(func() {
		m := &r.chats.messages[1]
		m.Text, m.EditNo, m.EditedAt = "changed outside", 1, time.UnixMilli(5)
	})
	r.happen(chat.MessageUpdated, 2)
	r.expect("ben", "ann: UPDATE stream", "changed outside", "end", `lk-chat-update-topic {"id":"stream","timestamp":5,"message":"changed outside","ignoreLegacy":true}`)
	r.expect("ann", "ann: UPDATE stream", "changed outside", "end")
}

// TestGuestsSeeWhatTheyMay: who came after a message was written is not told what it says now; nor is a viewer, who has no place.
func TestGuestsSeeWhatTheyMay(t *testing.T) {
	r := newChatRig(t)
	r.outside("dora", "old")
	r.clock.Advance(time.Second)
	r.comeAs(&livekit.ParticipantInfo{Identity: "guest", Sid: "PA_guest", JoinedAtMs: r.clock.Now().UnixMilli(), Attributes: map[string]string{sfu.ClientAttribute: "1"}})
	r.comeAs(&livekit.ParticipantInfo{Identity: "viewer", Sid: "PA_viewer", JoinedAtMs: r.clock.Now().UnixMilli(),
		Attributes: map[string]string{roles.RoleAttribute: string(roles.Viewer), sfu.ClientAttribute: "1"}})
	r.outside("dora", "new")
	both := []string{"careline.chat: CREATE id-2", "new", "end", `lk-chat-topic {"id":"id-2","timestamp":2,"message":"new","ignoreLegacy":true}`}
	r.expect("guest", append(slices.Clone(both), "careline.event message.created")...)
	r.expect("viewer", both...)
	for seq, told := range map[uint64]bool{1: false, 2: true} {
		r.took("ann")
		r.chats.set(func() {
			m := &r.chats.messages[seq-1]
			m.Text, m.EditNo = "changed", m.EditNo+1
		})
		r.happen(chat.MessageUpdated, seq)
		for _, who := range []string{"guest", "viewer"} {
			if got := r.took(who); slices.Contains(got, "changed") != told || !told && len(got) > 0 {
				t.Errorf("of message %d the %s is sent %q", seq, who, got)
			}
		}
		if got := r.took("ann"); !slices.Contains(got, "changed") {
			t.Errorf("of message %d ann is sent %q", seq, got)
		}
	}
}

// TestDurable: what is written is sent to the others once it is kept, and never when it is not.
func TestDurable(t *testing.T) {
	for name, set := range map[string]func(*chatRig){
		"of an incident": func(r *chatRig) { r.chats.incident = true },
		"by metadata":    func(r *chatRig) { r.hall.metadata = `{"careline":{"chat_delivery":"durable"}}` },
	} {
		t.Run(name, func(t *testing.T) {
			r := newChatRig(t, func(r *chatRig, _ *ChatConfig) { set(r) })
			for _, p := range []*livekit.DataPacket{header("1", "", inPieces), chunk("1", 0, "text"), trailer("1"), legacy(topicLegacy, `{"id":"1","message":"text","ignoreLegacy":true}`)} {
				if r.send("ann", p) {
					t.Errorf("%v goes on before it is kept", p)
				}
			}
			if got := r.answers("ann"); len(got) != 1 || got[0].Seq != 1 {
				t.Errorf("ann is told %+v", got)
			}
			r.expect("ben")
			r.happen(chat.MessageCreated, 1)
			r.expect("ben", "ann: CREATE 1", "text", "end", `lk-chat-topic {"id":"1","timestamp":1,"message":"text","ignoreLegacy":true}`)
			r.expect("ann")
			r.send("ann", header("1", "changed", op(livekit.DataStream_UPDATE)))
			r.answers("ann")
			r.happen(chat.MessageUpdated, 1)
			if got := r.took("ben"); len(got) != 4 || got[0] != "ann: UPDATE 1" || got[1] != "changed" {
				t.Errorf("ben is sent %q", got)
			}
			r.expect("ann")
			r.chats.set(func() { r.chats.err = chat.ErrClosed })
			r.send("ann", header("2", "text"))
			r.problem("ann", "2", "conversation-closed")
			r.expect("ben")
			r.chats.set(func() { r.chats.err = nil })
			if r.send("ann", header("2", "text")) {
				t.Error("a second try goes on before it is kept")
			}
			r.settle()
			r.happen(chat.MessageCreated, 2)
			if got := r.took("ben"); len(got) != 4 {
				t.Errorf("ben is sent %q", got)
			}
		})
	}
}

func TestAtOnceByMetadata(t *testing.T) {
	r := newChatRig(t, func(r *chatRig, _ *ChatConfig) {
		r.chats.incident = true
		r.hall.metadata = `{"careline":{"chat_delivery":"at_once"}}`
	})
	if !r.send("ann", header("1", "text")) {
		t.Error("the room wants it at once")
	}
}

// TestConversationByMetadata: a room that is no call keeps chat when its metadata says so, also when that is said later.
func TestConversationByMetadata(t *testing.T) {
	r := newChatRig(t)
	room := &livekit.Room{Name: "plain", Sid: "RM_plain"}
	come := func(identity string) {
		r.Observe(sfu.Event{Kind: sfu.EventParticipantJoined, Room: room, Participant: &livekit.ParticipantInfo{Identity: identity, Sid: "PA_" + identity}})
	}
	plain := fakeSender{identity: "eve", room: "plain"}
	come("eve")
	r.take(plain, livekit.DataPacket_RELIABLE, header("1", "before"))
	r.hall.mu.Lock()
	r.hall.metadata = `{"careline":{"conversation":"other"}}`
	r.hall.mu.Unlock()
	come("fay")
	eventually(t, "the conversation", func() bool { return r.known("RM_plain").thread.Load().conversation == "other" })
	r.take(plain, livekit.DataPacket_RELIABLE, header("2", "after"))
	eventually(t, "the message", func() bool { return len(r.chats.all()) == 1 })
	if m := r.chats.all()[0]; m.Text != "after" || m.Conversation != "other" || r.chats.seated["eve"].Kin != chat.Guest {
		t.Errorf("kept %+v by %+v", m, r.chats.seated["eve"])
	}
	r.Observe(sfu.Event{Kind: sfu.EventRoomFinished, Room: room})
	eventually(t, "the end of the room", func() bool { return r.known("RM_plain") == nil })
}

// TestPlaces: as what people come into the conversation, and who does not.
func TestPlaces(t *testing.T) {
	r := newChatRig(t)
	want := map[string]chat.Kin{"ann": chat.User, "ben": chat.User, "cleo": chat.User}
	for _, identity := range []string{"guest", "stranger", "unknown"} {
		r.comeAs(&livekit.ParticipantInfo{Identity: identity, Sid: "PA_" + identity})
		want[identity] = chat.Guest
	}
	r.comeAs(&livekit.ParticipantInfo{Identity: "viewer", Sid: "PA_viewer", Attributes: map[string]string{roles.RoleAttribute: string(roles.Viewer)}})
	for kind, p := range map[livekit.ParticipantInfo_Kind]*livekit.ParticipantPermission{
		livekit.ParticipantInfo_AGENT: {}, livekit.ParticipantInfo_EGRESS: {}, livekit.ParticipantInfo_STANDARD: {Hidden: true}, livekit.ParticipantInfo_SIP: {Recorder: true},
	} {
		r.comeAs(&livekit.ParticipantInfo{Identity: kind.String(), Sid: "PA_" + kind.String(), Kind: kind, Permission: p})
	}
	r.send("viewer", header("1", "I write"))
	r.settle()
	want["viewer"] = chat.Guest
	got := make(map[string]chat.Kin)
	for identity, p := range r.chats.seated {
		got[identity] = p.Kin
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("places of %v, want %v", got, want)
	}
	if r.chats.seated["ann"].Name != "Name of ann" {
		t.Errorf("ann sits as %+v", r.chats.seated["ann"])
	}
}

func (r *chatRig) people(t event.Type, principal string) {
	r.t.Helper()
	r.report(t, chat.ParticipantEvent{Principal: principal})
}

// report tells of an event that is about no message.
func (r *chatRig) report(t event.Type, about any) {
	r.t.Helper()
	data, err := json.Marshal(about)
	if err != nil {
		r.t.Fatal(err)
	}
	r.told++
	r.Happened(&chat.Happening{Event: event.Event{Pos: r.told, Stream: "conv", Type: t, Data: data}})
	r.settle()
}

// TestPutOut: who was removed from the conversation is told nothing of it in the call, until it is added again.
func TestPutOut(t *testing.T) {
	r := newChatRig(t)
	r.chats.set(func() { r.chats.refuse["ben"] = chat.ErrPutOut })
	r.people(chat.ParticipantRemoved, "ben")
	r.outside("dora", "secret")
	r.expect("ben")
	r.send("ben", header("1", "may I?"))
	r.problem("ben", "1", "forbidden")
	if s := r.Stats(); s.RefusedRight != 1 {
		t.Errorf("counted %+v", s)
	}
	r.come("ben", "", "") // again
	r.expect("ben")
	r.chats.set(func() { delete(r.chats.refuse, "ben") })
	r.people(chat.ParticipantJoined, "ben")
	r.outside("dora", "welcome back")
	if got := r.took("ben"); len(got) != 4 {
		t.Errorf("ben is sent %q", got)
	}
}

// TestErased: who was erased from the conversation is told nothing more of it.
func TestErased(t *testing.T) {
	r := newChatRig(t)
	r.report(chat.MessageErased, chat.ErasedEvent{Sender: "ben"})
	r.outside("dora", "secret")
	r.expect("ben")
	if got := r.took("ann"); len(got) == 0 {
		t.Error("the others are told nothing either")
	}
}

// TestHistory: who comes late is sent what was written before, each message once, whatever happens in between.
func TestHistory(t *testing.T) {
	r := newChatRig(t, func(_ *chatRig, c *ChatConfig) { c.History = 3 })
	for _, text := range []string{"one", "two"} {
		r.outside("dora", text)
	}
	r.send("ann", header("s3", "three"))
	r.settle()
	r.clock.Advance(time.Second)
	r.come("dave", sfu.ClientAttribute, "1")
	r.expect("dave", "careline.chat: CREATE id-1", "one", "end", "careline.chat: CREATE id-2", "two", "end", "ann: CREATE s3", "three", "end")
	r.happen(chat.MessageCreated, 3)
	r.clock.Advance(time.Second)
	// Written outside, not told yet: eve is told of it with the others.
	r.chats.mu.Lock()
	r.chats.addLocked("conv", "dora", "four")
	r.chats.mu.Unlock()
	r.come("eve", sfu.ClientAttribute, "1")
	r.expect("eve", "careline.chat: CREATE id-2", "two", "end", "ann: CREATE s3", "three", "end")
	r.happen(chat.MessageCreated, 4)
	if got := r.took("eve"); !slices.Contains(got, "four") {
		t.Errorf("eve is sent %q", got)
	}
	// Who came before a message and is active after it has it from its sender.
	early := r.clock.Now().UnixMilli()
	r.clock.Advance(time.Second)
	r.send("ann", header("s5", "five"))
	r.settle()
	r.comeAs(&livekit.ParticipantInfo{Identity: "fay", Sid: "PA_fay", JoinedAtMs: early, Attributes: map[string]string{sfu.ClientAttribute: "1"}})
	if got := r.took("fay"); slices.Contains(got, "five") || !slices.Contains(got, "three") {
		t.Errorf("fay is sent %q", got)
	}
	r.clock.Advance(time.Second)
	r.come("gus", "", "") // knows nothing of Careline
	r.expect("gus")
}

// TestHistoryFlags: what was written before is marked, and says who wrote it; stock clients get it where the server is set so.
func TestHistoryFlags(t *testing.T) {
	r := newChatRig(t, func(_ *chatRig, c *ChatConfig) { c.HistoryToStock = true })
	r.outside("dora", "one")
	r.clock.Advance(time.Second)
	r.come("dave", "", "")
	r.hall.mu.Lock()
	h := r.hall.sent[len(r.hall.sent)-4].GetStreamHeader()
	r.hall.mu.Unlock()
	want := map[string]string{attributeHistory: "1", attributeAuthor: "dora", attributeSeq: "1", attributeID: "id-1", attributeKind: "text"}
	if !reflect.DeepEqual(h.Attributes, want) || h.Timestamp != 1 || *h.TotalLength != 3 {
		t.Errorf("sent %v", h)
	}
	r.expect("dave", "careline.chat: CREATE id-1", "one", "end", `lk-chat-topic {"id":"id-1","timestamp":1,"message":"one","ignoreLegacy":true}`)
}

// TestHistoryOfWhoReturns: a stock client that comes back still shows what it had, and gets the newest only; one that knows ids gets all.
func TestHistoryOfWhoReturns(t *testing.T) {
	for attribute, want := range map[string][]string{"": {"missed"}, sfu.ClientAttribute: {"written before the room", "had", "missed"}} {
		var before uint64
		r := newChatRig(t, func(r *chatRig, c *ChatConfig) {
			c.HistoryToStock = true
			before = r.chats.addLocked("conv", "dora", "written before the room").Seq
		})
		r.outside("dora", "had")
		r.clock.Advance(chatGap)
		r.outside("dora", "missed")
		r.clock.Advance(time.Second)
		r.arrive(&livekit.ParticipantInfo{Identity: "dave", Sid: "PA_dave", JoinedAtMs: r.clock.Now().UnixMilli(), Attributes: map[string]string{attribute: "1"}}, true)
		var got []string
		for _, text := range r.took("dave") {
			if strings.HasPrefix(text, "careline.chat: ") || text == "end" || strings.HasPrefix(text, topicLegacy) {
				continue
			}
			got = append(got, text)
		}
		if before != 1 || !slices.Equal(got, want) {
			t.Errorf("with attribute %q: %q", attribute, got)
		}
	}
}

// TestHistoryIsBounded: as much as fits is sent, the newest, and nothing that was deleted or erased.
func TestHistoryIsBounded(t *testing.T) {
	r := newChatRig(t)
	for i := range 20 {
		r.outside("dora", fmt.Sprint(i, strings.Repeat("x", 20_000)))
	}
	r.outside("dora", "deleted")
	r.outside("dora", "erased")
	r.outside("dora", "last")
	r.chats.set(func() {
		r.chats.messages[20].DeletedAt = time.Now()
		r.chats.messages[21].Erased = true
	})
	r.clock.Advance(time.Second)
	r.come("dave", sfu.ClientAttribute, "1")
	got := r.took("dave")
	size := len(strings.Join(got, ""))
	if size > historySize || size < historySize/2 || got[len(got)-2] != "last" || slices.Contains(got, "deleted") || slices.Contains(got, "erased") {
		t.Errorf("%d bytes, ending with %q", size, got[len(got)-2])
	}
}

// TestLongRoomsForget: of many messages the room remembers the newest; the others count as there before it.
func TestLongRoomsForget(t *testing.T) {
	r := newChatRig(t, func(_ *chatRig, c *ChatConfig) { c.History = 2 })
	for range handedKept + 10 {
		r.outside("dora", "text")
	}
	room := r.known("RM_call")
	if len(room.handed) != handedKept || room.floor.Load() != 10 {
		t.Errorf("%d remembered above %d", len(room.handed), room.floor.Load())
	}
	r.happen(chat.MessageCreated, 5) // told late: it counts as known
	r.took("ann")
	r.happen(chat.MessageCreated, 5)
	r.expect("ann")
}

// TestLongTextsInPieces cuts between letters.
func TestLongTextsInPieces(t *testing.T) {
	r := newChatRig(t)
	text := "x" + strings.Repeat("慰", 8000-1)
	r.outside("dora", text)
	got := r.took("ann")
	if len(got) != 2+2+1 || got[1]+got[2] != text && strings.Join(got[1:len(got)-2], "") != text {
		t.Fatalf("%d packets", len(got))
	}
	for _, piece := range got[1 : len(got)-2] {
		if len(piece) > chatChunk || strings.ToValidUTF8(piece, "?") != piece {
			t.Errorf("a piece of %d bytes", len(piece))
		}
	}
}

// TestOtherKindsInWords: what is no text is put into one for clients that know nothing else; the server's own messages are not.
func TestOtherKindsInWords(t *testing.T) {
	for want, m := range map[string]chat.MessageView{
		"look\n[map.pdf]\n[me.jpg]": {Content: chat.Content{Text: "look", Attachments: []chat.Attachment{{Name: "map.pdf"}, {Name: "me.jpg"}}}},
		"geo:52.520000,13.405000":   {Content: chat.Content{Location: &chat.Location{Latitude: 52.52, Longitude: 13.405}}},
	} {
		if got := plainText(&m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	r := newChatRig(t)
	r.outside("", "")
	r.chats.set(func() { r.chats.messages[0].Kind = chat.SystemKd })
	r.took("ann")
	r.happen(chat.MessageCreated, 1)
	r.expect("ann")
}

// TestNotices reach those who know them.
func TestNotices(t *testing.T) {
	r := newChatRig(t)
	r.Notice(chat.Notice{Type: chat.TypingNotice, Conversation: "conv", Principal: "dora", On: true})
	r.Notice(chat.Notice{Type: chat.TypingNotice, Conversation: "another", Principal: "dora", On: true})
	r.settle()
	r.expect("cleo", "careline.event typing")
	r.expect("ann")
}

// TestOutDrops: a room in which too much waits is not told of everything, and that is counted.
func TestOutDrops(t *testing.T) {
	r := newChatRig(t)
	hold, held := make(chan struct{}), make(chan struct{})
	r.known("RM_call").queue(func(context.Context) {
		close(held)
		<-hold
	})
	<-held
	for range chatJobs + 5 {
		r.Happened(&chat.Happening{Event: event.Event{Stream: "conv", Type: chat.ConversationUpdated}})
	}
	r.Notice(chat.Notice{Type: chat.TypingNotice, Conversation: "conv"})
	close(hold)
	if n := r.Stats().OutDropped; n != 5 {
		t.Errorf("%d dropped", n)
	}
}

// TestOpen: who is in the call and has no place gets one by opening the thread; others, and who is refused, do not.
func TestOpen(t *testing.T) {
	r := newChatRig(t)
	r.comeAs(&livekit.ParticipantInfo{Identity: "viewer", Sid: "PA_viewer", Attributes: map[string]string{roles.RoleAttribute: string(roles.Viewer)}})
	r.comeAs(&livekit.ParticipantInfo{Identity: "recorder", Sid: "PA_recorder", Permission: &livekit.ParticipantPermission{Hidden: true}})
	if _, in := r.chats.seated["viewer"]; in {
		t.Fatal("a viewer has a place by coming")
	}
	if err := r.Open(t.Context(), "conv", "viewer"); err != nil || r.chats.seated["viewer"].Kin != chat.Guest {
		t.Errorf("opened: %v", err)
	}
	for _, identity := range []string{"nobody", "recorder"} {
		if err := r.Open(t.Context(), "conv", identity); !errors.Is(err, chat.ErrNoConversation) {
			t.Errorf("%s: %v", identity, err)
		}
	}
	if err := r.Open(t.Context(), "another", "viewer"); !errors.Is(err, chat.ErrNoConversation) {
		t.Errorf("another conversation: %v", err)
	}
	r.chats.set(func() { r.chats.refuse["ben"] = chat.ErrPutOut })
	r.people(chat.ParticipantRemoved, "ben")
	if err := r.Open(t.Context(), "conv", "ben"); !errors.Is(err, chat.ErrPutOut) {
		t.Errorf("who was removed: %v", err)
	}
}
