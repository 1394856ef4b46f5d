package sfu

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// source is a track that a client publishes: synthetic frames of one codec, in one encoding or several.
type source struct {
	// immutable
	client    *client
	mime      string
	info      *livekit.TrackInfo
	encodings []*encoding // lowest first

	sender      *webrtc.RTPSender
	transceiver *webrtc.RTPTransceiver
}

// encoding is one stream of a source. It writes what a test says, or plays in real time.
type encoding struct {
	// immutable
	source *source
	rid    string
	track  *webrtc.TrackLocalStaticRTP
	filler int  // bytes that make each packet larger
	mark   byte // in each payload, so that a viewer can tell whose packet it is

	loud atomic.Bool // it tells a level of speech, else of silence

	mu sync.Mutex
	// guarded by mu
	sequence  uint16
	timestamp uint32
	picture   uint16
	feedback  []feedback
	wantKey   bool // a PLI came
	stop      chan struct{}
	playing   sync.WaitGroup
}

type feedback struct {
	rtcp.Packet
	at time.Time
}

type sourceOptions struct {
	rids   []string
	filler int                            // bytes in each packet of the lowest encoding, three times as many in each further one
	silent bool                           // writes nothing by itself
	add    func(*livekit.AddTrackRequest) // changes the announcement
}

// publish announces a track, offers it, and plays it until the client ends.
func (c *client) publish(mime string, o sourceOptions) *source {
	c.t.Helper()
	s := c.announce(mime, o)
	s.offer(nil)
	if !o.silent {
		for _, e := range s.encodings {
			e.play()
		}
	}
	return s
}

func (c *client) announce(mime string, o sourceOptions) *source {
	c.t.Helper()
	s := &source{client: c, mime: mime}
	rids := o.rids
	if len(rids) == 0 {
		rids = []string{""}
	}
	cid := newTrackSID(0, 0)
	filler := o.filler
	for i, rid := range rids {
		var options []func(*webrtc.TrackLocalStaticRTP)
		if rid != "" {
			options = append(options, webrtc.WithRTPStreamID(rid))
		}
		capability := webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 90000}
		if s.isAudio() {
			capability.ClockRate, capability.Channels = 48000, 2
		}
		track, err := webrtc.NewTrackLocalStaticRTP(capability, cid, "stream", options...)
		if err != nil {
			c.t.Fatal(err)
		}
		s.encodings = append(s.encodings, &encoding{
			source: s, rid: rid, track: track, mark: byte(i + 1), sequence: uint16(1000 * (i + 1)), timestamp: uint32(100_000 * (i + 1)),
			picture: uint16(77 * (i + 1)), wantKey: true, filler: filler,
		})
		filler *= 3
	}
	add := &livekit.AddTrackRequest{Cid: cid, Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA}
	if s.isAudio() {
		add.Type, add.Source = livekit.TrackType_AUDIO, livekit.TrackSource_MICROPHONE
		add.DisableRed = mime == webrtc.MimeTypeOpus
	} else {
		add.SimulcastCodecs = []*livekit.SimulcastCodec{{Codec: mime, Cid: cid}}
		for i := range rids {
			add.Layers = append(add.Layers, &livekit.VideoLayer{Quality: livekit.VideoQuality(i)})
		}
	}
	if o.add != nil {
		o.add(add)
	}
	c.session.AddTrack(add)
	eventually(c.t, "the track to be announced", func() bool {
		for _, m := range messages[TrackPublished](c) {
			if m.CID == add.Cid {
				s.info = m.Track
			}
		}
		return s.info != nil
	})
	return s
}

func (s *source) isAudio() bool { return s.mime == webrtc.MimeTypeOpus || s.mime == "audio/red" }

