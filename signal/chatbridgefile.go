package signal

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/chat"
	"careline/internal/attachment"
	"careline/internal/names"
)

const (
	chatFiles    = 20       // of one text, and streams of files that one participant has open
	chatFileRate = 16 << 10 // bytes a second that a file comes with at least
)

// chatFile is a file that a text names. Its stream goes to the others as if nobody kept it, and the text waits for what becomes of it.
type chatFile struct {
	// immutable
	id   string // of the stream
	note *chatNote

	// guarded by chatRoom.mu
	spool *spool    // nil: it has not begun
	ends  time.Time // by when it goes on; zero: all of it came
	last  time.Time // by when all of it has to be there
	ended bool
	kept  attachment.File // without an id: it is not kept
}

// expect notes the files of a text. Those beyond the limit are nobody's: their streams are refused when they begin.
func (r *chatRoom) expect(n *chatNote, ids []string) {
	for _, id := range ids[:min(len(ids), chatFiles)] {
		var err error
		r.mu.Lock()
		switch {
		case id == "" || len(id) > maxChatID || !names.Safe(id):
			err = errChatID
		case id == n.id || r.files[id] != nil || r.streams[id] != nil:
			err = errChatTwice
		default:
			f := &chatFile{id: id, note: n}
			r.files[id], n.files = f, append(n.files, f)
		}
		r.mu.Unlock()
		if err != nil {
			r.fileProblem(n.sid, id, err)
		}
	}
}

// fileHeader takes the beginning of a file. Clients send it after that of the text that names it; one that no text names is no part of the
// chat. Whatever becomes of it, it goes to the others.
func (r *chatRoom) fileHeader(t *roomThread, from chatSender, packet *livekit.DataPacket, h *livekit.DataStream_Header) (forward bool) {
	if h.EncryptionType != livekit.Encryption_NONE {
		r.bridge.counters.sealed.Add(1)
		return true
	}
	r.mu.Lock()
	f := r.files[h.StreamId]
	theirs := f != nil && f.note.sid != from.SID()
	begun := f != nil && f.spool != nil
	r.mu.Unlock()
	err := r.begin(from, packet, h.StreamId)
	switch {
	case err != nil:
	case theirs || begun:
		err = errChatTwice
	case f == nil:
		err = errFileAlone
	default:
		err = r.openFile(f, h)
	}
	if err == nil {
		who := r.who(from.Identity())
		if !r.queue(func(ctx context.Context) { r.admit(ctx, t.conversation, who, f) }) {
			r.bridge.counters.queueDropped.Add(1)
			err = errChatQueue
		}
	}
	switch {
	case err == nil:
	case f == nil || theirs || begun:
		r.fileProblem(from.SID(), h.StreamId, err)
	default:
		r.fileEnded(f, attachment.File{}, err)
	}
	return !theirs
}

// openFile begins the stream of a file.
func (r *chatRoom) openFile(f *chatFile, h *livekit.DataStream_Header) error {
	s, err := newSpool(h, &r.bridge.spooled)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.writerLocked(f.note.sid)
	switch {
	case r.ending:
		return errChatQueue
	case f.ended:
		return errChatLate
	case w.files >= chatFiles:
		return errChatStreams
	}
	w.files++
	f.spool = s
	f.last = r.bridge.cfg.Clock.Now().Add(chatStreamLife + time.Duration(s.length/chatFileRate)*time.Second)
	if r.heardLocked(f); h.InlineContent != nil {
		f.ends = time.Time{}
	}
	return nil
}

// heardLocked gives a file, and those of its text that come after it, more time.
func (r *chatRoom) heardLocked(f *chatFile) {
	now := r.bridge.cfg.Clock.Now()
	f.note.news, f.ends = now, now.Add(chatStreamLife)
	if f.last.Before(f.ends) {
		f.ends = f.last
	}
}

// fileChunk takes a piece of a file. One of a file that somebody else sends goes nowhere.
func (r *chatRoom) fileChunk(from chatSender, f *chatFile, c *livekit.DataStream_Chunk) (forward bool) {
	if f.note.sid != from.SID() {
		return false
	}
	r.mu.Lock()
	s := f.spool
	on := s != nil && !f.ends.IsZero()
	if on {
		r.heardLocked(f)
	}
	r.mu.Unlock()
	if on {
		if err := s.add(c); err != nil {
			s.finish(err)
		}
	}
	return true
}

// fileTrailer takes the end of a file.
func (r *chatRoom) fileTrailer(from chatSender, f *chatFile, t *livekit.DataStream_Trailer) (forward bool) {
	if f.note.sid != from.SID() {
		return false
	}
	r.mu.Lock()
	s := f.spool
	f.ends, f.note.news = time.Time{}, r.bridge.cfg.Clock.Now()
	r.mu.Unlock()
	switch {
	case s == nil:
	case t.Reason != "":
		s.finish(errFileBroken)
	default:
		s.finish(io.EOF)
	}
	return true
}

