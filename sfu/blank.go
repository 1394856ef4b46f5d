package sfu

import (
	"time"

	"careline/sfu/media"
)

const (
	blanksOnMute = 10 // enough for one to arrive, over a third of a second
	blanksAtEnd  = 3
	blankSpacing = time.Second / 30
	blankRoom    = 128 // bytes: the largest blank frame, its descriptor and the trailer
)

// blanks is a burst of black pictures, so that a viewer does not go on looking at the last picture of a camera that is off.
type blanks struct {
	muted bool // as the worker saw it last
	left  int
	next  int64 // ns
}

// blankMuted sends black pictures when the publisher muted. After one, only a keyframe can follow.
func (s *subscription) blankMuted(now int64) {
	if muted := s.publication.muted.Load(); muted != s.blanks.muted {
		s.blanks = blanks{muted: muted}
		if muted && s.current.layer != nil && s.canBlank() && !s.publication.isAudio() {
			s.blanks.left = blanksOnMute
			s.waiting = true
		}
	}
	b := &s.blanks
	if b.left == 0 || now < b.next {
		return
	}
	if !s.waiting { // the publisher goes on, with pictures of its own
		b.left = 0
		return
	}
	b.left--
	b.next = now + int64(blankSpacing)
	s.blank(now)
}

// blankEnd sends what the viewer sees or hears last of a track that it receives no more.
func (s *subscription) blankEnd(now int64) {
	if !s.canBlank() {
		return
	}
	for range blanksAtEnd {
		s.blank(now)
	}
}

// canBlank tells whether the stream has begun, in a codec of which there is a blank frame.
func (s *subscription) canBlank() bool {
	_, _, sent := s.rewriter.Last()
	return sent && media.HasBlank(s.blankCodec()) && s.payloadTypes[s.blankCodec()] != 0
}

func (s *subscription) blankCodec() media.Codec {
	if s.lastCodec == media.CodecRED {
		return media.CodecOpus
	}
	return s.lastCodec
}

func (s *subscription) blank(now int64) {
	w := s.worker
	codec := s.blankCodec()
	ticks := uint32(int64(codec.ClockRate()) * int64(blankSpacing) / int64(time.Second))
	var (
		descriptor []byte
		h          = &w.header
		buf        [blankRoom]byte
	)
	h.Version, h.Marker = 2, !s.publication.isAudio()
	h.Extension, h.Extensions = false, h.Extensions[:0]
	h.SSRC, h.PayloadType = s.ssrc, s.payloadTypes[codec]
	if codec == media.CodecVP8 {
		h.SequenceNumber, h.Timestamp, descriptor = s.rewriter.InsertPicture(ticks, buf[:0])
	} else {
		h.SequenceNumber, h.Timestamp = s.rewriter.Insert(ticks)
	}
	payload := media.AppendBlank(w.scratch[:0], codec, descriptor, s.trailer)
	if s.emit(h, payload, now, false) {
		s.packets++
		s.octets += uint32(len(payload))
		w.counters.blanksSent.Add(1)
	}
}
