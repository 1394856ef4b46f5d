package media

// span returns the i-th newest span.
func (w *Rewriter) span(i int) *span {
	return &w.spans[(w.last-i+rewriterSpans)%rewriterSpans]
}

// push makes s the newest span; the oldest one is forgotten when the table is full. A newest span that never got a
// packet is replaced.
func (w *Rewriter) push(s span) {
	if w.count == 0 || w.spans[w.last].end > w.spans[w.last].source {
		w.last = (w.last + 1) % rewriterSpans
		w.count = min(w.count+1, rewriterSpans)
	}
	w.spans[w.last] = s
}

// end closes the newest span before source number end.
func (w *Rewriter) end(end uint64) {
	if w.count > 0 {
		s := &w.spans[w.last]
		s.end = max(end, s.source)
	}
}

// release gives back the numbers at the end of the table that were reserved but never given out.
func (w *Rewriter) release() {
	w.end(w.source + 1)
	for w.count > 0 && w.spans[w.last].out >= w.next {
		w.last = (w.last - 1 + rewriterSpans) % rewriterSpans
		w.count--
	}
	if w.count > 0 {
		s := &w.spans[w.last]
		s.end = min(s.end, s.source+(w.next-s.out))
	}
}

// cut ends the newest span before source number end and goes on at from, extra numbers later than the run would.
func (w *Rewriter) cut(end, from, extra uint64, offsets pictureOffsets) {
	w.end(end)
	s := w.spans[w.last]
	s.out += end - s.source + extra
	s.source, s.end, s.picture = from, 0, offsets
	w.push(s)
}

// restart goes on at p after a hole of which one number is kept.
func (w *Rewriter) restart(p *Packet) {
	w.cut(w.source+1, p.Seq, 1, w.picture.follow(&p.VP8))
	w.source = p.Seq - 1
}

// find returns the span of this epoch that holds source number seq, which is not newer than w.source.
func (w *Rewriter) find(seq uint64) *span {
	for i := range w.count {
		s := w.span(i)
		if s.epoch != w.epoch {
			return nil
		}
		if seq >= s.source {
			if i > 0 && seq >= s.end {
				return nil
			}
			return s
		}
	}
	return nil
}

// output is a pure function of span and packet: the same bytes each time.
func (s *span) output(p *Packet) Out {
	o := Out{Seq: uint16(s.out + (p.Seq - s.source)), Timestamp: p.Timestamp + s.timestamp}
	if d := &p.VP8; d.HasPictureID || d.HasTL0PICIDX || d.HasKEYIDX {
		if s.picture == (pictureOffsets{}) {
			return o
		}
		o.picture, o.rewrite = s.picture.apply(&p.VP8), true
	}
	return o
}

// send gives out the number of p, which s holds.
func (w *Rewriter) send(s *span, p *Packet) Out {
	o := s.output(p)
	number := s.out + (p.Seq - s.source)
	w.mark(number)
	if !w.started || int32(o.Timestamp-w.stamp) > 0 {
		w.stamp = o.Timestamp
	}
	w.started = true
	if p.Codec == CodecVP8 && !p.Padding {
		w.picture.sent(&p.VP8, s.picture)
	}
	return o
}

func (w *Rewriter) wasSent(number uint64) bool {
	return w.sent[number/64%uint64(len(w.sent))]&(1<<(number%64)) != 0
}

// mark notes number as sent and clears the bits of the numbers that it makes newest.
func (w *Rewriter) mark(number uint64) {
	if number >= w.next {
		if number-w.next >= rewriterWindow {
			clear(w.sent[:])
		} else {
			for n := w.next; n < number; n++ {
				w.sent[n/64%uint64(len(w.sent))] &^= 1 << (n % 64)
			}
		}
		w.next = number + 1
	} else if w.next-number > rewriterWindow {
		return
	}
	w.sent[number/64%uint64(len(w.sent))] |= 1 << (number % 64)
}
