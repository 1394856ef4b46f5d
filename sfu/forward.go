package sfu

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"careline/sfu/media"
)

// forward sends everything new of a layer to the viewer, in one run.
func (s *subscription) forward(l *layer, now int64) {
	switch l {
	case s.target.layer:
		s.reachTarget(now)
	case s.current.layer:
		s.advance(now)
	}
}

// reachTarget looks for a keyframe of the layer to switch to. Found, the old layer ends and the new one goes on from there.
func (s *subscription) reachTarget(now int64) {
	c := &s.target
	for ; c.next < c.layer.ring.Head(); c.next++ {
		p, ok := c.layer.ring.At(c.next)
		if !ok { // overtaken: what is gone cannot be the start
			c.next = max(c.next, c.layer.ring.Oldest())
			p, ok = c.layer.ring.At(c.next)
		}
		if ok && p.Keyframe && !p.Padding {
			s.worker.unfollow(s, &s.current)
			s.current, s.target = *c, cursor{}
			s.waiting = true
			s.advance(now)
			return
		}
	}
}

func (s *subscription) advance(now int64) {
	c := &s.current
	for ; c.next < c.layer.ring.Head(); c.next++ {
		p, ok := c.layer.ring.At(c.next)
		if !ok {
			s.worker.counters.ringOverruns.Add(1)
			if !s.publication.isAudio() {
				s.waiting = true
				c.layer.requestKeyframe(now)
			}
			c.next = max(c.next, c.layer.ring.Oldest())
			if p, ok = c.layer.ring.At(c.next); !ok {
				return // overtaken again; the next wake goes on
			}
		}
		if s.waiting {
			if p.Padding || !p.Keyframe {
				continue
			}
			s.rewriter.Switch(c.layer.id, p, s.timestampFor(c.layer, p))
			s.selector.Restart()
			s.waiting = false
		}
		if p.Padding || !s.selector.Select(p) {
			s.rewriter.Skip(p)
			continue
		}
		out, ok := s.rewriter.Map(p)
		if !ok {
			continue
		}
		if s.write(p, out, now) {
			s.lastLayer, s.lastCodec = c.layer, p.Codec
			s.lastIn, s.lastOut, s.lastSent = p.Timestamp, out.Timestamp, p.Arrival
		}
	}
}

// timestampFor is the output timestamp of the first packet after a switch: the same instant, told in the viewer's time line.
func (s *subscription) timestampFor(l *layer, p *media.Packet) uint32 {
	_, last, sent := s.rewriter.Last()
	if !sent {
		return last
	}
	rate := p.Codec.ClockRate()
	if s.lastLayer == l {
		return s.lastOut + (p.Timestamp - s.lastIn)
	}
	if s.lastLayer != nil {
		from, ok1 := l.clock.Get()
		to, ok2 := s.lastLayer.clock.Get()
		if ok1 && ok2 {
			return s.lastOut + (media.Translate(from, to, rate, p.Timestamp) - s.lastIn)
		}
	}
	return s.lastOut + uint32((p.Arrival-s.lastSent)*int64(rate)/int64(time.Second))
}

// write sends one packet. Of a RED stream, a viewer without RED gets the primary block (RFC 2198).
func (s *subscription) write(p *media.Packet, out media.Out, now int64) bool {
	w := s.worker
	codec, payload := p.Codec, out.Payload(p, w.scratch[:])
	if codec == media.CodecRED && s.payloadTypes[codec] == 0 {
		primary, err := media.REDPrimary(payload)
		if err != nil {
			return false
		}
		codec, payload = media.CodecOpus, primary
	}
	pt := s.payloadTypes[codec]
	if pt == 0 {
		w.counters.noPayloadType.Add(1)
		return false
	}
	h := w.headerFor(s, p, out)
	h.SSRC, h.SequenceNumber, h.PayloadType = s.ssrc, out.Seq, pt
	if !s.emit(h, payload, now, false) {
		return false
	}
	s.packets++
	s.octets += uint32(len(payload))
	if s.nextReport == 0 {
		s.nextReport = now + int64(reportEvery)/10 // a first one soon: lip synchronisation starts with it
	}
	return true
}

// resend answers one NACK from the ring, as RTX (RFC 4588) where negotiated, else by the same packet again.
func (s *subscription) resend(seq uint16, now int64) {
	w := s.worker
	slot := &s.resent[seq%resentRemembered]
	if slot.seq == seq && slot.at != 0 && now-slot.at < max(s.rtt, int64(resendSpacing)) {
		return // on its way
	}
	s.tokens = min(s.tokens+float64(now-s.tokensAt)*resendRate/float64(time.Second), resendBurst)
	s.tokensAt = now
	id, source, ok := s.rewriter.Find(seq)
	if !ok || s.tokens < 1 {
		w.counters.retransmitRefused.Add(1)
		return
	}
	var p *media.Packet
	for _, l := range *s.publication.layers.Load() {
		if l.id == id {
			p = l.ring.BySeq(source)
		}
	}
	if p == nil || p.Padding {
		w.counters.retransmitRefused.Add(1)
		return
	}
	out, ok := s.rewriter.Resend(id, p)
	if !ok {
		w.counters.retransmitRefused.Add(1)
		return
	}
	s.tokens--
	*slot = resentPacket{seq, now}
	w.counters.retransmitted.Add(1)
	if s.rtxTypes[p.Codec] == 0 {
		s.write(p, out, now)
		return
	}
	s.repeat(p, out, now, false)
}

