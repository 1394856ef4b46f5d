package signal

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/livekit/protocol/livekit"

	"careline/chat"
	"careline/internal/errs"
)

// TestChatFormsAreKept sends a message in every form that clients have.
func TestChatFormsAreKept(t *testing.T) {
	r := newChatRig(t)
	long := strings.Repeat("нова ", chat.MaxText/5)
	forms := []struct {
		text    string
		packets []*livekit.DataPacket
	}{
		{"inline", []*livekit.DataPacket{header("1", "inline")}},
		{long, []*livekit.DataPacket{header("2", long, deflated)}},
		{"in pieces", []*livekit.DataPacket{header("3", "", inPieces), chunk("3", 0, "in "), chunk("3", 1, "pieces"), trailer("3")}},
		{long, []*livekit.DataPacket{header("4", "", inPieces, func(h *livekit.DataStream_Header) { h.Compression = livekit.DataStream_DEFLATE_RAW }),
			chunk("4", 0, string(squeeze([]byte(long)))), trailer("4")}},
		{"legacy", []*livekit.DataPacket{legacy(topicLegacy, `{"id":"5","timestamp":1700000000000,"message":"legacy"}`)}},
		{"protobuf", []*livekit.DataPacket{{Value: &livekit.DataPacket_ChatMessage{ChatMessage: &livekit.ChatMessage{Id: "6", Timestamp: 1_700_000_000_000, Message: "protobuf"}}}}},
	}
	for i, f := range forms {
		for _, p := range f.packets {
			if !r.send("ann", p) {
				t.Errorf("form %d is held back", i+1)
			}
		}
		got := r.answers("ann")
		if len(got) != 1 || got[0].ID != fmt.Sprint(i+1) || got[0].Seq != uint64(i+1) || got[0].Conversation != "conv" || got[0].CreatedAt == nil || got[0].Problem != "" {
			t.Errorf("form %d is answered %+v", i+1, got)
		}
	}
	kept := r.chats.all()
	if len(kept) != len(forms) {
		t.Fatalf("%d are kept", len(kept))
	}
	for i, m := range kept {
		r.happen(chat.MessageCreated, m.Seq)
		if m.Text != forms[i].text || m.Sender != "ann" || m.ClientKey != fmt.Sprint("lk:", i+1) || m.From != wayIn {
			t.Errorf("kept %q of %s, %s, %s", m.Text, m.Sender, m.ClientKey, m.From)
		}
	}
	if !kept[0].SentAt.Equal(time.UnixMilli(1_700_000_000_000)) {
		t.Errorf("sent at %v", kept[0].SentAt)
	}
	for _, who := range []string{"ann", "ben"} {
		if got := r.took(who); len(got) != 0 {
			t.Errorf("%s is sent %q", who, got)
		}
	}
	if s := r.Stats(); s.Kept != 6 || s.Told != 0 {
		t.Errorf("counted %+v", s)
	}
}

// TestOtherDataIsLeftAlone: what is no chat goes on, and a room without conversation keeps nothing.
func TestOtherDataIsLeftAlone(t *testing.T) {
	r := newChatRig(t)
	other := []*livekit.DataPacket{
		header("1", "text", func(h *livekit.DataStream_Header) { h.Topic = "other" }),
		chunk("unknown", 0, "piece"), trailer("unknown"), userPacket("other", []byte("data")),
		{Value: &livekit.DataPacket_RpcRequest{RpcRequest: &livekit.RpcRequest{}}},
		{Value: &livekit.DataPacket_EncryptedPacket{EncryptedPacket: &livekit.EncryptedPacket{}}},
		header("2", "text", func(h *livekit.DataStream_Header) { h.EncryptionType = livekit.Encryption_GCM }),
	}
	for _, p := range other {
		if !r.send("ann", p) {
			t.Errorf("held back %v", p)
		}
	}
	if !r.take(fakeSender{identity: "ann", room: "call"}, livekit.DataPacket_LOSSY, header("3", "lossy")) ||
		!r.take(fakeSender{identity: "ann", room: "elsewhere"}, livekit.DataPacket_RELIABLE, header("4", strings.Repeat("x", 9000))) {
		t.Error("held back what is no chat")
	}
	if got := r.answers("ann"); len(got) != 0 || len(r.chats.all()) != 0 {
		t.Errorf("answered %+v, kept %v", got, r.chats.all())
	}
	if s := r.Stats(); s.Encrypted != 2 {
		t.Errorf("%d encrypted packets", s.Encrypted)
	}
}

