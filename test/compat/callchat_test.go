package compat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/livekit/server-sdk-go/v2/e2ee"

	"careline/api"
	"careline/call"
	"careline/configs"
	"careline/sfu"
)

// chatCall is a conference of ann, ben and dora, of whom dora stays outside.
func (r *rig) chatCall(links map[string]string) (api.Call, map[string]string) {
	r.t.Helper()
	return r.makeCall(api.NewCall{Kind: call.Conference, Links: links, Participants: []api.NewPerson{
		{Identity: "ann", Role: call.Host}, {Identity: "ben", Name: "Ben"}, {Identity: "dora", Role: call.Operator}}})
}

// thread reads what somebody sees of the conversation of a call, without what the server says in it.
func (r *rig) thread(c *api.Call, token string) []api.Message {
	r.t.Helper()
	var list api.MessageList
	if status := r.v1(http.MethodPost, "/conversations/"+c.Conversation+"/messages/view", token, map[string]any{"kinds": []string{"text"}, "limit": 100}, &list); status != http.StatusOK {
		r.t.Fatalf("read the conversation: %d", status)
	}
	return list.Items
}

// chatText is a text as it reached a client, in pieces or whole.
type chatText struct {
	id, from, text string
	op             livekit.DataStream_OperationType
	history        bool
}

// streamsOf puts the texts together that came on lk.chat, and are all there.
func streamsOf(packets []*livekit.DataPacket) (list []chatText) {
	open := make(map[string]*chatText)
	for _, p := range packets {
		switch v := p.Value.(type) {
		case *livekit.DataPacket_StreamHeader:
			h := v.StreamHeader
			text := chatText{h.StreamId, p.ParticipantIdentity, string(h.InlineContent), h.GetTextHeader().GetOperationType(), h.Attributes["careline.history"] == "1"}
			if h.InlineContent != nil {
				list = append(list, text)
				continue
			}
			open[h.StreamId] = &text
		case *livekit.DataPacket_StreamChunk:
			if text := open[v.StreamChunk.StreamId]; text != nil {
				text.text += string(v.StreamChunk.Content)
			}
		case *livekit.DataPacket_StreamTrailer:
			if text := open[v.StreamTrailer.StreamId]; text != nil {
				list = append(list, *text)
			}
		}
	}
	return list
}

// answersOf returns what a client was told of its messages.
func answersOf(t *testing.T, packets []*livekit.DataPacket) (list []map[string]any) {
	t.Helper()
	for _, p := range packets {
		if p.GetUser().GetTopic() == "careline.ack" {
			var a map[string]any
			if err := json.Unmarshal(p.GetUser().Payload, &a); err != nil {
				t.Fatal(err)
			}
			list = append(list, a)
		}
	}
	return list
}

func inline(id, text string) *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
		StreamId: id, Topic: "lk.chat", InlineContent: []byte(text), Timestamp: time.Now().UnixMilli(),
		ContentHeader: &livekit.DataStream_Header_TextHeader{TextHeader: &livekit.DataStream_TextHeader{}},
	}}}
}

func (p *probe) write(packet *livekit.DataPacket) {
	p.t.Helper()
	if err := p.media.sendData(p.media.reliable, packet); err != nil {
		p.t.Fatal(err)
	}
}

// answered waits for the n-th answer.
func (p *probe) answered(n int) map[string]any {
	p.t.Helper()
	eventually(p.t, "an answer", func() bool { return len(answersOf(p.t, p.media.received())) >= n })
	return answersOf(p.t, p.media.received())[n-1]
}

// sdkChat collects the texts that the Go SDK reports.
type sdkChat struct {
	mu   sync.Mutex
	list []chatText // guarded by mu
}

