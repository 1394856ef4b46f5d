package media

import (
	"math"
	"time"
)

// What the estimator is tuned with. Where a value is one of draft-ietf-rmcat-gcc-02, it has that document's name.
const (
	historySize    = 1024 // packets between their sending and their report: 1 s of 10 Mbit/s
	groupSpan      = int64(5 * time.Millisecond)
	trendPoints    = 20
	trendSmoothing = 0.9
	trendGain      = 4
	trendCount     = 60   // bursts that strengthen the slope at most
	thresholdFirst = 12.5 // ms
	thresholdLow   = 6.0
	thresholdHigh  = 600.0
	thresholdUp    = 0.0087
	thresholdDown  = 0.039
	overuseTime    = int64(10 * time.Millisecond)

	backOff        = 0.85               // beta
	settled        = int64(time.Second) // after congestion: what arrives is no longer what was queued before
	growth         = 1.08               // eta, per second
	nearCapacity   = 3.0                // standard deviations
	freeOfReported = 1.5                // times the acknowledged rate that the estimate may reach without a probe
	freeBits       = 50_000

	ackWindow   = int64(500 * time.Millisecond)
	ackBuckets  = 16
	lossHigh    = 0.10
	lossLow     = 0.02
	lossPackets = 50 // between two decisions about loss
	probeShare  = 0.8
)

// Estimator tells how much a connection carries, from transport-wide feedback: the trend of the one-way delay, the loss, and the rate that
// arrived (draft-ietf-rmcat-gcc-02). The start of each burst is what is compared, because the engine sends a frame's packets at once: how
// long a burst takes on the wire is no sign of a queue, a late start is.
//
// It is owned by one worker and allocates nothing after NewEstimator.
type Estimator struct {
	min, max float64 // bit/s, immutable

	history [historySize]sentPacket

	rate        float64 // by delay
	lossRate    float64
	lastRise    int64
	congested   bool  // something was once too much
	congestedAt int64 // when it last was
	capacity    float64
	deviation   float64 // relative, of capacity
	reported    bool    // feedback came

	trend   trend
	group   burst
	before  burst
	clockAt int64 // of the receiver, unwrapped
	clock   int64

	acked rateWindow

	lossSeen, lossLost int
	probe              probe
	reportNumber       uint8
	reportBase         uint16
}

type sentPacket struct {
	at    int64
	size  uint16
	seq   uint16
	probe bool
	known bool
}

type burst struct {
	sent, arrived int64 // of the first packet
	open          bool
}

// probe is a short burst above the present rate, to see whether it gets through.
type probe struct {
	running                 bool
	sentBytes, arrivedBytes int
	firstSent, lastSent     int64
	firstArrived, last      int64
	arrivals                int
	beforeLast              int // bytes sent before the last moment of sending
	firstBytes              int
}

// NewEstimator returns an estimator that assumes start bit/s until feedback says otherwise and stays between least and most.
func NewEstimator(start, least, most float64) *Estimator {
	return &Estimator{min: least, max: most, rate: start, lossRate: most, trend: trend{threshold: thresholdFirst}}
}

// Sent notes a packet of size bytes that leaves under a transport-wide number at now (ns).
func (e *Estimator) Sent(seq uint16, size int, now int64, ofProbe bool) {
	e.history[seq%historySize] = sentPacket{at: now, size: uint16(min(size, math.MaxUint16)), seq: seq, probe: ofProbe, known: true}
	if !ofProbe {
		return
	}
	p := &e.probe
	if p.sentBytes == 0 {
		p.firstSent = now
	}
	if now != p.lastSent {
		p.lastSent, p.beforeLast = now, p.sentBytes
	}
	p.sentBytes += size
}

// Feedback takes a report that came at now. The same report, which pion delivers once per stream that it names, counts once.
func (e *Estimator) Feedback(f *TransportFeedback, now int64) {
	if len(f.Packets) == 0 || e.reported && f.Number == e.reportNumber && f.Packets[0].Seq == e.reportBase {
		return
	}
	e.reported, e.reportNumber, e.reportBase = true, f.Number, f.Packets[0].Seq
	state := normal
	for _, a := range f.Packets {
		sent := &e.history[a.Seq%historySize]
		if !sent.known || sent.seq != a.Seq {
			continue
		}
		if a.Lost { // it may still come, in a later report
			e.lossSeen++
			e.lossLost++
			continue
		}
		sent.known = false
		e.lossSeen++
		arrived := e.unwrap(a.At)
		e.acked.add(arrived, int(sent.size))
		if sent.probe {
			e.probe.arrived(arrived, int(sent.size))
			continue // its delay says how long the probe took, not how the stream fares
		}
		if s := e.delay(sent.at, arrived); s != normal {
			state = s
		}
	}
	e.control(state, now)
	e.judgeLoss(now)
}