// TestChatIsRefused sends what cannot be a message: it is not kept, its sender is told why, and nobody else sees it.
func TestChatIsRefused(t *testing.T) {
	long := strings.Repeat("x", chat.MaxText+1)
	length := func(n uint64) func(*livekit.DataStream_Header) {
		return func(h *livekit.DataStream_Header) { h.TotalLength = &n }
	}
	tests := []struct {
		name, code string
		packet     *livekit.DataPacket
	}{
		{"too long", "too-large", header("1", long)},
		{"too long when it is inflated", "too-large", header("1", long, deflated)},
		{"a bomb", "too-large", header("1", strings.Repeat("x", 10_000_000), deflated, length(10))},
		{"announced as too long", "too-large", header("1", "", inPieces, length(chat.MaxText*4+1))},
		{"empty", "too-large", header("1", "")},
		{"no UTF-8", "validation", header("1", "\xff")},
		{"not as long as announced", "validation", header("1", "text", length(5))},
		{"not deflated", "validation", header("1", "\xff\xff\xff", func(h *livekit.DataStream_Header) { h.Compression = livekit.DataStream_DEFLATE_RAW })},
		{"of an unknown compression", "validation", header("1", "text", func(h *livekit.DataStream_Header) { h.Compression = 7 })},
		{"a reaction", "validation", header("1", "text", op(livekit.DataStream_REACTION))},
		{"a legacy one that is too long", "too-large", legacy(topicLegacy, `{"id":"1","message":"`+long+`"}`)},
		{"a protobuf one that is too long", "too-large", &livekit.DataPacket{Value: &livekit.DataPacket_ChatMessage{ChatMessage: &livekit.ChatMessage{Id: "1", Message: long}}}},
		{"an edit of nothing", "not-found", header("1", "text", op(livekit.DataStream_UPDATE))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newChatRig(t)
			if forward := r.send("ann", test.packet); forward && test.code != "not-found" {
				t.Error("it goes to the others")
			}
			r.problem("ann", "1", test.code)
			if len(r.chats.all()) != 0 {
				t.Error("it is kept")
			}
		})
	}
}

// TestChatIDs refuses ids that would make no key.
func TestChatIDs(t *testing.T) {
	r := newChatRig(t)
	for _, id := range []string{"", strings.Repeat("x", maxChatID+1), "line\nbreak"} {
		if r.send("ann", header(id, "text")) {
			t.Errorf("%q goes on", id)
		}
		if got := r.answers("ann"); len(got) != 1 || got[0].Problem != "validation" {
			t.Errorf("%q is answered %+v", id, got)
		}
	}
}

// TestChatCutInTheMiddle has a text grow beyond the limit after its beginning went to the others: they are told that it ends.
func TestChatCutInTheMiddle(t *testing.T) {
	r := newChatRig(t)
	half := strings.Repeat("x", chat.MaxText/2)
	if !r.send("ann", header("1", "", inPieces)) || !r.send("ann", chunk("1", 0, half)) || !r.send("ann", chunk("1", 1, half)) {
		t.Fatal("the beginning is held back")
	}
	more := chunk("1", 2, "x")
	if !r.send("ann", more) || more.GetStreamTrailer().GetReason() == "" || more.GetStreamTrailer().GetStreamId() != "1" {
		t.Errorf("the others are sent %v", more)
	}
	if r.send("ann", chunk("1", 3, "x")) || r.send("ann", trailer("1")) {
		t.Error("the rest goes on")
	}
	r.problem("ann", "1", "too-large")
	if !r.send("ann", header("1", "shorter")) {
		t.Error("the id cannot be used again")
	}
}