func (c *sdkChat) listen(t *testing.T, room *lksdk.Room) *sdkChat {
	t.Helper()
	err := room.RegisterTextStreamHandler("lk.chat", func(reader *lksdk.TextStreamReader, from string) {
		text := chatText{id: reader.Info.Id, from: from, text: reader.ReadAll(), history: reader.Info.Attributes["careline.history"] == "1"}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.list = append(c.list, text)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *sdkChat) texts(from string) (list []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.list {
		if text.from == from {
			list = append(list, text.text)
		}
	}
	return list
}

// TestCallChatIsKept has two clients of the Go SDK write to each other: each gets everything once, the conversation has it all in order and
// under the names of the sessions, and has it after a restart.
func TestCallChatIsKept(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		dir := t.TempDir()
		keep := setup{change: func(c *configs.Config) { c.DataDir = dir }}
		r := start(t, keep)
		c, tokens := r.chatCall(nil)
		heard := map[string]*sdkChat{}
		inboxes := map[string]*inbox{"ann": newInbox(), "ben": newInbox()}
		rooms := map[string]*lksdk.Room{}
		for identity, i := range inboxes {
			rooms[identity] = r.into(t, m, tokens[identity], i.callback())
			heard[identity] = new(sdkChat).listen(t, rooms[identity])
		}
		openChannels(t, rooms["ann"], inboxes["ben"])
		openChannels(t, rooms["ben"], inboxes["ann"])
		const each = 20
		want := map[string][]string{}
		for n := range each {
			for identity, room := range rooms {
				text := fmt.Sprintf("%s says %d: нова 慰问", identity, n)
				want[identity] = append(want[identity], text)
				room.LocalParticipant.SendText(text, lksdk.StreamTextOptions{Topic: "lk.chat"})
			}
			// The SDK sends the pieces of texts at the same time, in any order.
			for identity, i := range inboxes {
				eventually(t, "the answer to "+identity, func() bool { return i.topic("careline.ack") == n+1 })
			}
		}
		eventually(t, "everything to be kept", func() bool { return len(r.thread(&c, tokens["dora"])) == 2*each })
		for identity, other := range map[string]string{"ann": "ben", "ben": "ann"} {
			eventually(t, "everything at "+other, func() bool { return len(heard[other].texts(identity)) == each })
			if got := heard[other].texts(identity); !slices.Equal(got, want[identity]) {
				t.Errorf("%s received %q", other, got)
			}
			if got := heard[identity].texts(identity); len(got) != 0 {
				t.Errorf("%s received her own %q", identity, got)
			}
		}
		check := func(when string) {
			t.Helper()
			got := map[string][]string{}
			last := uint64(0)
			for _, msg := range r.thread(&c, tokens["dora"]) {
				got[msg.Sender] = append(got[msg.Sender], msg.Text)
				if msg.Seq <= last {
					t.Errorf("%s: %d comes after %d", when, msg.Seq, last)
				}
				last = msg.Seq
			}
			for identity := range rooms {
				if !slices.Equal(got[identity], want[identity]) {
					t.Errorf("%s the conversation has of %s %q", when, identity, got[identity])
				}
			}
		}
		check("before")
		for _, room := range rooms {
			room.Disconnect()
		}
		r.stop()
		r = start(t, keep)
		check("after a restart")
	})
}

func (i *inbox) topic(topic string) (n int) {
	i.locked(func() {
		for _, d := range i.data {
			if d.topic == topic {
				n++
			}
		}
	})
	return n
}

