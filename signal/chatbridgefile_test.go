package signal

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/chat"
	"careline/internal/errs"
)

// naming makes a text name files.
func naming(ids ...string) func(*livekit.DataStream_Header) {
	return func(h *livekit.DataStream_Header) { h.GetTextHeader().AttachedStreamIds = ids }
}

func fileHeader(id, name string, length int, change ...func(*livekit.DataStream_Header)) *livekit.DataPacket {
	size := uint64(length)
	h := &livekit.DataStream_Header{
		StreamId: id, Topic: topicChat, MimeType: "text/plain", TotalLength: &size,
		ContentHeader: &livekit.DataStream_Header_ByteHeader{ByteHeader: &livekit.DataStream_ByteHeader{Name: name}},
	}
	for _, c := range change {
		c(h)
	}
	return &livekit.DataPacket{Value: &livekit.DataPacket_StreamHeader{StreamHeader: h}}
}

func byDeflate(h *livekit.DataStream_Header) { h.Compression = livekit.DataStream_DEFLATE_RAW }

func broken(id string) *livekit.DataPacket {
	p := trailer(id)
	p.GetStreamTrailer().Reason = "broken off"
	return p
}

// file is the packets of one that is sent in pieces.
func file(id, name, content string) []*livekit.DataPacket {
	half := len(content) / 2
	return []*livekit.DataPacket{fileHeader(id, name, len(content)), chunk(id, 0, content[:half]), chunk(id, 1, content[half:]), trailer(id)}
}

// sendAll lets somebody send packets, which all go to the others.
func (r *chatRig) sendAll(identity string, packets ...*livekit.DataPacket) {
	r.t.Helper()
	for _, p := range packets {
		if !r.send(identity, p) {
			r.t.Errorf("held back %v", p)
		}
	}
}

// answersTo waits for as many answers, and returns them by what they are to.
func (r *chatRig) answersTo(identity string, n int) map[string]chatAnswer {
	r.t.Helper()
	all := make(map[string]chatAnswer)
	eventually(r.t, fmt.Sprint(n, " answers to ", identity), func() bool {
		for _, a := range r.answers(identity) {
			if _, twice := all[a.ID]; twice {
				r.t.Fatalf("%s is told twice of %s", identity, a.ID)
			}
			all[a.ID] = a
		}
		return len(all) >= n
	})
	return all
}

// fileEnds waits until a file is stored whose text waits for others.
func (r *chatRig) fileEnds(id string) {
	r.t.Helper()
	eventually(r.t, "the file", func() bool {
		room := r.known("RM_call")
		room.mu.Lock()
		defer room.mu.Unlock()
		return room.files[id].ended
	})
}

// nothingLeft waits until nothing of any file is held.
func (r *chatRig) nothingLeft() {
	r.t.Helper()
	eventually(r.t, "everything to be forgotten", func() bool {
		room := r.known("RM_call")
		room.mu.Lock()
		defer room.mu.Unlock()
		open := 0
		for _, w := range room.writers {
			open += w.open + w.files
		}
		return len(room.files) == 0 && len(room.streams) == 0 && open == 0 && r.spooled.Load() == 0
	})
}