// TestBadUTF8AtTheEnd: the others have all of it but the end, and that is not what its sender says.
func TestBadUTF8AtTheEnd(t *testing.T) {
	r := newChatRig(t)
	r.send("ann", header("1", "", inPieces))
	r.send("ann", chunk("1", 0, "half a letter \xd0"))
	end := trailer("1")
	if !r.send("ann", end) || end.GetStreamTrailer().Reason == "" {
		t.Errorf("the end is %v", end)
	}
	r.problem("ann", "1", "validation")
}

// TestStreamsAreBounded opens too many, one twice, one of somebody else, and lets them lie.
func TestStreamsAreBounded(t *testing.T) {
	r := newChatRig(t)
	for i := range chatStreams {
		if !r.send("ann", header(fmt.Sprint(i), "", inPieces)) {
			t.Fatalf("stream %d is refused", i)
		}
	}
	for _, id := range []string{"one more", "0"} {
		if r.send("ann", header(id, "", inPieces)) {
			t.Errorf("stream %q is taken", id)
		}
		r.problem("ann", id, "rate-limited")
	}
	if r.send("ben", header("0", "", inPieces)) || r.send("ben", chunk("0", 0, "forged")) || r.send("ben", trailer("0")) {
		t.Error("ben goes on with ann's stream")
	}
	r.send("ann", chunk("0", 0, "text"))
	r.send("ann", trailer("0"))
	if got := r.answers("ann"); len(got) != 1 || got[0].Problem != "" || r.chats.all()[0].Text != "text" {
		t.Errorf("ann is told %+v", got)
	}
	r.took("ben")
	r.clock.Advance(chatStreamLife)
	eventually(t, "the others to end", func() bool {
		r.clock.Advance(chatSweep)
		return r.Stats().RefusedForm == chatStreams-1
	})
	if got := r.answers("ann"); len(got) != chatStreams-1 || got[0].Problem != "validation" {
		t.Errorf("ann is told %+v", got)
	}
	ends := 0
	for _, text := range r.took("ben") {
		if text == "end refused" {
			ends++
		}
	}
	if ends != chatStreams-1 {
		t.Errorf("ben is told of %d ends", ends)
	}
	if !r.send("ann", header("after", "", inPieces)) {
		t.Error("no stream can be opened any more")
	}
}

// TestStreamsEndWithTheirSession: what a session had begun is forgotten.
func TestStreamsEndWithTheirSession(t *testing.T) {
	r := newChatRig(t)
	r.send("ann", header("1", "", inPieces))
	r.known("RM_call").left("PA_ann")
	if !r.send("ben", header("1", "", inPieces)) {
		t.Error("the id is taken for ever")
	}
}

func TestChatRate(t *testing.T) {
	r := newChatRig(t)
	refused := 0
	for i := range chatPerSecond*burst + 10 {
		if !r.send("ann", header(fmt.Sprint(i), "text")) {
			refused++
		}
	}
	if refused != 10 || r.Stats().RefusedRate != 10 {
		t.Errorf("%d refused, counted %d", refused, r.Stats().RefusedRate)
	}
	if !r.send("ben", header("ben", "text")) {
		t.Error("ben pays for ann")
	}
}

// TestPrivateAndHidden: what is for some only goes to them and is not kept, nor is what somebody hidden writes.
func TestPrivateAndHidden(t *testing.T) {
	r := newChatRig(t)
	private := header("1", "text")
	private.DestinationIdentities = []string{"ben"}
	if !r.send("ann", private) {
		t.Error("it does not reach ben")
	}
	r.problem("ann", "1", "forbidden")
	if !r.take(fakeSender{identity: "ann", room: "call", hidden: true}, livekit.DataPacket_RELIABLE, header("2", "text")) {
		t.Error("a hidden participant is cut off")
	}
	r.problem("ann", "2", "forbidden")
	if len(r.chats.all()) != 0 {
		t.Error("it is kept")
	}
}