// TestCallChatFromOutside writes, edits and deletes by HTTP: those in the call see it, as what it is, and who comes late too.
func TestCallChatFromOutside(t *testing.T) {
	r := start(t, setup{change: func(c *configs.Config) { c.Chat.HistoryToStock = true }})
	c, tokens := r.chatCall(nil)
	ann := r.enterWith(single, "ann", grant(c.ID), [2]int{})
	ben := r.enterWith(dual, "ben", grant(c.ID), [2]int{})
	path := "/conversations/" + c.Conversation + "/messages"
	var outside api.Stored
	if status := r.v1(http.MethodPost, path, tokens["dora"], api.NewMessage{Text: "from outside", ClientKey: "1"}, &outside); status != http.StatusCreated {
		t.Fatalf("sent: %d", status)
	}
	for _, p := range []*probe{ann, ben} { // what is written inside goes to the others at once
		eventually(t, "the message inside", func() bool { return len(streamsOf(p.media.received())) == 1 })
	}
	ann.write(inline("stream-1", "from inside"))
	inside := ann.answered(1)
	if inside["id"] != "stream-1" || inside["conv"] != c.Conversation || inside["seq"] == nil || inside["created_at"] == nil {
		t.Errorf("answered %v", inside)
	}
	change := func(seq any, who, text string) {
		t.Helper()
		if status := r.edit(fmt.Sprint(path, "/", seq), tokens[who], text); status != http.StatusOK {
			t.Fatalf("edited: %d", status)
		}
	}
	change(outside.Seq, "dora", "from outside, changed")
	change(inside["seq"], "ann", "from inside, changed outside")
	if status := r.v1(http.MethodDelete, fmt.Sprint(path, "/", inside["seq"]), tokens["ann"], nil, nil); status >= 300 {
		t.Fatalf("deleted: %d", status)
	}
	const created, updated, deleted = livekit.DataStream_CREATE, livekit.DataStream_UPDATE, livekit.DataStream_DELETE
	want := []chatText{
		{outside.ID, "careline.chat", "from outside", created, false},
		{"stream-1", "ann", "from inside", created, false},
		{outside.ID, "careline.chat", "from outside, changed", updated, false},
		{"stream-1", "ann", "from inside, changed outside", updated, false},
		{"stream-1", "ann", "(deleted)", deleted, false},
	}
	for p, list := range map[*probe][]chatText{ben: want, ann: slices.Delete(slices.Clone(want), 1, 2)} {
		eventually(t, "the deletion", func() bool {
			got := streamsOf(p.media.received())
			return len(got) > 0 && got[len(got)-1].op == deleted
		})
		if got := streamsOf(p.media.received()); !slices.Equal(got, list) {
			t.Errorf("received %+v", got)
		}
		for _, packet := range p.media.received() {
			if packet.GetStreamHeader() != nil && packet.ParticipantIdentity == "careline.chat" && packet.Sequence != 0 {
				t.Errorf("a packet of the server has number %d", packet.Sequence)
			}
		}
	}
	ben.write(inline("stream-2", "the last"))
	ben.answered(1)
	cleo := r.enterWith(single, "cleo", grant(c.ID), [2]int{})
	late := []chatText{{outside.ID, "dora", "from outside, changed", created, true}, {"stream-2", "ben", "the last", created, true}}
	// Cleo was named by nobody: a guest, who sees what was written since she came.
	ben.write(inline("stream-3", "for cleo too"))
	eventually(t, "the message at cleo", func() bool { return len(streamsOf(cleo.media.received())) > 0 })
	if got := streamsOf(cleo.media.received()); len(got) != 1 || got[0].text != "for cleo too" {
		t.Errorf("cleo received %+v", got)
	}
	dora := r.enterWith(single, "dora", grant(c.ID), [2]int{})
	eventually(t, "what was written before at dora", func() bool { return len(streamsOf(dora.media.received())) >= 3 })
	if got := streamsOf(dora.media.received())[:2]; !slices.Equal(got, late) {
		t.Errorf("dora received %+v", got)
	}
}

