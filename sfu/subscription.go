package sfu

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

const (
	keyframeAge      = 600 * time.Millisecond // an older keyframe in the ring is not worth the burst: a new one is asked for
	reportEvery      = time.Second
	resendBurst      = 512  // packets
	resendRate       = 1000 // packets/s
	resendSpacing    = 20 * time.Millisecond
	resentRemembered = 256
	reportsKept      = 4
	rtxHeader        = 2 // original sequence number, RFC 4588 section 4
)

// subscription is one viewer's copy of a publication. After its worker got it, only the worker touches what is below "owned by the worker".
type subscription struct {
	// immutable
	publication *Publication
	viewer      *Participant
	transport   *transport
	worker      *worker

	// owned by the viewer's goroutine
	sender      *webrtc.RTPSender
	transceiver *webrtc.RTPTransceiver
	added       bool // the worker has it
	failed      bool // the client negotiated no codec for it
	paused      bool

	// set by Bind, before the worker gets it
	bound        bool
	codec        media.Codec // the publication's, when bound
	stream       webrtc.TrackLocalWriter
	ssrc, rtx    uint32
	payloadTypes [media.CodecAV1 + 1]uint8
	rtxType      uint8
	extensions   media.Extensions

	// owned by the worker
	rewriter   *media.Rewriter
	current    cursor
	target     cursor
	waiting    bool // current has to reach a keyframe before anything is sent
	off        bool
	lastLayer  *layer // of the newest packet sent, with its source timestamp, output timestamp and arrival
	lastCodec  media.Codec
	lastIn     uint32
	lastOut    uint32
	lastSent   int64
	packets    uint32
	octets     uint32
	nextReport int64
	rtxSeq     uint16
	rtt        int64
	tokens     float64
	tokensAt   int64
	resent     [resentRemembered]resentPacket
	reports    [reportsKept]sentReport
	reportAt   int
}

// cursor is a reader's place in a layer's ring.
type cursor struct {
	layer *layer
	feed  *feed
	next  uint64
}

type resentPacket struct {
	seq uint16
	at  int64
}

type sentReport struct {
	middle uint32 // of the NTP time
	at     int64
}

func newSubscription(pub *Publication, viewer *Participant, t *transport) *subscription {
	var seed [8]byte
	_, _ = rand.Read(seed[:]) // never fails: it would have ended the process
	return &subscription{
		publication: pub,
		viewer:      viewer,
		transport:   t,
		worker:      viewer.worker,
		rewriter:    media.NewRewriter(binary.BigEndian.Uint16(seed[:]), binary.BigEndian.Uint32(seed[4:])),
		rtxSeq:      binary.BigEndian.Uint16(seed[2:]),
		tokens:      resendBurst,
	}
}

// egressTrack is a subscription as pion sees it: something to bind to a sender.
type egressTrack struct{ *subscription }

func (t *egressTrack) ID() string       { return t.publication.sid }
func (t *egressTrack) RID() string      { return "" }
func (t *egressTrack) StreamID() string { return t.publication.publisher.sid + "|" + t.publication.sid }

func (t *egressTrack) Kind() webrtc.RTPCodecType {
	if t.publication.isAudio() {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}

// Bind takes what was negotiated: where to write, under which numbers. It runs on the viewer's goroutine, inside a description being set,
// and never fails: an error would undo the whole negotiation. A client without the codec is told so afterwards.
func (t *egressTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	s := t.subscription
	s.bound = true
	s.codec = s.publication.mediaCodec()
	s.stream = c.WriteStream()
	s.ssrc = uint32(c.SSRC())
	s.extensions = extensionIDs(c.HeaderExtensions())
	codecs := c.CodecParameters()
	var chosen webrtc.RTPCodecParameters
	for _, codec := range codecs {
		kind := media.ParseCodec(codec.MimeType)
		if kind == media.CodecUnknown {
			continue
		}
		if s.publication.isAudio() {
			s.payloadTypes[kind] = uint8(codec.PayloadType)
			if kind == s.codec || chosen.PayloadType == 0 {
				chosen = codec
			}
			continue
		}
		if kind == s.codec && betterMatch(s.publication, codec, chosen) {
			chosen = codec
			s.payloadTypes[kind] = uint8(codec.PayloadType)
		}
	}
	s.failed = chosen.PayloadType == 0
	if s.failed && len(codecs) > 0 {
		return codecs[0], nil
	}
	apt := "apt=" + itoa(uint8(chosen.PayloadType))
	for _, codec := range codecs {
		if strings.EqualFold(codec.MimeType, webrtc.MimeTypeRTX) && codec.SDPFmtpLine == apt && c.SSRCRetransmission() != 0 {
			s.rtx, s.rtxType = uint32(c.SSRCRetransmission()), uint8(codec.PayloadType)
		}
	}
	return chosen, nil
}

// Unbind has nothing to do: the worker gave the subscription back before its sender is stopped.
func (t *egressTrack) Unbind(webrtc.TrackLocalContext) error { return nil }

// betterMatch prefers the codec whose parameters are the publisher's own, then the same packetization mode and profile family.
func betterMatch(pub *Publication, candidate, chosen webrtc.RTPCodecParameters) bool {
	want := ""
	if f := pub.fmtp.Load(); f != nil {
		want = *f
	}
	return chosen.PayloadType == 0 || fmtpScore(want, candidate.SDPFmtpLine) > fmtpScore(want, chosen.SDPFmtpLine)
}

func fmtpScore(want, have string) int {
	score := 0
	for _, key := range []string{"packetization-mode", "profile-id", "profile"} {
		if fmtpValue(want, key) == fmtpValue(have, key) {
			score += 4
		}
	}
	w, h := fmtpValue(want, "profile-level-id"), fmtpValue(have, "profile-level-id")
	for i := 0; i < 4 && i < len(w) && i < len(h) && w[i] == h[i]; i++ {
		score++
	}
	return score
}

func fmtpValue(line, key string) string {
	for part := range strings.SplitSeq(line, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(part), "="); strings.EqualFold(k, key) {
			return strings.ToLower(v)
		}
	}
	return ""
}