// TestTwins: a packet for old clients beside a stream goes on and is no message of its own.
func TestTwins(t *testing.T) {
	r := newChatRig(t)
	r.send("ann", header("1", "text"))
	for _, twin := range []string{`{"id":"1","message":"text","ignoreLegacy":true}`, `{"id":"1","message":"text"}`, `{"id":"other","message":"text","ignoreLegacy":true}`} {
		if !r.send("ann", legacy(topicLegacy, twin)) {
			t.Errorf("%s is held back", twin)
		}
	}
	if got := r.answers("ann"); len(got) != 1 || len(r.chats.all()) != 1 {
		t.Errorf("answered %+v", got)
	}
	if !r.send("ann", legacy(topicLegacy, "no JSON")) {
		t.Error("an application's own form is held back")
	}
	r.problem("ann", "", "validation")
}

// TestAgain: a message that is sent again is answered again, and not shown again.
func TestAgain(t *testing.T) {
	r := newChatRig(t)
	if !r.send("ann", header("1", "text")) || r.send("ann", header("1", "text")) {
		t.Error("not exactly the first goes on")
	}
	if got := r.answers("ann"); len(got) != 2 || got[0].Seq != 1 || got[1].Seq != 1 {
		t.Errorf("answered %+v", got)
	}
	r.send("ann", header("1", "another"))
	r.problem("ann", "1", "idempotency-mismatch")
	r.happen(chat.MessageCreated, 1)
	if got := r.took("ben"); len(got) != 0 {
		t.Errorf("ben is sent %q", got)
	}
}