// TestChatFilesAreKept sends files in every form that clients have, before and after the end of their text.
func TestChatFilesAreKept(t *testing.T) {
	r := newChatRig(t)
	long := strings.Repeat("a page of the report. ", 3000)
	r.sendAll("ann", header("1", "", inPieces, naming("f1", "f2", "f3")), chunk("1", 0, "three files"))
	r.sendAll("ann", file("f2", "second.txt", long)...)
	r.sendAll("ann", trailer("1"))
	deflate := squeeze([]byte(long))
	r.sendAll("ann", fileHeader("f3", "third.txt", len(long), byDeflate), chunk("f3", 0, string(deflate[:10])), chunk("f3", 1, string(deflate[10:])), trailer("f3"),
		fileHeader("f1", "", 5, func(h *livekit.DataStream_Header) { h.InlineContent = []byte("first") }))
	a := r.answersTo("ann", 1)["1"]
	if a.Seq != 1 || len(a.Files) != 3 || len(a.Missing) != 0 {
		t.Errorf("answered %+v", a)
	}
	m := r.chats.all()[0]
	if m.Kind != chat.File || m.Text != "three files" || len(m.Attachments) != 3 {
		t.Fatalf("kept %+v", m)
	}
	for i, name := range []string{"file", "second.txt", "third.txt"} {
		if got := m.Attachments[i]; got.Name != name || got.ID != a.Files[fmt.Sprint("f", i+1)] {
			t.Errorf("attachment %d is %+v", i, got)
		}
	}
	if got := r.files.contents(); got["file"] != "first" || got["second.txt"] != long || got["third.txt"] != long {
		t.Errorf("kept %d files", len(got))
	}
	r.sendAll("ann", header("2", "", naming("p")))
	r.sendAll("ann", file("p", "picture.png", "pixels")...)
	r.answersTo("ann", 1)
	if m := r.chats.all()[1]; m.Kind != chat.Image || m.Text != "" {
		t.Errorf("kept %+v", m)
	}
	r.sendAll("ann", header("3", "", naming("empty")), fileHeader("empty", "empty.txt", 0), trailer("empty"))
	r.answersTo("ann", 1)
	r.nothingLeft()
	if s := r.Stats(); s.FilesKept != 5 || s.FilesRefused+s.FilesDropped != 0 || s.Kept != 3 {
		t.Errorf("counted %+v", s)
	}
}

// TestChatFilesAreRefused sends files that are not kept: they go to the others, their sender is told why, and the text is kept without them.
func TestChatFilesAreRefused(t *testing.T) {
	tests := []struct {
		name, code string
		packets    []*livekit.DataPacket
	}{
		{"too large", "too-large", []*livekit.DataPacket{fileHeader("f", "a.txt", largestFake+1)}},
		{"larger than can be said", "too-large", []*livekit.DataPacket{fileHeader("f", "a.txt", -1)}},
		{"a program", "unsupported-media-type", file("f", "a.exe", "MZ")},
		{"without a length", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 1, func(h *livekit.DataStream_Header) { h.TotalLength = nil })}},
		{"longer than it says", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 3), chunk("f", 0, "text"), trailer("f")}},
		{"shorter than it says", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 5), chunk("f", 0, "text"), trailer("f")}},
		{"a piece is missing", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 8), chunk("f", 0, "text"), chunk("f", 2, "text"), trailer("f")}},
		{"not deflated", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 4, byDeflate), chunk("f", 0, "\xff\xff"), trailer("f")}},
		{"deflated in part", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 4, byDeflate), chunk("f", 0, string(squeeze([]byte("text"))[:3])), trailer("f")}},
		{"more than what is deflated", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 4, byDeflate), chunk("f", 0, string(squeeze([]byte("text")))+"more"), trailer("f")}},
		{"a bomb", "too-large", []*livekit.DataPacket{fileHeader("f", "a.txt", 1000, byDeflate), chunk("f", 0, string(squeeze(make([]byte, 300_000)))), trailer("f")}},
		{"of an unknown compression", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 4, func(h *livekit.DataStream_Header) { h.Compression = 9 })}},
		{"broken off", "validation", []*livekit.DataPacket{fileHeader("f", "a.txt", 8), chunk("f", 0, "text"), broken("f")}},
		{"to some only", "forbidden", []*livekit.DataPacket{private(fileHeader("f", "a.txt", 4))}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newChatRig(t)
			r.sendAll("ann", header("1", "with a file", naming("f")))
			r.sendAll("ann", test.packets...)
			got := r.answersTo("ann", 2)
			if a := got["f"]; a.Problem != test.code || a.Seq != 0 {
				t.Errorf("of the file: %+v", a)
			}
			if a := got["1"]; a.Problem != "" || a.Seq != 1 || !slices.Equal(a.Missing, []string{"f"}) || a.Files != nil {
				t.Errorf("of the text: %+v", a)
			}
			if m := r.chats.all()[0]; m.Kind != chat.Text || m.Text != "with a file" || len(m.Attachments) != 0 {
				t.Errorf("kept %+v", m)
			}
			r.nothingLeft()
			if left := r.files.contents(); len(left) != 0 {
				t.Errorf("left behind: %d", len(left))
			}
			if s := r.Stats(); s.FilesKept != 0 || s.FilesRefused+s.FilesDropped != 1 {
				t.Errorf("counted %+v", s)
			}
		})
	}
}