// REMB takes a receiver's own estimate, of clients that send nothing better.
func (e *Estimator) REMB(bits float64, now int64) {
	if e.reported {
		return
	}
	if bits < e.rate {
		e.strained(now)
	}
	e.rate = e.clamp(bits)
}

// unwrap continues the receiver's clock over its end.
func (e *Estimator) unwrap(at int64) int64 {
	const turn = referenceUnit << 24
	if e.clockAt == 0 && e.clock == 0 {
		e.clockAt, e.clock = at, turn // far from zero, so that what comes a little out of order stays positive
		return e.clock
	}
	d := at - e.clockAt
	switch {
	case d < -turn/2:
		d += turn
	case d > turn/2:
		d -= turn
	}
	t := e.clock + d
	if d > 0 {
		e.clockAt, e.clock = at, t
	}
	return t
}

// delay compares the starts of bursts.
func (e *Estimator) delay(sent, arrived int64) usage {
	switch {
	case !e.group.open:
		e.group = burst{sent, arrived, true}
		return normal
	case sent-e.group.sent < groupSpan:
		e.group.arrived = min(e.group.arrived, arrived)
		return normal
	}
	done := e.group
	e.group = burst{sent, arrived, true}
	state := normal
	if e.before.open {
		change := float64((done.arrived-e.before.arrived)-(done.sent-e.before.sent)) / 1e6
		state = e.trend.add(change, done.arrived, done.arrived-e.before.arrived)
	}
	e.before = done
	return state
}

// control moves the estimate (section 5.5 of the draft).
func (e *Estimator) control(state usage, now int64) {
	acked := e.acked.bits(e.clock)
	elapsed := time.Duration(now - e.lastRise).Seconds()
	if e.lastRise == 0 || elapsed > 1 {
		elapsed = min(elapsed, 1)
	}
	e.lastRise = now
	switch state {
	case overusing:
		if now-e.congestedAt < int64(200*time.Millisecond) && e.congestedAt != 0 {
			return // one reaction takes a round trip to show
		}
		e.strained(now)
		if acked > 0 {
			e.learnCapacity(acked)
			e.rate = min(e.rate, backOff*acked)
		} else {
			e.rate *= backOff
		}
	case underusing: // the queue drains
		return
	default:
		e.rise(elapsed, acked, now)
	}
	e.rate = e.clamp(e.rate)
	e.finishProbe()
}

func (e *Estimator) rise(elapsed, acked float64, now int64) {
	if acked > e.rate && now-e.congestedAt > settled { // more was sent than believed possible, and it got through
		e.rate = acked
		return
	}
	limit := freeOfReported*acked + freeBits
	if e.rate >= limit {
		return // what is not sent says nothing of what would arrive
	}
	next := e.rate * math.Pow(growth, elapsed)
	if e.capacity > 0 && math.Abs(e.rate-e.capacity) < nearCapacity*e.deviation*e.capacity {
		next = e.rate + 1200*8*elapsed*5 // a packet per round trip and a little
	} else if e.capacity > 0 && e.rate > e.capacity*(1+nearCapacity*e.deviation) {
		e.capacity = 0 // it has become more
	}
	e.rate = min(next, limit)
}

func (e *Estimator) learnCapacity(acked float64) {
	if e.capacity == 0 || math.Abs(acked-e.capacity) > nearCapacity*max(e.deviation, 0.1)*e.capacity {
		e.capacity, e.deviation = acked, 0.05
		return
	}
	d := (acked - e.capacity) / e.capacity
	e.capacity += 0.05 * (acked - e.capacity)
	e.deviation = min(max(0.95*e.deviation+0.05*math.Abs(d), 0.02), 0.2)
}

// judgeLoss lowers the estimate for loss that no queue explains and takes that back when it is over (section 6 of the draft).
func (e *Estimator) judgeLoss(now int64) {
	if e.lossSeen < lossPackets {
		return
	}
	share := float64(e.lossLost) / float64(e.lossSeen)
	e.lossSeen, e.lossLost = 0, 0
	switch {
	case share > lossHigh:
		e.strained(now)
		e.lossRate = e.clamp(min(e.lossRate, e.rate) * (1 - 0.5*share))
	case share < lossLow && e.lossRate < e.max:
		if e.lossRate *= 1.05; e.lossRate > 2*e.rate {
			e.lossRate = e.max
		}
	}
}

func (e *Estimator) strained(now int64) { e.congested, e.congestedAt = true, now }

func (e *Estimator) clamp(rate float64) float64 { return min(max(rate, e.min), e.max) }

// Available is what the connection carries, in bit/s.
func (e *Estimator) Available() float64 { return e.clamp(min(e.rate, e.lossRate)) }

// Acknowledged is what arrived lately, in bit/s.
func (e *Estimator) Acknowledged() float64 { return e.acked.bits(e.clock) }

// Reported tells whether feedback came at all.
func (e *Estimator) Reported() bool { return e.reported }