// fileEnded notes what became of a file, and lets its text go on if that waited for the last one.
func (r *chatRoom) fileEnded(f *chatFile, kept attachment.File, err error) {
	n := f.note
	r.mu.Lock()
	if f.ended {
		r.mu.Unlock()
		return
	}
	f.ended, f.kept = true, kept
	if w := r.writers[n.sid]; w != nil && f.spool != nil {
		w.files--
	}
	n.news = r.bridge.cfg.Clock.Now()
	gone, ready := n.gone, r.readyLocked(n)
	r.mu.Unlock()
	switch {
	case gone: // its sender was told
		r.queue(func(context.Context) { r.discardFiles(n) })
		return
	case err != nil:
		r.fileProblem(n.sid, f.id, err)
	}
	if ready {
		r.resume(n)
	}
}

// await reports whether a text that is all there waits for files.
func (r *chatRoom) await(n *chatNote) (waits bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(n.files, (*chatFile).open) {
		return false, nil
	}
	w := r.writerLocked(n.sid)
	if w.open >= chatStreams {
		return false, errChatStreams
	}
	w.open++
	n.waits, n.news = true, r.bridge.cfg.Clock.Now()
	return true, nil
}

// open is guarded by chatRoom.mu.
func (f *chatFile) open() bool { return !f.ended }

// readyLocked reports, once, that a text need not wait any more.
func (r *chatRoom) readyLocked(n *chatNote) bool {
	if !n.waits || slices.ContainsFunc(n.files, (*chatFile).open) {
		return false
	}
	n.waits = false
	if w := r.writers[n.sid]; w != nil {
		w.open--
	}
	return true
}

// resume queues a text that has waited.
func (r *chatRoom) resume(n *chatNote) {
	if r.queue(func(ctx context.Context) { r.keep(ctx, n) }) {
		return
	}
	r.bridge.counters.queueDropped.Add(1)
	if n.held {
		r.lost(n)
	}
	r.problem(n.sid, n.id, errChatQueue)
	r.giveUp(n)
}

// giveUp drops the files of a text of which nothing becomes; nil has none.
func (r *chatRoom) giveUp(n *chatNote) {
	if n == nil || len(n.files) == 0 {
		return
	}
	var dropped []string
	r.mu.Lock()
	n.gone = true
	for _, f := range n.files {
		delete(r.files, f.id)
		if f.spool != nil {
			f.spool.finish(errFileText)
		}
		if !f.ended || f.kept.ID != "" { // of the others its sender was told
			dropped = append(dropped, f.id)
		}
	}
	r.mu.Unlock()
	for _, id := range dropped {
		r.fileProblem(n.sid, id, errFileText)
	}
	r.queue(func(context.Context) { r.discardFiles(n) })
}

// filesKept forgets the files of a text that is kept, and returns what became of them.
func (r *chatRoom) filesKept(n *chatNote) (kept map[string]string, missing []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range n.files {
		if delete(r.files, f.id); f.kept.ID == "" {
			missing = append(missing, f.id)
			continue
		}
		if kept == nil {
			kept = make(map[string]string)
		}
		kept[f.id] = f.kept.ID
		r.bridge.counters.filesKept.Add(1)
	}
	return kept, missing
}

// kindOf returns what message the files of a text make it.
func kindOf(files []*chatFile) (kind chat.Kind, attachments []string) {
	kind = chat.Text
	for _, f := range files {
		switch {
		case f.kept.ID == "":
			continue
		case !strings.HasPrefix(f.kept.Type, "image/"):
			kind = chat.File
		case kind == chat.Text:
			kind = chat.Image
		}
		attachments = append(attachments, f.kept.ID)
	}
	return kind, attachments
}

// sweepFiles ends the files that do not go on, and lets texts go on that wait for files that do not come.
func (r *chatRoom) sweepFiles(now time.Time) {
	r.endFiles(func(f *chatFile) bool {
		if f.spool != nil {
			return !f.ends.IsZero() && !now.Before(f.ends)
		}
		return f.note.waits && !now.Before(f.note.news.Add(chatStreamLife))
	}, errChatLate)
}

// endFiles ends the files that have not ended yet and are to. What came of one that is all there counts.
func (r *chatRoom) endFiles(which func(*chatFile) bool, why error) {
	var none []*chatFile
	r.mu.Lock()
	for _, f := range r.files {
		switch {
		case f.ended || !which(f):
		case f.spool != nil:
			f.spool.finish(why) // who stores it says so
		default:
			none = append(none, f)
		}
	}
	r.mu.Unlock()
	for _, f := range none {
		r.fileEnded(f, attachment.File{}, why)
	}
}