func private(p *livekit.DataPacket) *livekit.DataPacket {
	p.DestinationIdentities = []string{"ben"}
	return p
}

// TestChatFilesOfNobody: what no text names, what an edit names, what is encrypted and what is another's.
func TestChatFilesOfNobody(t *testing.T) {
	r := newChatRig(t)
	r.sendAll("ann", file("alone", "a.txt", "text")...)
	r.problem("ann", "alone", "validation")
	r.sendAll("ann", header("1", "text"))
	r.answersTo("ann", 1)
	r.sendAll("ann", header("1", "changed", op(livekit.DataStream_UPDATE), naming("edit")))
	r.sendAll("ann", file("edit", "a.txt", "text")...)
	if got := r.answersTo("ann", 2); got["edit"].Problem != "validation" || got["1"].Revision != 1 {
		t.Errorf("answered %+v", got)
	}
	r.sendAll("ann", fileHeader("sealed", "a.txt", 4, func(h *livekit.DataStream_Header) { h.EncryptionType = livekit.Encryption_GCM }), chunk("sealed", 0, "text"), trailer("sealed"))
	r.sendAll("ann", header("2", "ann's", naming("f", "2", "", "f")))
	if got := r.answersTo("ann", 3); got["2"].Problem != "conflict" || got[""].Problem != "validation" || got["f"].Problem != "conflict" {
		t.Errorf("answered %+v", got)
	}
	if r.send("ben", fileHeader("f", "forged.txt", 4)) || r.send("ben", chunk("f", 0, "text")) || r.send("ben", trailer("f")) {
		t.Error("ben goes on with ann's file")
	}
	if got := r.answersTo("ben", 1); got["f"].Problem != "conflict" {
		t.Errorf("ben is told %+v", got)
	}
	r.sendAll("ann", fileHeader("f", "anns.txt", 4), fileHeader("f", "twice.txt", 4), chunk("f", 0, "text"), trailer("f"))
	if got := r.answersTo("ann", 2); got["f"].Problem != "conflict" || len(got["2"].Files) != 1 {
		t.Errorf("answered %+v", got)
	}
	if got := r.files.contents(); !maps.Equal(got, map[string]string{"anns.txt": "text"}) {
		t.Errorf("kept %q", got)
	}
	r.nothingLeft()
}

// TestChatFilesWithoutTheirText: nothing is kept of files whose text does not come, is refused or is not stored.
func TestChatFilesWithoutTheirText(t *testing.T) {
	begin := header("1", "", inPieces, naming("f", "never"))
	tests := map[string]func(*chatRig){
		"it does not end":  func(r *chatRig) { r.clock.Advance(chatStreamLife) },
		"it is broken off": func(r *chatRig) { r.send("ann", broken("1")) },
		"it is too long": func(r *chatRig) {
			r.send("ann", chunk("1", 0, strings.Repeat("x", chat.MaxText+1)))
			r.send("ann", trailer("1"))
		},
		"it is no text": func(r *chatRig) {
			r.send("ann", chunk("1", 0, "\xff"))
			r.send("ann", trailer("1"))
		},
		"it cannot be stored": func(r *chatRig) {
			r.chats.set(func() { r.chats.err = chat.ErrClosed })
			r.send("ann", chunk("1", 0, "text"))
			r.send("ann", trailer("1"))
			r.clock.Advance(chatStreamLife)
		},
	}
	for name, then := range tests {
		t.Run(name, func(t *testing.T) {
			r := newChatRig(t)
			r.sendAll("ann", begin)
			r.sendAll("ann", file("f", "a.txt", "text")...)
			r.fileEnds("f")
			then(r)
			eventually(t, "the file to go", func() bool { return len(r.files.contents()) == 0 })
			r.nothingLeft()
			if s := r.Stats(); s.FilesDropped != 2 || s.FilesKept != 0 || len(r.chats.all()) != 0 {
				t.Errorf("counted %+v, kept %v", s, r.chats.all())
			}
		})
	}
}