// repeat sends a packet again on the retransmission stream (RFC 4588) and returns its size in bytes.
func (s *subscription) repeat(p *media.Packet, out media.Out, now int64, probe bool) int {
	w := s.worker
	h := w.headerFor(s, p, out)
	h.SSRC, h.SequenceNumber, h.PayloadType = s.rtx, s.rtxSeq, s.rtxTypes[p.Codec]
	s.rtxSeq++
	binary.BigEndian.PutUint16(w.resend[:], out.Seq)
	n := rtxHeader + copy(w.resend[rtxHeader:], out.Payload(p, w.scratch[:]))
	s.emit(h, w.resend[:n], now, probe)
	return n
}

// emit writes a packet under the next transport-wide number, where the viewer reports on those.
func (s *subscription) emit(h *rtp.Header, payload []byte, now int64, probe bool) bool {
	counters := s.worker.counters
	numbered := s.extensions.TransportCC != 0 && s.egress != nil
	if numbered {
		_ = h.SetExtension(s.extensions.TransportCC, s.egress.next())
	}
	if _, err := s.stream.WriteRTP(h, payload); err != nil {
		return false
	}
	if numbered {
		s.egress.sent(len(payload)+rtpHeaderSize, now, probe)
	}
	counters.packetsOut.Add(1)
	counters.bytesOut.Add(uint64(len(payload)))
	return true
}

// rtpHeaderSize is about what a header with its extensions takes.
const rtpHeaderSize = 24

// report tells the viewer how this stream's timestamps stand to the publisher's clock (RFC 3550 section 6.4.1). The publisher's own
// clock is kept, so that its audio and video stay together.
func (s *subscription) report(now int64) {
	if s.nextReport == 0 || now < s.nextReport || s.current.layer == nil || s.waiting {
		return
	}
	r, ok := s.current.layer.clock.Get()
	if !ok {
		return
	}
	s.nextReport = now + int64(reportEvery)
	rate := int64(s.lastCodec.ClockRate())
	elapsed := now - r.Arrival
	ntp := r.NTP + uint64(elapsed/int64(time.Second))<<32 + uint64(elapsed%int64(time.Second))<<32/uint64(time.Second)
	stamp := r.RTP + uint32(elapsed*rate/int64(time.Second)) + (s.lastOut - s.lastIn)
	s.reports[s.reportAt%reportsKept] = sentReport{uint32(ntp >> 16), now}
	s.reportAt++
	_ = s.transport.pc.WriteRTCP([]rtcp.Packet{&rtcp.SenderReport{
		SSRC: s.ssrc, NTPTime: ntp, RTPTime: stamp, PacketCount: s.packets, OctetCount: s.octets,
	}})
}

// reported measures the round trip by the report that the viewer answered.
func (s *subscription) reported(r media.ReceptionReport, now int64) {
	s.reception.lost.Store(uint32(r.FractionLost) | reportedLost)
	if rate := int64(s.lastCodec.ClockRate()); rate > 0 {
		s.reception.jitter.Store(int64(r.Jitter) * int64(time.Second) / rate)
	}
	for _, sent := range s.reports {
		if r.LSR != 0 && sent.middle == r.LSR {
			if rtt := now - sent.at - int64(r.DLSR)*int64(time.Second)/65536; rtt > 0 {
				s.rtt = rtt
				s.reception.rtt.Store(rtt)
			}
		}
	}
}

// header is scratch that the worker reuses for every packet.
func (w *worker) headerFor(s *subscription, p *media.Packet, out media.Out) *rtp.Header {
	h := &w.header
	h.Version, h.Marker, h.Timestamp = 2, s.selector.Marker(p), out.Timestamp
	h.Extension, h.Extensions = false, h.Extensions[:0]
	if len(p.DependencyDescriptor) > 16 && s.extensions.DependencyDescriptor != 0 { // RFC 8285 section 4.3; SetExtension does not change the form
		h.Extension, h.ExtensionProfile = true, rtp.ExtensionProfileTwoByte
	}
	if id := s.extensions.AbsCaptureTime; id != 0 && len(p.AbsCaptureTime) > 0 {
		_ = h.SetExtension(id, p.AbsCaptureTime)
	}
	if id := s.extensions.DependencyDescriptor; id != 0 && len(p.DependencyDescriptor) > 0 {
		_ = h.SetExtension(id, p.DependencyDescriptor)
	}
	return h
}
