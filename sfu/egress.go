package sfu

import (
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/sfu/media"
)

const (
	estimateStart = 5_000_000 // bit/s; means nothing until there was congestion once
	estimateLeast = 50_000
	estimateMost  = 100_000_000

	allocateEvery  = 200 * time.Millisecond
	calmAfter      = 10 * time.Second // without congestion and with everything delivered: no limit any more
	usableShare    = 0.95             // of the estimate
	headroom       = 1.1              // of its bits that a layer needs in addition, before it is taken up again
	probeFirst     = 2 * time.Second  // after congestion, and between probes at first
	probeSlowest   = 5 * time.Second
	probeRounds    = 5   // ticks
	probeAbove     = 1.2 // times what is needed
	probeLeast     = 300_000
	probeReachBack = 64 // packets
	trialTime      = 2 * time.Second
)

// egress is what one connection carries to a viewer: the transport-wide numbers of its packets, the estimate of what it can carry and, once
// that was too little, who gets how much. It is owned by the viewer's worker.
type egress struct {
	// immutable
	worker     *worker
	allowPause bool // a video may be paused where not even its lowest layer fits

	// owned by the worker
	number    uint16
	numberBuf [2]byte
	estimator *media.Estimator // nil until the first numbered packet
	video     []*subscription
	audio     []*subscription

	limited     bool  // there was congestion: layers are given out by the estimate
	reactedTo   int64 // congestion
	nextLook    int64
	needed      float64 // bit/s for the next step up, 0: everybody has what it wishes
	nextProbe   int64
	probeWait   time.Duration
	probeRounds int
	probeBits   float64
	trialUntil  int64 // a paused video goes on at a venture; congestion ends that
}

func newEgress(w *worker, allowPause bool) *egress {
	return &egress{worker: w, allowPause: allowPause, probeWait: probeFirst}
}

func (e *egress) add(s *subscription) {
	if s.publication.isAudio() {
		e.audio = append(e.audio, s)
	} else {
		e.video = append(e.video, s)
	}
}

func (e *egress) remove(s *subscription) {
	same := func(o *subscription) bool { return o == s }
	e.audio = slices.DeleteFunc(e.audio, same)
	e.video = slices.DeleteFunc(e.video, same)
}

// next is the number of the next packet, in a buffer that is used again.
func (e *egress) next() []byte {
	e.numberBuf = [2]byte{byte(e.number >> 8), byte(e.number)}
	return e.numberBuf[:]
}

// sent notes the packet that took the number.
func (e *egress) sent(size int, now int64, ofProbe bool) {
	if e.estimator == nil {
		e.estimator = media.NewEstimator(estimateStart, estimateLeast, estimateMost)
	}
	e.estimator.Sent(e.number, size, now, ofProbe)
	e.number++
}

func (e *egress) report(f *media.TransportFeedback, now int64) {
	if e.estimator == nil {
		return
	}
	e.estimator.Feedback(f, now)
	e.react(now)
}

func (e *egress) remb(bits float64, now int64) {
	if e.estimator == nil {
		e.estimator = media.NewEstimator(estimateStart, estimateLeast, estimateMost)
	}
	e.estimator.REMB(bits, now)
	e.react(now)
}

// react lowers at once what has become too much.
func (e *egress) react(now int64) {
	if at, ok := e.estimator.Congested(); ok && at > e.reactedTo {
		e.reactedTo = at
		e.limited = true
		e.trialUntil = 0
		e.worker.counters.congestions.Add(1)
		e.nextProbe = now + int64(e.probeWait)
		e.look(now)
	}
}

// tick is called with each tick of the worker.
func (e *egress) tick(now int64) {
	if !e.limited {
		return
	}
	if e.probeRounds > 0 {
		e.probeRound(now)
	}
	if now < e.nextLook {
		return
	}
	e.look(now)
	switch {
	case e.needed == 0 && now-e.reactedTo > int64(calmAfter):
		e.limited = false
		e.probeWait = probeFirst
		for _, s := range e.video {
			s.limit = qualityHigh
			s.limited.Store(false)
		}
	case e.needed > 0 && now >= e.nextProbe && e.probeRounds == 0:
		e.probeWait = min(e.probeWait*2, probeSlowest)
		e.nextProbe = now + int64(e.probeWait)
		if e.allPaused() { // there is nothing to repeat: only the video itself can show whether it gets through
			e.trialUntil = now + int64(trialTime)
			e.look(now)
			return
		}
		e.estimator.BeginProbe()
		e.probeRounds, e.probeBits = probeRounds, max(e.needed*probeAbove, probeLeast)
	}
}

func (e *egress) allPaused() bool {
	return !slices.ContainsFunc(e.video, func(s *subscription) bool { return s.current.layer != nil })
}

