package sfu

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

const (
	frameWait       = 400 * time.Microsecond // an unfinished frame is handed over after this
	keyframeSpacing = 500 * time.Millisecond // between two requests for one layer
	defaultRTT      = 60 * time.Millisecond  // to the publisher, until ICE measured it
	rttEvery        = time.Second
)

// layer is one encoding of a publication: a goroutine that reads it into a ring, and the doorbells of the workers that follow the ring.
type layer struct {
	// immutable
	publication *Publication
	rid         string
	id          uint8 // unique within the publication for as long as it lives
	quality     int   // among the publication's layers, qualityLow to qualityHigh
	backup      bool  // of the publication's second codec
	track       *webrtc.TrackRemote
	receiver    *webrtc.RTPReceiver
	ring        *media.Ring
	clock       media.SenderClock

	codec         atomic.Uint32 // media.Codec of the packets, CodecUnknown before the first
	frameTime     atomic.Int64  // ns from one frame to the next, smoothed; 0 before two came. Written by read.
	keyframeAsked atomic.Int64  // ns, when a request was last sent
	feeds         atomic.Pointer[[]*feed]
	mu            sync.Mutex // serialises changes of feeds

	// owned by the publisher's goroutine
	measured measured

	// owned by read, but for intake's statistics
	intake *media.Intake
	codecs map[uint8]payloadType
}

// payloadType is what a payload type of the client means.
type payloadType struct {
	codec media.Codec
	fmtp  string
}

func newLayer(pub *Publication, id uint8, quality int, track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) *layer {
	l := &layer{
		publication: pub,
		rid:         track.RID(),
		id:          id,
		quality:     quality,
		track:       track,
		receiver:    receiver,
		ring:        media.NewRing(pub.kind),
		codecs:      make(map[uint8]payloadType),
	}
	l.feeds.Store(&[]*feed{})
	l.intake = media.NewIntake(pub.kind, l.ring)
	parameters := receiver.GetParameters()
	l.intake.SetExtensions(extensionIDs(parameters.HeaderExtensions))
	for _, c := range parameters.Codecs {
		if codec := media.ParseCodec(c.MimeType); codec != media.CodecUnknown {
			l.intake.SetCodec(uint8(c.PayloadType), codec)
			l.codecs[uint8(c.PayloadType)] = payloadType{codec, c.SDPFmtpLine}
		}
	}
	return l
}

// read is the layer's goroutine: it ends with the track. First packets tell the publisher's goroutine the codec.
func (l *layer) read() {
	var (
		counters = &l.publication.publisher.manager.counters
		buf      = make([]byte, receiveMTU)
		nacks    []uint16
		waiting  int64 // since when an unfinished frame is not handed over
		rtt      = int64(defaultRTT)
		measured int64
		known    bool
		newest   uint64
		framed   int64 // when the last frame ended
		broken   badReads
	)
	for {
		n, _, err := l.track.Read(buf)
		if err != nil {
			if !broken.passes(err) {
				return
			}
			counters.packetsRefused.Add(1)
			continue
		}
		broken = 0
		now := monotonic()
		p, err := l.intake.Put(buf[:n], now)
		if err != nil {
			counters.packetsRefused.Add(1)
			continue
		}
		counters.packetsIn.Add(1)
		if !known {
			known = true
			entry := l.codecs[buf[1]&0x7f]
			l.codec.Store(uint32(p.Codec))
			if !l.backup {
				l.publication.fmtp.CompareAndSwap(nil, &entry.fmtp)
				l.publication.codec.Store(uint32(p.Codec)) // what flows counts, not what was announced
			}
			l.publication.publisher.post(layerCommand{l})
		}
		if p.HasAudioLevel {
			l.publication.loudness.add(p.AudioLevel)
		}

		late := p.Seq < newest
		newest = max(newest, p.Seq)
		switch {
		case p.Marker || late || l.publication.isAudio():
			if p.Marker && !l.publication.isAudio() {
				l.frameCame(now, framed)
				framed = now
			}
			waiting = 0
			l.ringDoorbells()
		case waiting == 0:
			waiting = now
		case now-waiting > int64(frameWait):
			waiting = 0
			l.ringDoorbells()
		}

		if now-measured > int64(rttEvery) {
			measured = now
			if d := l.publication.transport.roundTrip(); d > 0 {
				rtt = int64(d)
			}
		}
		if nacks = l.intake.Nacks(nacks[:0], now, rtt); len(nacks) > 0 {
			counters.nacksSent.Add(uint64(len(nacks)))
			l.write(&rtcp.TransportLayerNack{MediaSSRC: uint32(l.track.SSRC()), Nacks: rtcp.NackPairsFromSequenceNumbers(nacks)})
		}
	}
}

