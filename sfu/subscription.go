package sfu

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"
	"time"

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
	trailer     []byte // of frames that are not the publisher's own, where its are encrypted

	// owned by the viewer's goroutine
	sender      *webrtc.RTPSender
	transceiver *webrtc.RTPTransceiver
	added       bool // the worker has it
	failed      bool // the client negotiated no codec for it
	bound       bool
	codec       media.Codec // which of the publication's codecs it carries
	wish        wish
	share       share // of the publication's demand

	// set by Bind, before the worker gets it
	stream       webrtc.TrackLocalWriter
	ssrc, rtx    uint32
	payloadTypes [media.CodecAV1 + 1]uint8
	rtxTypes     [media.CodecAV1 + 1]uint8
	extensions   media.Extensions

	// written by the worker, read by the viewer's goroutine
	reception reception
	limited   atomic.Bool // it gets less than it wishes, because the connection cannot carry more

	// owned by the worker
	rewriter   *media.Rewriter
	selector   media.Selector // the part of a layered stream
	egress     *egress        // of the transport; nil in tests of the packet path
	wanted     wish
	limit      int // quality at most, by what the connection carries; qualityNone: paused
	granted    int // the next limit, while it is found
	current    cursor
	target     cursor
	blanks     blanks
	waiting    bool   // current has to reach a keyframe before anything is sent
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
	s := &subscription{
		publication: pub,
		viewer:      viewer,
		transport:   t,
		worker:      viewer.worker,
		codec:       pub.mediaCodec(),
		share:       noShare,
		limit:       qualityHigh,
		selector:    media.NewSelector(),
		rewriter:    media.NewRewriter(binary.BigEndian.Uint16(seed[:]), binary.BigEndian.Uint32(seed[4:])),
		rtxSeq:      binary.BigEndian.Uint16(seed[2:]),
		tokens:      resendBurst,
	}
	if t != nil {
		s.egress = t.egress
	}
	if pub.encrypted {
		s.trailer = viewer.room.sifTrailer
	}
	return s
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
		c := feedbackCommand{subscription: s, remb: fb.REMB}
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
		if len(c.nacks) == 0 && !c.keyframe && !c.reported && c.remb == 0 {
			continue
		}
		if !s.worker.offer(c) {
			counters.feedbackDropped.Add(1)
		}
	}
}

// choose follows the layer that is to be sent now. Called by the worker when it gets the subscription and at each of its ticks.
func (s *subscription) choose(now int64) {
	if s.wanted.off || s.limit == qualityNone {
		return
	}
	w := s.wanted
	w.quality = min(w.quality, s.limit)
	best := s.publication.bestLayer(w, now)
	if s.current.layer != nil && !s.publication.has(s.current.layer) {
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
	switch current := s.current.layer; {
	case s.target.layer != nil:
		s.target.layer.requestKeyframe(now)
	case current == nil || s.publication.isAudio():
	case s.waiting || s.cut(w, current):
		current.requestKeyframe(now)
	}
}

// cut limits what is sent of a stream with layers to the wish, and tells whether that has to begin with a keyframe.
func (s *subscription) cut(w wish, l *layer) (needsKeyframe bool) {
	top, temporal := l.ring.Layers()
	spatial := uint8(media.AllLayers)
	if w.quality < qualityHigh {
		spatial = uint8(max(w.quality, qualityLow))
	}
	s.selector.Limit(spatial, temporalFor(w.fps, temporal, time.Duration(l.frameTime.Load())))
	return s.selector.NeedsKeyframe(top)
}

// temporalFor is the highest temporal layer with no more frames per second than wanted: each one doubles them.
func temporalFor(fps uint32, top uint8, frameTime time.Duration) uint8 {
	if fps == 0 || frameTime <= 0 {
		return media.AllLayers
	}
	const tolerance = 1.15 // frames do not come evenly
	rate := float64(time.Second) / float64(frameTime)
	for tid := top; tid > 0; tid-- {
		if rate <= float64(fps)*tolerance {
			if tid == top {
				return media.AllLayers
			}
			return tid
		}
		rate /= 2
	}
	return 0
}

// setWish takes what the viewer wants from now on.
func (s *subscription) setWish(w wish, now int64) {
	s.wanted = w
	if w.off {
		s.unfollowAll()
		return
	}
	s.choose(now)
}

func (s *subscription) unfollowAll() {
	s.worker.unfollow(s, &s.target)
	s.worker.unfollow(s, &s.current)
}