func itoa(n uint8) string {
	if n >= 100 {
		return string([]byte{'0' + n/100, '0' + n/10%10, '0' + n%10})
	}
	if n >= 10 {
		return string([]byte{'0' + n/10, '0' + n%10})
	}
	return string([]byte{'0' + n})
}

// readFeedback passes on what the viewer reports about this subscription; it ends with the sender. pion delivers a compound packet once
// per source that it names, so each reader keeps only what names its own.
func (s *subscription) readFeedback() {
	var (
		buf      = make([]byte, receiveMTU)
		fb       media.Feedback
		counters = &s.viewer.manager.counters
		broken   badReads
	)
	for {
		n, _, err := s.sender.Read(buf)
		if err != nil {
			if !broken.passes(err) {
				return
			}
			continue
		}
		broken = 0
		if media.ParseFeedback(buf[:n], &fb) != nil {
			counters.packetsRefused.Add(1)
			continue
		}
		c := feedbackCommand{subscription: s}
		for _, nack := range fb.Nacks {
			if nack.SSRC == s.ssrc {
				c.nacks = append(c.nacks, nack.Seq)
			}
		}
		for _, ssrc := range fb.PLI {
			c.keyframe = c.keyframe || ssrc == s.ssrc
		}
		for _, r := range fb.Reports {
			if r.SSRC == s.ssrc {
				c.report, c.reported = r, true
			}
		}
		if len(c.nacks) == 0 && !c.keyframe && !c.reported {
			continue
		}
		if !s.worker.offer(c) {
			counters.feedbackDropped.Add(1)
		}
	}
}

// choose follows the best layer that flows. Called by the worker when it gets the subscription and at each of its ticks.
func (s *subscription) choose(now int64) {
	if s.off {
		return
	}
	layers := *s.publication.layers.Load()
	var best *layer
	for i := len(layers) - 1; i >= 0 && best == nil; i-- {
		if layers[i].flows(now) {
			best = layers[i]
		}
	}
	if s.current.layer != nil && !contains(layers, s.current.layer) {
		s.worker.unfollow(s, &s.current)
	}
	switch {
	case best == nil, best == s.current.layer:
		s.worker.unfollow(s, &s.target)
	case s.current.layer == nil:
		s.worker.unfollow(s, &s.target)
		s.worker.follow(s, &s.current, best, now)
		s.waiting = true
	case best != s.target.layer:
		s.worker.unfollow(s, &s.target)
		s.worker.follow(s, &s.target, best, now)
	}
	if s.target.layer != nil {
		s.target.layer.requestKeyframe(now)
	} else if s.waiting && s.current.layer != nil && !s.publication.isAudio() {
		s.current.layer.requestKeyframe(now)
	}
}

func contains(layers []*layer, l *layer) bool {
	for _, o := range layers {
		if o == l {
			return true
		}
	}
	return false
}

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
			s.waiting = false
		}
		if p.Padding {
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
	if _, err := s.stream.WriteRTP(h, payload); err != nil {
		return false
	}
	s.packets++
	s.octets += uint32(len(payload))
	w.counters.packetsOut.Add(1)
	w.counters.bytesOut.Add(uint64(len(payload)))
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
	if s.rtx == 0 {
		s.write(p, out, now)
		return
	}
	h := w.headerFor(s, p, out)
	h.SSRC, h.SequenceNumber, h.PayloadType = s.rtx, s.rtxSeq, s.rtxType
	s.rtxSeq++
	binary.BigEndian.PutUint16(w.resend[:], out.Seq)
	n := copy(w.resend[rtxHeader:], out.Payload(p, w.scratch[:]))
	if _, err := s.stream.WriteRTP(h, w.resend[:rtxHeader+n]); err == nil {
		w.counters.packetsOut.Add(1)
		w.counters.bytesOut.Add(uint64(rtxHeader + n))
	}
}

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
	for _, sent := range s.reports {
		if r.LSR != 0 && sent.middle == r.LSR {
			if rtt := now - sent.at - int64(r.DLSR)*int64(time.Second)/65536; rtt > 0 {
				s.rtt = rtt
			}
		}
	}
}

func (s *subscription) pause(paused bool, now int64) {
	s.off = paused
	if paused {
		s.worker.unfollow(s, &s.target)
		s.worker.unfollow(s, &s.current)
		return
	}
	s.choose(now)
}

// header is scratch that the worker reuses for every packet.
func (w *worker) headerFor(s *subscription, p *media.Packet, out media.Out) *rtp.Header {
	h := &w.header
	h.Version, h.Marker, h.Timestamp = 2, p.Marker, out.Timestamp
	h.Extension, h.Extensions = false, h.Extensions[:0]
	if id := s.extensions.AbsCaptureTime; id != 0 && len(p.AbsCaptureTime) > 0 {
		_ = h.SetExtension(id, p.AbsCaptureTime)
	}
	if id := s.extensions.DependencyDescriptor; id != 0 && len(p.DependencyDescriptor) > 0 {
		_ = h.SetExtension(id, p.DependencyDescriptor)
	}
	return h
}