// offer puts the track into a section, a new one or that of an earlier source, and waits for the answer.
func (s *source) offer(reuse *webrtc.RTPTransceiver) {
	c := s.client
	c.t.Helper()
	done := make(chan struct{})
	c.do(func() {
		defer close(done)
		first := s.encodings[len(s.encodings)-1].track
		var err error
		if reuse == nil {
			s.transceiver, err = c.publisher.AddTransceiverFromTrack(first, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
			c.must("add track", err)
			s.sender = s.transceiver.Sender()
		} else {
			s.transceiver = reuse
			s.sender, err = c.publisher.AddTrack(first)
			c.must("add track", err)
		}
		for i := len(s.encodings) - 2; i >= 0; i-- {
			c.must("add encoding", s.sender.AddEncoding(s.encodings[i].track))
		}
		c.negotiate()
	})
	<-done
	for _, e := range s.encodings {
		c.running.Go(e.readFeedback)
	}
	eventually(c.t, "the track to be published", func() bool {
		return slices.ContainsFunc(c.participant(c.session.Identity()).GetTracks(), func(t *livekit.TrackInfo) bool { return t.Sid == s.info.Sid })
	})
}

// unpublish takes the track out of its section.
func (s *source) unpublish() {
	s.client.t.Helper()
	for _, e := range s.encodings {
		e.pause()
	}
	s.client.do(func() {
		s.client.must("remove track", s.client.publisher.RemoveTrack(s.sender))
		s.client.negotiate()
	})
	eventually(s.client.t, "the track to be unpublished", func() bool {
		return !slices.ContainsFunc(s.client.participant(s.client.session.Identity()).GetTracks(), func(t *livekit.TrackInfo) bool { return t.Sid == s.info.Sid })
	})
}

func (e *encoding) readFeedback() {
	for {
		var packets []rtcp.Packet
		var err error
		if e.rid != "" {
			packets, _, err = e.source.sender.ReadSimulcastRTCP(e.rid)
		} else {
			packets, _, err = e.source.sender.ReadRTCP()
		}
		if err != nil {
			return
		}
		e.mu.Lock()
		for _, p := range packets {
			e.feedback = append(e.feedback, feedback{p, time.Now()})
			if pli, ok := p.(*rtcp.PictureLossIndication); ok && pli.MediaSSRC == e.ssrc() {
				e.wantKey = true
			}
		}
		e.mu.Unlock()
	}
}

// ssrc is the encoding's; 0 before it is negotiated.
func (e *encoding) ssrc() uint32 {
	for _, p := range e.source.sender.GetParameters().Encodings {
		if p.RID == e.rid {
			return uint32(p.SSRC)
		}
	}
	return 0
}

func heardFeedback[P rtcp.Packet](e *encoding) []P {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []P
	for _, f := range e.feedback {
		if p, ok := f.Packet.(P); ok {
			all = append(all, p)
		}
	}
	return all
}

// keyframeRequests is when PLIs came.
func (e *encoding) keyframeRequests() []time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []time.Time
	for _, f := range e.feedback {
		if pli, ok := f.Packet.(*rtcp.PictureLossIndication); ok && pli.MediaSSRC == e.ssrc() {
			all = append(all, f.at)
		}
	}
	return all
}

// play writes frames in real time, keyframes when asked for, until pause or the client's end.
func (e *encoding) play() {
	e.mu.Lock()
	stop := make(chan struct{})
	e.stop = stop
	e.mu.Unlock()
	interval := 33 * time.Millisecond
	if e.source.isAudio() {
		interval = 20 * time.Millisecond
	}
	e.playing.Add(1)
	e.source.client.running.Go(func() {
		defer e.playing.Done()
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				e.frame(e.takeWish())
			case <-stop:
				return
			case <-e.source.client.quit:
				return
			}
		}
	})
}

func (e *encoding) pause() {
	e.mu.Lock()
	stop := e.stop
	e.stop = nil
	e.mu.Unlock()
	if stop != nil {
		close(stop)
		e.playing.Wait()
	}
}

func (e *encoding) takeWish() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	wish := e.wantKey
	e.wantKey = false
	return wish
}