// edit replaces a message's text, whatever revision it has.
func (r *rig) edit(path, token, text string) int {
	r.t.Helper()
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPatch, r.http()+"/v1"+path, strings.NewReader(string(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("If-Match", `"0"`)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return res.StatusCode
}

// TestCallChatRefuses sends what is too long, from who is forged, and to some only.
func TestCallChatRefuses(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.chatCall(nil)
	ann := r.enterWith(single, "ann", grant(c.ID), [2]int{})
	ben := r.enterWith(single, "ben", grant(c.ID), [2]int{})
	long := strings.Repeat("я", 8001)
	ann.write(inline("long", long))
	if a := ann.answered(1); a["id"] != "long" || a["problem"] != "too-large" || a["seq"] != nil {
		t.Errorf("answered %v", a)
	}
	forged := inline("forged", "I am dora")
	forged.ParticipantIdentity, forged.ParticipantSid = "dora", "PA_dora"
	ann.write(forged)
	ann.answered(2)
	ann.write(inline("fits", long[2:]))
	if a := ann.answered(3); a["problem"] != nil {
		t.Errorf("answered %v", a)
	}
	got := r.thread(&c, tokens["dora"])
	if len(got) != 2 || got[0].Sender != "ann" || got[0].Text != "I am dora" || got[1].Text != long[2:] {
		t.Errorf("kept %d", len(got))
	}
	eventually(t, "the second at ben", func() bool { return len(streamsOf(ben.media.received())) == 2 })
	if n := len(answersOf(t, ben.media.received())); n != 0 {
		t.Errorf("ben is told of %d of ann's messages", n)
	}
	if status := r.v1(http.MethodPost, "/conversations/"+c.Conversation+"/messages", tokens["dora"], api.NewMessage{Text: long, ClientKey: "1"}, nil); status != http.StatusUnprocessableEntity {
		t.Errorf("by HTTP it is answered %d", status)
	}
}

// TestCallChatLegacy has clients that know no streams: what they send is kept, and what is written outside reaches them.
func TestCallChatLegacy(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.chatCall(nil)
	inboxes := map[string]*inbox{"ann": newInbox(), "ben": newInbox()}
	ann := r.into(t, single, tokens["ann"], inboxes["ann"].callback())
	r.into(t, dual, tokens["ben"], inboxes["ben"].callback())
	openChannels(t, ann, inboxes["ben"])
	send := func(topic, payload string) {
		t.Helper()
		data := &lksdk.UserDataPacket{Payload: []byte(payload), Topic: topic}
		if err := ann.LocalParticipant.PublishDataPacket(data, lksdk.WithDataPublishReliable(true)); err != nil {
			t.Fatal(err)
		}
	}
	send("lk-chat-topic", `{"id":"a1","timestamp":1,"message":"old"}`)
	send("lk-chat-update-topic", `{"id":"a1","timestamp":2,"message":"old, changed"}`)
	if err := ann.LocalParticipant.PublishDataPacket(&livekit.ChatMessage{Id: "a2", Message: "older"}, lksdk.WithDataPublishReliable(true)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all three to be kept", func() bool { return inboxes["ann"].topic("careline.ack") == 3 })
	got := r.thread(&c, tokens["dora"])
	if len(got) != 2 || got[0].Text != "old, changed" || got[0].Revision != 1 || got[1].Text != "older" {
		t.Errorf("kept %+v", got)
	}
	var stored api.Stored
	r.v1(http.MethodPost, "/conversations/"+c.Conversation+"/messages", tokens["dora"], api.NewMessage{Text: "new", ClientKey: "1"}, &stored)
	eventually(t, "what was written outside", func() bool {
		for _, i := range inboxes {
			found := false
			i.locked(func() {
				for _, d := range i.data {
					found = found || d.topic == "lk-chat-topic" && strings.Contains(d.text, stored.ID) && strings.Contains(d.text, `"message":"new"`)
				}
			})
			if !found {
				return false
			}
		}
		return true
	})
}

// TestCallChatEncrypted: what only those in the call can read goes to them, and is not kept.
func TestCallChatEncrypted(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.chatCall(nil)
	inboxes := map[string]*inbox{"ann": newInbox(), "ben": newInbox()}
	rooms := map[string]*lksdk.Room{}
	heard := map[string]*sdkChat{}
	for identity, i := range inboxes {
		keys := e2ee.NewExternalKeyProvider()
		if err := keys.SetRawKey([]byte("0123456789abcdef"), 0); err != nil {
			t.Fatal(err)
		}
		room, err := lksdk.ConnectToRoomWithToken(r.ws(), tokens[identity], i.callback(), lksdk.WithConnectTimeout(patience),
			lksdk.WithSinglePeerConnection(), lksdk.WithDataEncryption(&lksdk.EncryptionOptions{KeyProvider: keys}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(room.Disconnect)
		rooms[identity], heard[identity] = room, new(sdkChat).listen(t, room)
	}
	openChannels(t, rooms["ann"], inboxes["ben"])
	rooms["ann"].LocalParticipant.SendText("sealed", lksdk.StreamTextOptions{Topic: "lk.chat"})
	eventually(t, "the text at ben", func() bool { return slices.Equal(heard["ben"].texts("ann"), []string{"sealed"}) })
	if got := r.thread(&c, tokens["dora"]); len(got) != 0 {
		t.Errorf("kept %+v", got)
	}
	if n := inboxes["ann"].topic("careline.ack"); n != 0 {
		t.Errorf("%d answers", n)
	}
	var stored api.Stored
	r.v1(http.MethodPost, "/conversations/"+c.Conversation+"/messages", tokens["dora"], api.NewMessage{Text: "in the clear", ClientKey: "1"}, &stored)
	eventually(t, "what was written outside", func() bool { return slices.Equal(heard["ben"].texts("careline.chat"), []string{"in the clear"}) })
}

// TestCallChatDurable: in the call of an incident others see what is kept, and nothing else.
func TestCallChatDurable(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.chatCall(map[string]string{"incident": "INC-1"})
	ann := r.enterWith(single, "ann", grant(c.ID), [2]int{})
	ben := r.enterWith(single, "ben", grant(c.ID), [2]int{})
	ann.write(inline("1", "kept"))
	ann.answered(1)
	eventually(t, "the text at ben", func() bool { return len(streamsOf(ben.media.received())) == 1 })
	if got := streamsOf(ben.media.received())[0]; got.id != "1" || got.from != "ann" || got.text != "kept" {
		t.Errorf("ben received %+v", got)
	}
	if got := streamsOf(ann.media.received()); len(got) != 0 {
		t.Errorf("ann received %+v", got)
	}
	if got := r.thread(&c, tokens["dora"]); len(got) != 1 || got[0].Text != "kept" {
		t.Errorf("kept %+v", got)
	}
}

// TestCallChatTwice sends a message again, as a client does that lost its connection: it is kept and shown once.
func TestCallChatTwice(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.chatCall(nil)
	ann := r.enterWith(single, "ann", grant(c.ID), [2]int{})
	ben := r.enterWith(single, "ben", grant(c.ID), [2]int{})
	ann.write(inline("1", "once"))
	first := ann.answered(1)
	again := r.enterWith(single, "ann", grant(c.ID), [2]int{}) // a new session, which does not know what came of it
	again.write(inline("1", "once"))
	if a := again.answered(1); a["seq"] != first["seq"] || a["problem"] != nil {
		t.Errorf("answered %v, then %v", first, a)
	}
	again.write(inline("2", "the last"))
	again.answered(2)
	eventually(t, "the last at ben", func() bool {
		got := streamsOf(ben.media.received())
		return len(got) > 0 && got[len(got)-1].text == "the last"
	})
	if got := streamsOf(ben.media.received()); len(got) != 2 {
		t.Errorf("ben received %+v", got)
	}
	if got := r.thread(&c, tokens["dora"]); len(got) != 2 {
		t.Errorf("kept %+v", got)
	}
}

// TestCallChatByMetadata has a room of LiveKit's API, whose metadata names a conversation, with strangers in it.
func TestCallChatByMetadata(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.chatCall(nil) // for its conversation
	rooms := lksdk.NewRoomServiceClient(r.http(), devKey, devSecret)
	_, err := rooms.CreateRoom(t.Context(), &livekit.CreateRoomRequest{Name: "plain", Metadata: `{"careline":{"conversation":"` + c.Conversation + `"}}`})
	if err != nil {
		t.Fatal(err)
	}
	eve := r.enterWith(single, "eve", grant("plain"), [2]int{})
	eve.write(inline("1", "from a room"))
	eve.answered(1)
	got := r.thread(&c, tokens["dora"])
	if len(got) != 1 || got[0].Sender != "eve" {
		t.Errorf("kept %+v", got)
	}
	var people api.MemberList
	r.v1(http.MethodGet, "/conversations/"+c.Conversation+"/participants", tokens["dora"], nil, &people)
	found := false
	for _, p := range people.Items {
		found = found || p.UserID == "eve" && p.Type == "guest"
	}
	if !found {
		t.Errorf("in it are %+v", people.Items)
	}
	other := r.enterWith(single, "eve", grant("without"), [2]int{})
	other.write(inline("2", "elsewhere"))
	other.write(&livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: []byte("x")}}})
	if n := len(r.thread(&c, tokens["dora"])); n != 1 {
		t.Errorf("%d are kept", n)
	}
}

// TestCallChatClientEvents: a client that knows Careline is told of what happens as events, and of its own messages too.
func TestCallChatClientEvents(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.chatCall(nil)
	i := newInbox()
	ann := r.into(t, single, tokens["ann"], i.callback())
	ben := newInbox()
	r.into(t, single, tokens["ben"], ben.callback())
	openChannels(t, ann, ben)
	ann.LocalParticipant.SetAttributes(map[string]string{sfu.ClientAttribute: "1"})
	eventually(t, "the attribute", func() bool { return ann.LocalParticipant.Attributes()[sfu.ClientAttribute] == "1" })
	r.v1(http.MethodPost, "/conversations/"+c.Conversation+"/messages", tokens["dora"], api.NewMessage{Text: "hello", ClientKey: "1"}, nil)
	var envelope api.Envelope
	eventually(t, "the event", func() bool {
		found := false
		i.locked(func() {
			for _, d := range i.data {
				if d.topic == "careline.event" && json.Unmarshal([]byte(d.text), &envelope) == nil && envelope.Type == "message.created" {
					found = true
				}
			}
		})
		return found
	})
	if envelope.ConversationID != c.Conversation {
		t.Errorf("told %+v", envelope)
	}
	if ben.topic("careline.event") != 0 {
		t.Error("a client that does not know them is sent events")
	}
}

// TestCallChatOfAnAudience: a viewer of a broadcast is in the thread once it opens it, from the call only, and sees what is written from then on.
func TestCallChatOfAnAudience(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.makeCall(api.NewCall{Kind: call.Broadcast, Participants: []api.NewPerson{
		{Identity: "host", Role: call.Host}, {Identity: "vera"}, {Identity: "wim"}}})
	path := "/conversations/" + c.Conversation
	host := r.enterWith(single, "host", grant(c.ID), [2]int{})
	r.into(t, single, tokens["vera"], newInbox().callback())
	host.write(inline("1", "welcome"))
	host.answered(1)
	open := func(identity string) int { return r.v1(http.MethodGet, path, tokens[identity], nil, nil) }
	if status := r.v1(http.MethodPost, path+"/messages/view", tokens["vera"], map[string]any{}, nil); status != http.StatusNotFound {
		t.Errorf("before it is opened, reading is answered %d", status)
	}
	if vera, wim := open("vera"), open("wim"); vera != http.StatusOK || wim != http.StatusNotFound {
		t.Errorf("opened: %d in the call, %d outside it", vera, wim)
	}
	host.write(inline("2", "first question?"))
	host.answered(2)
	if got := r.thread(&c, tokens["vera"]); len(got) == 0 || got[len(got)-1].Text != "first question?" {
		t.Errorf("vera reads %+v", got)
	}
}