// TestNotStored has the store fail: the others have the message, its sender knows that it is not kept, and can send it again.
func TestNotStored(t *testing.T) {
	r := newChatRig(t)
	r.chats.set(func() { r.chats.err = errs.New(errs.Unavailable, "not stored: disk full") })
	if !r.send("ann", header("1", "text")) {
		t.Error("the call does not go on")
	}
	if got := r.answers("ann"); len(got) != 1 || got[0].Problem != "unavailable" || got[0].Detail != "not stored" {
		t.Errorf("ann is told %+v", got)
	}
	r.chats.set(func() { r.chats.err = nil })
	if r.send("ann", header("1", "text")) {
		t.Error("the others get it twice")
	}
	if got := r.answers("ann"); len(got) != 1 || got[0].Seq != 1 {
		t.Errorf("ann is then told %+v", got)
	}
	r.happen(chat.MessageCreated, 1)
	if got := r.took("ben"); len(got) != 0 {
		t.Errorf("ben is sent %q", got)
	}
	if s := r.Stats(); s.NotStored != 1 || s.Kept != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestQueueIsBounded has a store that does not answer: nobody waits for it, what is too much is said to be lost.
func TestQueueIsBounded(t *testing.T) {
	r := newChatRig(t)
	gate := make(chan struct{})
	r.chats.set(func() { r.chats.gate = gate })
	forwarded := 0
	for i := range chatJobs + 50 {
		if i%(chatPerSecond*burst) == 0 {
			r.clock.Advance(time.Minute)
		}
		if r.send("ann", header(fmt.Sprint(i), "text")) {
			forwarded++
		}
	}
	s := r.Stats()
	if forwarded < chatJobs || int(s.QueueDropped) != chatJobs+50-forwarded || s.NotStored != s.QueueDropped || s.QueueDropped == 0 {
		t.Errorf("%d went on, counted %+v", forwarded, s)
	}
	close(gate)
	eventually(t, "the rest to be kept", func() bool { return len(r.chats.all()) == forwarded })
	for i, m := range r.chats.all() {
		if m.ClientKey != fmt.Sprint("lk:", i) {
			t.Fatalf("message %d is %s", i, m.ClientKey)
		}
	}
}

// TestStopKeepsWhatWaits ends the bridge while messages wait.
func TestStopKeepsWhatWaits(t *testing.T) {
	r := newChatRig(t)
	gate := make(chan struct{})
	r.chats.set(func() { r.chats.gate = gate })
	for i := range 10 {
		r.send("ann", header(fmt.Sprint(i), "text"))
	}
	close(gate)
	r.stop()
	if n := len(r.chats.all()); n != 10 {
		t.Errorf("%d are kept", n)
	}
	if !r.send("ann", header("late", "text")) || r.known("RM_call") != nil {
		t.Error("a bridge that ended holds data back")
	}
}

// TestAuthors: an agent writes in its own name, and says for whom; nobody else can.
func TestAuthors(t *testing.T) {
	r := newChatRig(t)
	r.comeAs(&livekit.ParticipantInfo{Identity: "bot", Sid: "PA_bot", Kind: livekit.ParticipantInfo_AGENT})
	if len(r.chats.seated) != 3 {
		t.Error("an agent has a place before it writes")
	}
	p := header("1", "she said so", func(h *livekit.DataStream_Header) { h.GetTextHeader().Generated = true })
	p.ParticipantIdentity = "ann" // as the engine lets agents do
	r.send("bot", p)
	r.send("ann", header("2", "myself", func(h *livekit.DataStream_Header) { h.GetTextHeader().Generated = true }))
	r.settle()
	kept := r.chats.all()
	if m := kept[0]; m.Sender != "bot" || m.OnBehalfOf != "ann" || !m.Generated {
		t.Errorf("kept of the agent %+v", m)
	}
	if m := kept[1]; m.Sender != "ann" || m.OnBehalfOf != "" || m.Generated {
		t.Errorf("kept of ann %+v", m)
	}
	if r.chats.seated["bot"].Kin != chat.AI {
		t.Errorf("the agent sits as %+v", r.chats.seated["bot"])
	}
}

// TestEditsFromInside: clients edit and delete what they wrote in the call, in each form, and what they wrote outside.
func TestEditsFromInside(t *testing.T) {
	r := newChatRig(t)
	r.send("ann", header("1", "first"))
	r.answers("ann")
	edited := int64(1)
	steps := []struct {
		packet *livekit.DataPacket
		text   string
	}{
		{header("1", "second", op(livekit.DataStream_UPDATE)), "second"},
		{legacy(topicLegacyUpdate, `{"id":"1","message":"third"}`), "third"},
		{&livekit.DataPacket{Value: &livekit.DataPacket_ChatMessage{ChatMessage: &livekit.ChatMessage{Id: "1", Message: "fourth", EditTimestamp: &edited}}}, "fourth"},
		{header("1", "", op(livekit.DataStream_DELETE)), ""},
	}
	for i, s := range steps {
		if !r.send("ann", s.packet) {
			t.Errorf("step %d is held back", i)
		}
		got := r.answers("ann")
		if len(got) != 1 || got[0].Problem != "" || got[0].Seq != 1 || got[0].Deleted != (s.text == "") {
			t.Errorf("step %d is answered %+v", i, got)
		}
		m := r.chats.all()[0]
		if m.Text != s.text || m.DeletedAt.IsZero() != (s.text != "") {
			t.Errorf("step %d leaves %q, deleted at %v", i, m.Text, m.DeletedAt)
		}
		kind := chat.MessageUpdated
		if s.text == "" {
			kind = chat.MessageDeleted
		}
		r.happen(kind, 1)
		if back := r.took("ben"); len(back) != 0 {
			t.Errorf("step %d comes back to ben as %q", i, back)
		}
	}
	r.outside("ann", "outside")
	r.send("ann", header("id-2", "changed inside", op(livekit.DataStream_UPDATE)))
	r.send("ben", header("id-2", "changed by ben", op(livekit.DataStream_UPDATE)))
	r.settle()
	if m := r.chats.all()[1]; m.Text != "changed inside" {
		t.Errorf("it says %q", m.Text)
	}
	r.problem("ben", "id-2", "not-found")
}

// TestFilesAreRefused: the text beside files is kept, and their sender is told that they are not.
func TestFilesAreRefused(t *testing.T) {
	r := newChatRig(t)
	file := &livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: &livekit.DataStream_Header{
		StreamId: "f", Topic: topicChat, ContentHeader: &livekit.DataStream_Header_ByteHeader{ByteHeader: &livekit.DataStream_ByteHeader{Name: "map.pdf"}},
	}}}
	text := header("1", "look", func(h *livekit.DataStream_Header) { h.GetTextHeader().AttachedStreamIds = []string{"f"} })
	for _, p := range []*livekit.DataPacket{text, file, chunk("f", 0, "content"), trailer("f")} {
		if !r.send("ann", p) {
			t.Errorf("held back %v", p)
		}
	}
	got := r.answers("ann")
	if len(got) != 2 || got[0].ID != "f" || got[0].Problem != "validation" || got[1].ID != "1" || got[1].Problem != "" || len(r.chats.all()) != 1 {
		t.Errorf("answered %+v", got)
	}
}