// TestChatFilesThatDoNotCome: a text waits for its files as long as something comes of them, and is kept without those that do not come.
func TestChatFilesThatDoNotCome(t *testing.T) {
	r := newChatRig(t)
	r.sendAll("ann", header("1", "text", naming("f", "stalls", "never")))
	content := strings.Repeat("x", largestFake) // which may take a minute
	r.sendAll("ann", fileHeader("stalls", "b.txt", largestFake), chunk("stalls", 0, "text"), fileHeader("f", "a.txt", largestFake), chunk("f", 0, content[:1000]))
	r.clock.Advance(chatStreamLife - time.Second)
	r.sendAll("ann", chunk("f", 1, content[1000:2000]))
	r.clock.Advance(2 * time.Second)
	if got := r.answersTo("ann", 1); got["stalls"].Problem != "validation" {
		t.Errorf("answered %+v", got)
	}
	r.clock.Advance(chatStreamLife - 3*time.Second)
	r.sendAll("ann", chunk("f", 2, content[2000:]), trailer("f"))
	r.fileEnds("f")
	if len(r.chats.all()) != 0 {
		t.Error("the text did not wait")
	}
	r.clock.Advance(chatStreamLife + chatSweep)
	got := r.answersTo("ann", 2)
	if got["never"].Problem != "validation" || len(got["1"].Files) != 1 || !slices.Equal(got["1"].Missing, []string{"stalls", "never"}) {
		t.Errorf("answered %+v", got)
	}
	r.nothingLeft()
	if s := r.Stats(); s.FilesKept != 1 || s.FilesDropped != 2 {
		t.Errorf("counted %+v", s)
	}
}

// TestChatFileThatTrickles: a file that comes slower than it may does not hold its text for ever.
func TestChatFileThatTrickles(t *testing.T) {
	r := newChatRig(t)
	r.sendAll("ann", header("1", "text", naming("f")), fileHeader("f", "a.txt", 100))
	for n := range uint64(4) {
		r.sendAll("ann", chunk("f", n, "x"))
		r.clock.Advance(chatStreamLife / 3)
	}
	if got := r.answersTo("ann", 2); got["f"].Problem != "validation" || !slices.Equal(got["1"].Missing, []string{"f"}) {
		t.Errorf("answered %+v", got)
	}
	r.nothingLeft()
}

// TestChatFilesOfWhoLeaves: what is there counts, what is not does not.
func TestChatFilesOfWhoLeaves(t *testing.T) {
	r := newChatRig(t)
	leave := func() { r.known("RM_call").left("PA_ann") }
	r.sendAll("ann", header("1", "text", naming("f", "half", "never")))
	r.sendAll("ann", file("f", "a.txt", "text")...)
	r.sendAll("ann", fileHeader("half", "b.txt", 8), chunk("half", 0, "text"))
	r.sendAll("ann", header("2", "", inPieces, naming("g")), fileHeader("g", "c.txt", 8))
	leave()
	if got := r.answersTo("ann", 4)["1"]; len(got.Files) != 1 || len(got.Missing) != 2 {
		t.Errorf("answered %+v", got)
	}
	r.nothingLeft()
	eventually(t, "the rest to go", func() bool { return maps.Equal(r.files.contents(), map[string]string{"a.txt": "text"}) })
	if s := r.Stats(); s.FilesKept != 1 || s.FilesDropped != 3 || len(r.chats.all()) != 1 {
		t.Errorf("counted %+v", s)
	}
}