// badReads counts reads in a row that failed. pion fails a read also for a packet that it could not parse: the stream goes on after it.
type badReads int

const badReadsInARow = 64

// passes tells whether reading goes on after err.
func (b *badReads) passes(err error) bool {
	*b++
	return *b < badReadsInARow && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe)
}

func (l *layer) mediaCodec() media.Codec { return media.Codec(l.codec.Load()) }

// ringDoorbells is the doorbell of the workers that follow this layer.
func (l *layer) ringDoorbells() {
	for _, f := range *l.feeds.Load() {
		f.ring()
	}
}

// readReports keeps the newest sender report of the layer; it ends with the track.
func (l *layer) readReports() {
	buf := make([]byte, receiveMTU)
	ssrc := uint32(0)
	var broken badReads
	keep := func(from uint32, ntp uint64, rtp uint32) {
		if from == ssrc {
			l.clock.Set(ntp, rtp, monotonic())
		}
	}
	for {
		var n int
		var err error
		if l.rid != "" {
			n, _, err = l.receiver.ReadSimulcast(buf, l.rid)
		} else {
			n, _, err = l.receiver.Read(buf)
		}
		if err != nil {
			if !broken.passes(err) {
				return
			}
			continue
		}
		broken = 0
		ssrc = uint32(l.track.SSRC())
		if media.ParseSenderReports(buf[:n], keep) != nil {
			l.publication.publisher.manager.counters.packetsRefused.Add(1)
		}
	}
}

// requestKeyframe asks the publisher for a decodable start, at most once per keyframeSpacing.
func (l *layer) requestKeyframe(now int64) {
	asked := l.keyframeAsked.Load()
	if asked != 0 && now-asked < int64(keyframeSpacing) || l.publication.muted.Load() || !l.keyframeAsked.CompareAndSwap(asked, now) {
		return
	}
	l.publication.publisher.manager.counters.keyframesAsked.Add(1)
	l.write(&rtcp.PictureLossIndication{MediaSSRC: uint32(l.track.SSRC())})
}

// write sends feedback to the publisher. It goes out at once and does not block: UDP, or a TCP connection with a bounded buffer.
func (l *layer) write(p rtcp.Packet) {
	if err := l.publication.transport.pc.WriteRTCP([]rtcp.Packet{p}); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		l.publication.publisher.log.Debug("feedback to publisher", "error", err)
	}
}

const (
	silentFrames = 8 // frame times without a packet, after which a layer counts as stopped
	silentAtMost = 2 * time.Second
	silentUsual  = time.Second // while the frame time is not known, and for audio
	silentBefore = 300 * time.Millisecond
)

// flows tells whether packets come: a layer that its publisher stopped is left soon, one of few frames per second is waited for.
func (l *layer) flows(now int64) bool {
	last := l.ring.LastArrival()
	limit := silentUsual
	if t := l.frameTime.Load(); t > 0 {
		limit = min(max(time.Duration(silentFrames*t), silentBefore), silentAtMost)
	}
	return last != 0 && now-last < int64(limit)
}

// frameCame measures the time between frames.
func (l *layer) frameCame(at, before int64) {
	if before == 0 || at <= before {
		return
	}
	t := min(at-before, int64(silentAtMost))
	if old := l.frameTime.Load(); old > 0 {
		t = old + (t-old)/8
	}
	l.frameTime.Store(t)
}

// attach adds a worker's doorbell; detach takes it out.
func (l *layer) attach(f *feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := *l.feeds.Load()
	feeds := append(make([]*feed, 0, len(old)+1), old...)
	feeds = append(feeds, f)
	l.feeds.Store(&feeds)
}

func (l *layer) detach(f *feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := *l.feeds.Load()
	feeds := make([]*feed, 0, len(old))
	for _, o := range old {
		if o != f {
			feeds = append(feeds, o)
		}
	}
	l.feeds.Store(&feeds)
}