// frame writes one frame: audio of one packet, video of three.
func (e *encoding) frame(key bool) {
	switch e.source.mime {
	case webrtc.MimeTypeOpus:
		e.write(true, 960, opusPayload(e.mark))
	case "audio/red":
		e.write(true, 960, redPayload(e.mark))
	case webrtc.MimeTypeVP8:
		for i := range 3 {
			e.write(i == 2, 3000, e.vp8Payload(key, i == 0))
		}
		e.mu.Lock()
		e.picture = (e.picture + 1) & 0x7fff
		e.mu.Unlock()
	case webrtc.MimeTypeH264:
		if key {
			e.write(false, 3000, []byte{0x67, 0x42, 0xe0, 0x1f, e.mark})
			e.write(false, 3000, []byte{0x68, 0xce, 0x3c, 0x80, e.mark})
			e.write(true, 3000, []byte{0x65, 0x88, 0x84, e.mark, 1, 2, 3})
		} else {
			e.write(true, 3000, []byte{0x41, 0x9a, 0x02, e.mark, 1, 2, 3})
		}
	case webrtc.MimeTypeAV1:
		first := byte(0x10) // one OBU
		if key {
			first |= 0x08
		}
		e.write(true, 3000, []byte{first, 0x0a << 0, e.mark, 1, 2, 3})
	}
}

func opusPayload(mark byte) []byte { return []byte{0x78, mark, 1, 2, 3, 4, 5, 6} }

// redPayload holds a redundant block of 4 bytes, 960 ticks back, and the primary one (RFC 2198).
func redPayload(mark byte) []byte {
	header := []byte{0x80 | 111, 0, 0, 0, 111}
	binary.BigEndian.PutUint16(header[1:], 960<<2)
	header[3] = 4
	return append(append(header, 9, 9, 9, 9), opusPayload(mark)...)
}

func (e *encoding) vp8Payload(key, start bool) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := []byte{0x80, 0x80, 0x80 | byte(e.picture>>8), byte(e.picture)}
	if start {
		b[0] |= 0x10
	}
	if !start {
		return append(b, e.mark, 1, 2, 3, 4, 5)
	}
	if key {
		return append(b, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 240, 0, e.mark)
	}
	return append(b, 0x11, 0, 0, e.mark)
}

// write sends one packet; step is added to the timestamp after the last one of a frame.
func (e *encoding) write(last bool, step uint32, payload []byte) {
	e.mu.Lock()
	h := rtp.Header{Version: 2, Marker: last, SequenceNumber: e.sequence, Timestamp: e.timestamp}
	e.sequence++
	if last {
		e.timestamp += step
	}
	e.mu.Unlock()
	e.writePacket(&rtp.Packet{Header: h, Payload: append(payload, make([]byte, e.filler)...)})
}

func (e *encoding) writePacket(p *rtp.Packet) {
	for _, x := range e.source.sender.GetParameters().HeaderExtensions {
		var value []byte
		switch x.URI {
		case sdp.SDESMidURI:
			value = []byte(e.source.transceiver.Mid())
		case sdp.SDESRTPStreamIDURI:
			value = []byte(e.rid)
		case sdp.AudioLevelURI:
			value = []byte{127}
			if e.loud.Load() {
				value = []byte{0x80 | 15}
			}
		case sdp.TransportCCURI:
			value = binary.BigEndian.AppendUint16(nil, uint16(e.source.client.transportNumber.Add(1)))
		case extDependencyDescriptor:
			if e.source.mime == webrtc.MimeTypeAV1 {
				value = dependencyDescriptor(p.SequenceNumber)
			}
		}
		if len(value) > 0 {
			e.source.client.must("set extension", p.SetExtension(uint8(x.ID), value))
		}
	}
	_ = e.track.WriteRTP(p) // fails while nothing is connected, as losses do
}

// dependencyDescriptor is the shortest: start and end of a frame, template 0, a frame number.
func dependencyDescriptor(frame uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{0xc0}, frame)
}

// late is a packet of an encoding that was not written when it was due.
func late(e *encoding, number uint16, stamp uint32) *rtp.Packet {
	payload := opusPayload(e.mark)
	if e.source.mime == webrtc.MimeTypeVP8 {
		payload = e.vp8Payload(false, true)
	}
	return &rtp.Packet{Header: rtp.Header{Version: 2, Marker: true, SequenceNumber: number, Timestamp: stamp}, Payload: payload}
}