// TestChatFilesAreBounded: names, open streams and bytes that wait; the sender's packets wait for nothing.
func TestChatFilesAreBounded(t *testing.T) {
	r := newChatRig(t)
	gate := make(chan struct{})
	r.files.set(func() { r.files.gate = gate })
	var first, second []string
	for i := range chatFiles + 1 {
		first, second = append(first, fmt.Sprint("a", i)), append(second, fmt.Sprint("b", i))
	}
	r.sendAll("ann", header("1", "one", naming(first...)), header("2", "two", naming(second...)))
	for i, id := range first {
		r.sendAll("ann", fileHeader(id, id, largestFake))
		if i == chatFiles {
			r.problem("ann", id, "validation") // no text names it: it is one too many
		}
	}
	r.sendAll("ann", fileHeader("b0", "b0", 4))
	r.problem("ann", "b0", "rate-limited")
	room := r.known("RM_call")
	room.mu.Lock()
	spool := room.files["a0"].spool
	room.mu.Unlock()
	big := strings.Repeat("x", 60_000)
	for n := range uint64(largestFake / len(big)) {
		r.sendAll("ann", chunk("a0", n, big))
	}
	if spool.held < largestFake/2 || r.Stats().FilesSpooled != spool.held {
		t.Errorf("%d bytes wait, %d are counted", spool.held, r.Stats().FilesSpooled)
	}
	r.spooled.Add(spoolTotal) // as if others sent much, too
	r.sendAll("ann", chunk("a1", 0, big))
	r.spooled.Add(-spoolTotal)
	close(gate)
	if got := r.answersTo("ann", 1); got["a1"].Problem != "unavailable" {
		t.Errorf("answered %+v", got)
	}
	room.left("PA_ann")
	r.nothingLeft()
}

// TestSpoolIsBounded fills one file's share of memory while nobody writes it.
func TestSpoolIsBounded(t *testing.T) {
	var total atomic.Int64
	s, err := newSpool(fileHeader("1", "a", 2*spoolBytes).GetStreamHeader(), &total)
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, spoolBytes/4)
	for n := range uint64(5) {
		err = s.add(&livekit.DataStream_Chunk{ChunkIndex: n, Content: piece})
		if full := n == 4; full != errors.Is(err, errFileFast) {
			t.Fatalf("piece %d: %v", n, err)
		}
	}
	s.finish(err)
	if _, got := s.Read(piece); !errors.Is(got, errFileFast) || total.Load() != 0 {
		t.Errorf("%v, %d bytes are counted", got, total.Load())
	}
}

// TestChatFilesAreScanned: a file that was found to be infected before its message was stored is not in it.
func TestChatFilesAreScanned(t *testing.T) {
	r := newChatRig(t)
	r.sendAll("ann", header("1", "text", naming("bad", "good")))
	r.sendAll("ann", file("bad", "bad.txt", "text")...)
	eventually(t, "the file", func() bool { return r.files.contents()["bad.txt"] == "text" })
	r.files.set(func() {
		for _, u := range r.files.uploads {
			u.infected = true
		}
	})
	r.sendAll("ann", file("good", "good.txt", "text")...)
	got := r.answersTo("ann", 2)
	if got["bad"].Problem != "infected" || len(got["1"].Files) != 1 || !slices.Equal(got["1"].Missing, []string{"bad"}) {
		t.Errorf("answered %+v", got)
	}
}

// TestChatFilesNeedARight: who may not write in the conversation has no files stored.
func TestChatFilesNeedARight(t *testing.T) {
	r := newChatRig(t)
	r.chats.set(func() { r.chats.muted = errs.New(errs.Denied, "muted") })
	r.sendAll("ann", header("1", "text", naming("f")))
	r.sendAll("ann", file("f", "a.txt", "text")...)
	if got := r.answersTo("ann", 2); got["f"].Problem != "forbidden" {
		t.Errorf("answered %+v", got)
	}
	if r.files.begun != 0 {
		t.Error("an upload was begun")
	}
}

// TestChatFilesAtTheEnd: a room that ends while files are written keeps what was all there.
func TestChatFilesAtTheEnd(t *testing.T) {
	r := newChatRig(t)
	gate := make(chan struct{})
	r.files.set(func() { r.files.gate = gate })
	r.sendAll("ann", header("1", "text", naming("f", "half")))
	r.sendAll("ann", file("f", "a.txt", "text")...)
	r.sendAll("ann", fileHeader("half", "b.txt", 8), chunk("half", 0, "text"))
	room := r.known("RM_call")
	room.end()
	eventually(t, "the room to end", func() bool {
		room.mu.Lock()
		defer room.mu.Unlock()
		return room.ending
	})
	r.sendAll("ann", header("2", "too late", naming("g")), fileHeader("g", "c.txt", 4))
	close(gate)
	r.stop()
	files := make(map[string]int)
	for _, m := range r.chats.all() {
		files[m.Text] = len(m.Attachments)
	}
	if !maps.Equal(files, map[string]int{"text": 1, "too late": 0}) {
		t.Errorf("kept %v", files)
	}
	if got := r.files.contents(); !maps.Equal(got, map[string]string{"a.txt": "text"}) {
		t.Errorf("left %q", got)
	}
}