// Congested tells when there was last too much to send; ok is false when there never was: the estimate then means nothing more than its start.
func (e *Estimator) Congested() (at int64, ok bool) { return e.congestedAt, e.congested }

// BeginProbe says that the next packets sent as probe belong together.
func (e *Estimator) BeginProbe() { e.probe = probe{running: true} }

func (p *probe) arrived(at int64, size int) {
	if !p.running {
		return
	}
	if p.arrivals == 0 {
		p.firstArrived, p.firstBytes = at, size
	}
	p.arrivals++
	p.arrivedBytes += size
	p.firstArrived, p.last = min(p.firstArrived, at), max(p.last, at)
}

// finishProbe takes what a probe that has arrived shows: the rate at which it came in.
func (e *Estimator) finishProbe() {
	p := &e.probe
	if !p.running || p.arrivals < 4 || float64(p.arrivedBytes) < probeShare*float64(p.sentBytes) {
		return
	}
	p.running = false
	sent := time.Duration(p.lastSent - p.firstSent).Seconds()
	took := time.Duration(p.last - p.firstArrived).Seconds()
	if sent <= 0 || took <= 0 {
		return
	}
	sendRate := float64(p.beforeLast) * 8 / sent
	rate := min(sendRate, float64(p.arrivedBytes-p.firstBytes)*8/took)
	if rate < 0.9*sendRate { // the link was full
		rate *= 0.95
	}
	if rate > e.rate {
		e.rate = e.clamp(rate)
		e.capacity = 0
		e.lossRate = max(e.lossRate, e.rate)
	}
}

// Probing tells whether a probe was begun of which not enough has arrived yet.
func (e *Estimator) Probing() bool { return e.probe.running }

type usage int

const (
	normal usage = iota
	overusing
	underusing
)

// trend is the slope of the delay over the last bursts, against a threshold that adapts (sections 5.3 and 5.4 of the draft).
type trend struct {
	x, y      [trendPoints]float64 // ms
	n         int
	sum       float64 // accumulated delay
	smooth    float64
	first     int64
	threshold float64
	overFor   int64
	last      float64
	moved     int64
}

func (t *trend) add(change float64, at, step int64) usage {
	if t.first == 0 {
		t.first = at
	}
	t.sum += change
	t.smooth = trendSmoothing*t.smooth + (1-trendSmoothing)*t.sum
	t.x[t.n%trendPoints], t.y[t.n%trendPoints] = float64(at-t.first)/1e6, t.smooth
	t.n++
	if t.n < trendPoints {
		return normal
	}
	value := t.slope() * trendGain * float64(min(t.n, trendCount))
	state := normal
	switch {
	case value > t.threshold:
		t.overFor += step
		if t.overFor > overuseTime && value >= t.last {
			t.overFor = 0
			state = overusing
		}
	case value < -t.threshold:
		t.overFor = 0
		state = underusing
	default:
		t.overFor = 0
	}
	t.last = value
	t.adapt(math.Abs(value), at)
	return state
}

func (t *trend) slope() float64 {
	var mx, my, num, den float64
	for i := range trendPoints {
		mx += t.x[i]
		my += t.y[i]
	}
	mx /= trendPoints
	my /= trendPoints
	for i := range trendPoints {
		num += (t.x[i] - mx) * (t.y[i] - my)
		den += (t.x[i] - mx) * (t.x[i] - mx)
	}
	if den == 0 {
		return 0
	}
	return num / den
}

func (t *trend) adapt(value float64, at int64) {
	step := min(float64(at-t.moved)/1e6, 100)
	if t.moved == 0 || step < 0 {
		step = 0
	}
	t.moved = at
	if value > t.threshold+15 { // a jump, such as a change of route, is no reason to get used to it
		return
	}
	k := thresholdUp
	if value < t.threshold {
		k = thresholdDown
	}
	t.threshold = min(max(t.threshold+k*(value-t.threshold)*step, thresholdLow), thresholdHigh)
}

// rateWindow is the rate of what arrived in the last ackWindow of the receiver's clock.
type rateWindow struct {
	bytes   [ackBuckets]int
	number  int64 // of the newest bucket
	started bool
	since   int64
}

func (w *rateWindow) add(at int64, n int) {
	number := at / (ackWindow / ackBuckets)
	switch {
	case !w.started || number-w.number >= ackBuckets:
		if !w.started {
			w.since = at
		}
		*w = rateWindow{number: number, started: true, since: w.since}
	case number <= w.number-ackBuckets:
		return
	}
	for w.number < number {
		w.number++
		w.bytes[w.number%ackBuckets] = 0
	}
	w.bytes[number%ackBuckets] += n
}

func (w *rateWindow) bits(now int64) float64 {
	if !w.started {
		return 0
	}
	total := 0
	for _, n := range w.bytes {
		total += n
	}
	span := min(max(now-w.since, int64(100*time.Millisecond)), ackWindow)
	return float64(total) * 8 / time.Duration(span).Seconds()
}
