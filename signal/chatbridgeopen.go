package signal

import (
	"time"

	"github.com/livekit/protocol/livekit"
)

// chatStream is a text on its way in, in pieces.
type chatStream struct {
	// immutable
	id   string
	sid  string // of the session that sends it
	held bool   // nothing of it goes to the others before it is kept
	ends time.Time

	// guarded by chatRoom.mu
	text *textStream // nil: refused, and what still comes of it goes nowhere
	note *chatNote
}

// chatWriter is what is known of a session that writes.
type chatWriter struct {
	// guarded by chatRoom.mu
	pace  pace
	open  int // texts that are on their way, or wait for files
	files int // that are on their way
}

// writerLocked returns what is known of a session.
func (r *chatRoom) writerLocked(sid string) *chatWriter {
	w := r.writers[sid]
	if w == nil {
		w = &chatWriter{pace: newPace(chatPerSecond, r.bridge.cfg.Clock)}
		r.writers[sid] = w
	}
	return w
}

// paced reports whether a session may send one more message.
func (r *chatRoom) paced(sid string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writerLocked(sid).pace.take()
}

// header takes the beginning of a text, or all of it.
func (r *chatRoom) header(t *roomThread, from chatSender, packet *livekit.DataPacket, h *livekit.DataStream_Header) (forward bool) {
	about := h.GetTextHeader()
	if h.EncryptionType != livekit.Encryption_NONE { // clients from before encrypted packets say it here
		r.bridge.counters.sealed.Add(1)
		return true
	}
	err := r.begin(from, packet, h.StreamId)
	op := opWrite
	switch about.OperationType {
	case livekit.DataStream_CREATE:
	case livekit.DataStream_UPDATE:
		op = opEdit
	case livekit.DataStream_DELETE:
		op = opDelete
	default:
		if err == nil {
			err = errChatForm
		}
	}
	var s *textStream
	whole := false
	if err == nil {
		s, whole, err = newTextStream(h)
	}
	if err != nil {
		forward = r.refused(from, h.StreamId, err)
		if !forward && h.InlineContent == nil {
			r.open(&chatStream{id: h.StreamId, sid: from.SID()}) // its pieces go nowhere, too
		}
		return forward
	}
	n := r.note(t, from, packet, op, h.StreamId, "")
	n.replyTo, n.sentAt, n.generated = about.ReplyToStreamId, h.Timestamp, about.Generated || n.behalf != ""
	if !whole && !r.open(&chatStream{id: h.StreamId, sid: from.SID(), held: t.durable, text: s, note: n}) {
		return r.refused(from, h.StreamId, errChatStreams)
	}
	if op == opWrite { // a change has no files: their streams are nobody's
		r.expect(n, about.AttachedStreamIds)
	}
	if whole {
		return r.complete(from, n, s)
	}
	return !t.durable
}

// open keeps a stream whose pieces follow; false: there is one of this id, or the session has too many.
func (r *chatRoom) open(s *chatStream) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.writerLocked(s.sid)
	if r.streams[s.id] != nil || r.files[s.id] != nil || w.open >= chatStreams {
		return false
	}
	s.ends = r.bridge.cfg.Clock.Now().Add(chatStreamLife)
	r.streams[s.id] = s
	w.open++
	return true
}

// closeLocked forgets a stream.
func (r *chatRoom) closeLocked(s *chatStream) {
	delete(r.streams, s.id)
	if w := r.writers[s.sid]; w != nil {
		w.open--
	}
}

// chunk takes a piece. One of a stream that somebody else sends goes nowhere.
func (r *chatRoom) chunk(from chatSender, packet *livekit.DataPacket, c *livekit.DataStream_Chunk) (forward bool) {
	r.mu.Lock()
	s, f := r.streams[c.StreamId], r.files[c.StreamId]
	if s == nil || s.sid != from.SID() || s.text == nil {
		r.mu.Unlock()
		if f != nil {
			return r.fileChunk(from, f, c)
		}
		return s == nil
	}
	err := s.text.add(c)
	if err != nil {
		s.text = nil
	}
	r.mu.Unlock()
	if err == nil {
		return !s.held
	}
	r.refuse(from, s.id, err)
	r.giveUp(s.note)
	cut(packet, s.id) // the others have the beginning
	return !s.held
}

// cut makes a packet the end of a stream that was broken off.
func cut(packet *livekit.DataPacket, id string) {
	packet.Value = &livekit.DataPacket_StreamTrailer{StreamTrailer: &livekit.DataStream_Trailer{StreamId: id, Reason: "refused"}}
}

// trailer takes the end of a stream.
func (r *chatRoom) trailer(from chatSender, t *livekit.DataStream_Trailer) (forward bool) {
	r.mu.Lock()
	s, f := r.streams[t.StreamId], r.files[t.StreamId]
	if s == nil || s.sid != from.SID() {
		r.mu.Unlock()
		if f != nil {
			return r.fileTrailer(from, f, t)
		}
		return s == nil
	}
	r.closeLocked(s)
	text := s.text
	r.mu.Unlock()
	switch {
	case text == nil:
		return false
	case t.Reason != "": // its sender broke it off
		r.giveUp(s.note)
		return !s.held
	}
	forward = r.complete(from, s.note, text)
	if !forward && !s.held { // the others have it but for its end
		t.Reason = "refused"
		return true
	}
	return forward
}

// complete accepts a text that is all there.
func (r *chatRoom) complete(from chatSender, n *chatNote, s *textStream) (forward bool) {
	if n.op != opDelete {
		var err error
		if n.text, err = s.text(); err == nil && (n.text != "" || len(n.files) == 0) { // files may come without words
			err = checkText(n.op, n.text)
		}
		if err != nil {
			r.giveUp(n)
			return r.refused(from, n.id, err)
		}
	}
	return r.accept(from, n)
}

// sweep ends the streams that did not end in time.
func (r *chatRoom) sweep(now time.Time) {
	r.sweepFiles(now)
	var late []*chatStream
	r.mu.Lock()
	for _, s := range r.streams {
		if !now.Before(s.ends) {
			r.closeLocked(s)
			if s.text != nil {
				late = append(late, s)
			}
		}
	}
	r.mu.Unlock()
	for _, s := range late {
		r.problem(s.sid, s.id, errChatLate)
		r.giveUp(s.note)
		if !s.held { // the others have the beginning
			end := new(livekit.DataPacket)
			cut(end, s.id)
			r.post(s.note.identity, func(i *livekit.ParticipantInfo) bool { return i.Sid != s.sid }, end)
		}
	}
}

// left forgets a session, with what it had begun.
func (r *chatRoom) left(sid string) {
	var begun []*chatNote
	r.mu.Lock()
	for id, s := range r.streams {
		if s.sid == sid {
			delete(r.streams, id)
			begun = append(begun, s.note)
		}
	}
	delete(r.writers, sid)
	r.mu.Unlock()
	for _, n := range begun {
		r.giveUp(n)
	}
	r.endFiles(func(f *chatFile) bool { return f.note.sid == sid }, errFileLeft)
}