// TestTextThatWaitsForFiles is told to who comes meanwhile, and to nobody else again.
func TestTextThatWaitsForFiles(t *testing.T) {
	r := newChatRig(t)
	r.sendAll("ann", header("1", "text", naming("f")), fileHeader("f", "a.txt", 4))
	r.clock.Advance(time.Second)
	r.come("dora", "careline.client", "1")
	r.sendAll("ann", chunk("f", 0, "text"), trailer("f"))
	r.answersTo("ann", 1)
	r.happen(chat.MessageCreated, 1)
	if got := r.took("dora"); len(got) < 3 || got[0] != "ann: CREATE 1" || got[1] != "text\n[a.txt]" {
		t.Errorf("dora is sent %q", got)
	}
	for _, who := range []string{"ann", "ben"} {
		if got := r.took(who); len(got) != 0 {
			t.Errorf("%s is sent %q", who, got)
		}
	}
	r.clock.Advance(time.Second)
	r.come("emil", "careline.client", "1")
	if got := r.took("emil"); len(got) != 3 || got[1] != "text\n[a.txt]" {
		t.Errorf("emil is sent %q", got)
	}
}

// TestHeldTextNamesItsFiles: where texts are sent on once they are kept, the others have the files by then.
func TestHeldTextNamesItsFiles(t *testing.T) {
	r := newChatRig(t, func(r *chatRig, _ *ChatConfig) { r.chats.incident = true })
	if r.send("ann", header("1", "text", naming("f"))) {
		t.Error("the text goes on before it is kept")
	}
	r.sendAll("ann", file("f", "a.txt", "text")...)
	r.answersTo("ann", 1)
	r.happen(chat.MessageCreated, 1)
	r.hall.mu.Lock()
	defer r.hall.mu.Unlock()
	for _, p := range r.hall.sent {
		if h := p.GetStreamHeader(); p.to == "ben" && h != nil && slices.Equal(h.GetTextHeader().AttachedStreamIds, []string{"f"}) {
			return
		}
	}
	t.Errorf("ben is sent %v", r.hall.sent)
}

// FuzzSpool reads files out of any pieces: what comes out is what went in, and not more than was announced.
func FuzzSpool(f *testing.F) {
	f.Add([]byte("text"), false, uint64(4), uint16(2), false)
	f.Add(squeeze([]byte(strings.Repeat("text", 1000))), true, uint64(4000), uint16(7), false)
	f.Add(squeeze(make([]byte, 1_000_000)), true, uint64(10), uint16(1), true)
	f.Add([]byte{}, true, uint64(0), uint16(1), false)
	f.Add([]byte("\xff\x00"), true, uint64(1)<<63, uint16(0), false)
	f.Fuzz(func(t *testing.T, content []byte, deflate bool, length uint64, size uint16, cut bool) {
		h := &livekit.DataStream_Header{TotalLength: &length}
		if deflate {
			h.Compression = livekit.DataStream_DEFLATE_RAW
		}
		var total atomic.Int64
		s, err := newSpool(h, &total)
		if err != nil {
			return
		}
		read := make(chan struct{})
		var got []byte
		var end error
		go func() {
			defer close(read)
			got, end = io.ReadAll(io.LimitReader(s.content(), min(s.length, 1<<20)+1))
		}()
		rest := content
		for n := uint64(0); err == nil && len(rest) > 0; n++ {
			piece := rest[:min(len(rest), int(size)+1)]
			rest = rest[len(piece):]
			err = s.add(&livekit.DataStream_Chunk{ChunkIndex: n, Content: piece})
		}
		switch {
		case err != nil:
			s.finish(err)
		case cut:
			s.finish(errFileBroken)
		default:
			s.finish(io.EOF)
		}
		<-read
		s.finish(io.EOF)
		if end != nil || int64(len(got)) != s.length {
			return
		}
		plain := content
		if deflate {
			plain, _ = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(content)), s.length))
		}
		if !bytes.Equal(got, plain[:len(got)]) {
			t.Error("something else came out")
		}
	})
}