// TestReplies: a reply to a stream is one to its message.
func TestReplies(t *testing.T) {
	r := newChatRig(t)
	r.send("ann", header("1", "question"))
	r.settle()
	for id, to := range map[string]string{"2": "1", "3": "unknown"} {
		r.send("ben", header(id, "answer", func(h *livekit.DataStream_Header) { h.GetTextHeader().ReplyToStreamId = to }))
	}
	r.settle()
	for _, m := range r.chats.all()[1:] {
		if (m.ClientKey == "lk:2") != (m.ReplyTo == 1) {
			t.Errorf("%s replies to %d", m.ClientKey, m.ReplyTo)
		}
	}
}

// TestClosedConversation: in a call whose conversation is closed, who writes is told so.
func TestClosedConversation(t *testing.T) {
	r := newChatRig(t)
	r.chats.set(func() { r.chats.err = chat.ErrClosed })
	r.send("ann", header("1", "text"))
	r.problem("ann", "1", "conversation-closed")
	r.chats.set(func() { r.chats.err = context.DeadlineExceeded })
	r.send("ann", header("2", "text"))
	r.problem("ann", "2", "unavailable")
	if s := r.Stats(); s.RefusedClosed != 1 || s.NotStored != 1 {
		t.Errorf("counted %+v", s)
	}
}

// FuzzTextStream puts texts together from any pieces: what comes out is a text that a message may have.
func FuzzTextStream(f *testing.F) {
	f.Add([]byte("text"), true, false, uint64(4), uint16(2))
	f.Add(squeeze([]byte(strings.Repeat("text", 1000))), false, true, uint64(4000), uint16(7))
	f.Add(squeeze(make([]byte, 1_000_000)), true, true, uint64(10), uint16(1))
	f.Add([]byte("\xf0\x9f\x98\x80\xff"), false, false, uint64(0), uint16(1))
	f.Fuzz(func(t *testing.T, content []byte, inline, deflate bool, length uint64, size uint16) {
		h := &livekit.DataStream_Header{StreamId: "1"}
		if length > 0 {
			h.TotalLength = &length
		}
		if inline {
			h.InlineContent = content
		}
		if deflate {
			h.Compression = livekit.DataStream_DEFLATE_RAW
		}
		s, whole, err := newTextStream(h)
		for n := uint64(0); err == nil && !whole && len(content) > 0; n++ {
			piece := content[:min(len(content), int(size)+1)]
			content = content[len(piece):]
			err = s.add(&livekit.DataStream_Chunk{StreamId: "1", ChunkIndex: n, Content: piece})
		}
		if err != nil {
			return
		}
		if len(s.raw) > maxDeflated {
			t.Fatalf("holds %d bytes", len(s.raw))
		}
		text, err := s.text()
		if err != nil {
			return
		}
		if !utf8.ValidString(text) || utf8.RuneCountInString(text) > chat.MaxText || length > 0 && uint64(len(text)) != length {
			t.Errorf("a text of %d bytes came out, %d were announced", len(text), length)
		}
	})
}