// look gives out what the connection carries: everybody the lowest layer, then, by priority, one layer more after the other.
func (e *egress) look(now int64) {
	e.nextLook = now + int64(allocateEvery)
	left := e.estimator.Available() * usableShare
	trial := now < e.trialUntil
	for _, s := range e.audio {
		left -= s.publication.bits(s.wanted, qualityHigh, now) // audio is never reduced
	}
	slices.SortStableFunc(e.video, func(a, b *subscription) int { return b.rank() - a.rank() })
	for _, s := range e.video {
		s.granted = qualityNone
		if s.wanted.off {
			continue
		}
		lowest := s.publication.bits(s.wanted, qualityLow, now)
		if lowest > left && e.allowPause && !trial {
			continue
		}
		trial = false // one at a time
		left -= lowest
		s.granted = qualityLow
	}
	e.needed = 0
	for q := qualityLow + 1; q <= qualityHigh; q++ {
		for _, s := range e.video {
			if s.granted != q-1 || q > s.wanted.quality {
				continue
			}
			more := s.publication.bits(s.wanted, q, now) - s.publication.bits(s.wanted, q-1, now)
			need := more
			if q > s.limit {
				need = more * headroom
			}
			if need <= left || more <= 0 {
				left -= max(more, 0)
				s.granted = q
			} else if e.needed == 0 {
				e.needed = e.estimator.Available() - left + need
			}
		}
	}
	for _, s := range e.video {
		if e.allowPause && s.granted == qualityNone && !s.wanted.off && e.needed == 0 {
			e.needed = e.estimator.Available() - left + s.publication.bits(s.wanted, qualityLow, now)*headroom
		}
		e.grant(s, now)
	}
}

func (e *egress) grant(s *subscription, now int64) {
	s.limited.Store(!s.wanted.off && s.granted < s.wanted.quality && e.needed > 0)
	if s.wanted.off || s.granted == s.limit {
		return
	}
	if s.granted > s.limit { // there was more: the next probe may come soon
		e.probeWait = probeFirst
	}
	paused := s.granted == qualityNone
	if was := s.limit == qualityNone; was != paused {
		s.tellState(paused)
	}
	s.limit = s.granted
	if paused {
		s.unfollowAll()
		return
	}
	s.choose(now)
}

// rank orders subscriptions by who keeps its quality longest: what the viewer says, then a shared screen.
func (s *subscription) rank() int {
	r := int(min(s.wanted.priority, 1<<20)) * 2
	if s.publication.source == livekit.TrackSource_SCREEN_SHARE {
		r++
	}
	return r
}

// tellState lets the viewer know that a video is paused or goes on.
func (s *subscription) tellState(paused bool) {
	s.viewer.post(streamStateCommand{s.publication, paused})
}

// probeRound repeats packets that the viewer has, which it ignores, to see whether more would get through.
func (e *egress) probeRound(now int64) {
	e.probeRounds--
	left := int(e.probeBits / 8 * tickInterval.Seconds())
	for _, s := range e.video {
		l := s.current.layer
		if l == nil || s.rtxTypes[s.wanted.codec] == 0 {
			continue
		}
		head := l.ring.Head()
		for left > 0 {
			before := left
			for back := uint64(1); back <= probeReachBack && back <= head && left > 0; back++ {
				p, ok := l.ring.At(head - back)
				if !ok || p.Padding {
					continue
				}
				if out, ok := s.rewriter.Resend(l.id, p); ok {
					left -= s.repeat(p, out, now, true)
				}
			}
			if left == before {
				break
			}
		}
	}
}

// transportReport is the mailbox form of a transport-wide report; the worker gives its buffer back.
type transportReport struct {
	egress *egress
	report *media.TransportFeedback
}

func (transportReport) workerCommand() {}

// reportReader takes transport-wide reports out of the RTCP of one connection, whichever source they name: browsers name the one that they
// last heard, be it a retransmission. It is used by pion's reading goroutine only.
type reportReader struct {
	egress *egress
	number int // of the newest report and its first packet; -1 before the first
}

// It reports whether b holds nothing else: pion has no reader for some sources, and what it keeps for them is lost memory.
func (r *reportReader) read(b []byte) (only bool) {
	pool := &r.egress.worker.reports
	f, _ := pool.Get().(*media.TransportFeedback)
	if f == nil {
		f = &media.TransportFeedback{}
	}
	if !media.FindTransportFeedback(b, f) {
		pool.Put(f)
		return false
	}
	only = f.Alone
	if r.seen(f) {
		pool.Put(f)
		return only
	}
	if !r.egress.worker.offer(transportReport{r.egress, f}) {
		r.egress.worker.counters.feedbackDropped.Add(1)
		pool.Put(f)
	}
	return only
}

// seen tells whether the report was read before: a compound packet is read once per source that it names.
func (r *reportReader) seen(f *media.TransportFeedback) bool {
	number := int(f.Number)<<16 | int(f.Packets[0].Seq)
	if number == r.number {
		return true
	}
	r.number = number
	return false
}
