package media

import (
	"math/rand/v2"
	"testing"
	"time"
)

// link is a simulated path: a queue in front of a bottleneck, a propagation delay, jitter and loss. Times are ns.
type link struct {
	capacity float64 // bit/s
	delay    int64
	jitter   int64
	loss     float64
	buffer   int64 // longest queue
	random   *rand.Rand

	free int64 // when the bottleneck is idle again
}

// send returns when a packet arrives; ok is false when it is lost.
func (l *link) send(now int64, size int) (at int64, ok bool) {
	if l.random.Float64() < l.loss || l.free-now > l.buffer {
		return 0, false
	}
	l.free = max(l.free, now) + int64(float64(size*8)/l.capacity*1e9)
	return l.free + l.delay + l.random.Int64N(l.jitter+1), true
}

func (l *link) queue(now int64) time.Duration { return time.Duration(max(l.free-now, 0)) }

// sender drives an estimator with frames over a link.
type sender struct {
	t    *testing.T
	e    *Estimator
	link *link
	now  int64
	seq  uint16

	pending []Arrival // in order of sending; At is when it arrives, the receiver's clock
	number  uint8
	deepest time.Duration // queue seen since the last look
}

const receiverZero = int64(123456) * referenceUnit

func newSender(t *testing.T, start float64, l link) *sender {
	l.random = rand.New(rand.NewPCG(1, 2))
	return &sender{t: t, e: NewEstimator(start, 50_000, 20_000_000), link: &l, now: int64(time.Hour)}
}

func (s *sender) packet(size int, probe bool) {
	s.seq++
	s.e.Sent(s.seq, size, s.now, probe)
	at, ok := s.link.send(s.now, size)
	s.pending = append(s.pending, Arrival{Seq: s.seq, Lost: !ok, At: receiverZero + at})
	s.deepest = max(s.deepest, s.link.queue(s.now))
}

// run sends frames at the rate that rate returns, for d.
func (s *sender) run(d time.Duration, rate func() float64) {
	end := s.now + int64(d)
	for frame := 0; s.now < end; frame++ {
		bytes := int(rate() / 8 / 30)
		for bytes > 0 {
			n := min(bytes, 1200)
			s.packet(max(n, 100), false)
			bytes -= n
		}
		s.now += int64(time.Second) / 30
		if frame%3 == 2 {
			s.report()
		}
	}
}

// report delivers what has arrived, half a round trip later.
func (s *sender) report() {
	var f TransportFeedback
	i := 0
	for i < len(s.pending) && (s.pending[i].Lost || s.pending[i].At-receiverZero <= s.now) {
		i++
	}
	for _, a := range s.pending[:i] {
		a.At = a.At / arrivalUnit * arrivalUnit
		f.Packets = append(f.Packets, a)
	}
	s.pending = s.pending[i:]
	if len(f.Packets) == 0 {
		return
	}
	f.Number = s.number
	s.number++
	s.e.Feedback(&f, s.now+s.link.delay)
	if a := s.e.Available(); a < 50_000 || a > 20_000_000 {
		s.t.Fatalf("the estimate left its bounds: %.0f", a)
	}
}

func (s *sender) available() float64 { return s.e.Available() }

func fixed(bits float64) func() float64 { return func() float64 { return bits } }

func broadband(capacity float64) link {
	return link{capacity: capacity, delay: int64(30 * time.Millisecond), jitter: int64(2 * time.Millisecond), buffer: int64(500 * time.Millisecond)}
}

// TestEstimatorFollowsCapacity sends what the estimate allows: it settles below the capacity, without a standing queue.
func TestEstimatorFollowsCapacity(t *testing.T) {
	for _, capacity := range []float64{400_000, 1_000_000, 3_000_000, 8_000_000} {
		s := newSender(t, capacity*2, broadband(capacity))
		s.run(8*time.Second, s.available)
		s.deepest = 0
		total, n := 0.0, 0
		for range 60 {
			s.run(500*time.Millisecond, s.available)
			total += s.available()
			n++
		}
		if share := total / float64(n) / capacity; share < 0.7 || share > 1.05 {
			t.Errorf("%.0f bit/s: the estimate is %.2f of it", capacity, share)
		}
		if s.deepest > 300*time.Millisecond {
			t.Errorf("%.0f bit/s: a queue of %v", capacity, s.deepest)
		}
	}
}

// TestEstimatorSeesStepDown halves the capacity under a steady stream.
func TestEstimatorSeesStepDown(t *testing.T) {
	s := newSender(t, 5_000_000, broadband(4_000_000))
	s.run(10*time.Second, fixed(2_500_000))
	if _, congested := s.e.Congested(); congested {
		t.Fatal("a stream that fits counts as congestion")
	}
	s.link.capacity = 1_250_000
	start := s.now
	for s.available() > 1_250_000 && s.now-start < int64(5*time.Second) {
		s.run(100*time.Millisecond, fixed(2_500_000))
	}
	if took := time.Duration(s.now - start); took > 1500*time.Millisecond {
		t.Errorf("it took %v to see half the capacity", took)
	}
}

// TestEstimatorBelievesProbes frees the link again: without a probe the estimate stays near what is sent, with one it jumps.
func TestEstimatorBelievesProbes(t *testing.T) {
	s := newSender(t, 3_000_000, broadband(800_000))
	s.run(5*time.Second, fixed(1_500_000))
	s.run(5*time.Second, fixed(300_000))
	s.link.capacity = 6_000_000
	s.run(10*time.Second, fixed(300_000))
	if a := s.available(); a > 1_000_000 {
		t.Errorf("%.0f bit/s are believed of a stream of 300 kbit/s", a)
	}
	before := s.available()
	s.e.BeginProbe()
	for range 15 { // 2.9 Mbit/s for 50 ms
		s.packet(1200, true)
		s.now += int64(3300 * time.Microsecond)
	}
	s.run(500*time.Millisecond, fixed(300_000))
	if a := s.available(); a < 2*before || a > 6_000_000 {
		t.Errorf("after a probe of 2.9 Mbit/s: %.0f bit/s, before %.0f", a, before)
	}
	if s.e.Probing() {
		t.Error("the probe goes on")
	}
}

// TestProbeOfAFullLink finds the link's capacity, not the probe's rate.
func TestProbeOfAFullLink(t *testing.T) {
	s := newSender(t, 200_000, broadband(1_000_000))
	s.run(5*time.Second, fixed(150_000))
	s.e.BeginProbe()
	for range 20 {
		s.packet(1200, true)
		s.now += int64(2 * time.Millisecond)
	}
	s.run(time.Second, fixed(150_000))
	if a := s.available(); a > 1_150_000 {
		t.Errorf("%.0f bit/s over a link of 1 Mbit/s", a)
	}
}

// TestEstimatorIsNotFooled: random loss, jitter and large frames are no congestion.
func TestEstimatorIsNotFooled(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*link)
	}{
		{"3 % loss", func(l *link) { l.loss = 0.03 }},
		{"jitter of 20 ms", func(l *link) { l.jitter = int64(20 * time.Millisecond) }},
	} {
		l := broadband(5_000_000)
		c.edit(&l)
		s := newSender(t, 5_000_000, l)
		frame := 0
		s.run(60*time.Second, func() float64 {
			frame++
			if frame%90 == 0 {
				return 12_000_000 // a keyframe
			}
			return 1_500_000
		})
		if a := s.available(); a < 1_500_000 {
			t.Errorf("%s: %.0f bit/s for a stream of 1.5 Mbit/s over 5", c.name, a)
		}
	}
}

func TestEstimatorLowersForHeavyLoss(t *testing.T) {
	l := broadband(5_000_000)
	l.loss = 0.25
	s := newSender(t, 3_000_000, l)
	s.run(3*time.Second, fixed(2_000_000))
	if a := s.available(); a > 1_500_000 {
		t.Errorf("%.0f bit/s with a quarter lost", a)
	}
	if _, congested := s.e.Congested(); !congested {
		t.Error("no congestion")
	}
	s.link.loss = 0
	s.run(30*time.Second, fixed(1_000_000))
	if a := s.available(); a < 1_000_000 {
		t.Errorf("%.0f bit/s long after the loss", a)
	}
}

func TestEstimatorWithREMB(t *testing.T) {
	e := NewEstimator(2_000_000, 50_000, 10_000_000)
	e.REMB(700_000, 1)
	if e.Available() != 700_000 {
		t.Errorf("%.0f", e.Available())
	}
	e.Sent(7, 1000, 1, false)
	e.Feedback(&TransportFeedback{Packets: []Arrival{{Seq: 7, At: 1}}}, 2)
	e.REMB(100_000, 3)
	if e.Available() < 500_000 {
		t.Error("REMB counts beside transport-wide feedback")
	}
}

// TestReportCountsOnce repeats a report, as pion does, and sends one about packets that were never sent.
func TestReportCountsOnce(t *testing.T) {
	e := NewEstimator(1_000_000, 50_000, 10_000_000)
	f := &TransportFeedback{Number: 3}
	for i := range uint16(40) {
		e.Sent(i, 1000, int64(i)*1e6, false)
		f.Packets = append(f.Packets, Arrival{Seq: i, Lost: true})
	}
	e.Feedback(f, 1e9)
	e.Feedback(f, 1e9+1)
	if e.lossSeen != 40 {
		t.Errorf("%d packets counted", e.lossSeen)
	}
	e.Feedback(&TransportFeedback{Number: 4, Packets: []Arrival{{Seq: 999, At: 5}}}, 2e9)
	if e.lossSeen != 40 || e.Acknowledged() != 0 {
		t.Error("a packet that was not sent was acknowledged")
	}
}

// TestReceiverClockTurnsOver crosses the end of the 24-bit reference time.
func TestReceiverClockTurnsOver(t *testing.T) {
	e := NewEstimator(1_000_000, 50_000, 10_000_000)
	turn := referenceUnit << 24
	a := e.unwrap(turn - 1e9)
	if b := e.unwrap(5e8); b-a != 15e8 {
		t.Errorf("%d ns apart, want 1.5 s", b-a)
	}
	if c := e.unwrap(turn - 2e8); c-a != 8e8 {
		t.Errorf("an earlier packet is %d ns after the first, want 0.8 s", c-a)
	}
}

func FuzzEstimator(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Fuzz(func(t *testing.T, b []byte) {
		e := NewEstimator(1_000_000, 50_000, 10_000_000)
		now, seq := int64(1), uint16(0)
		report := &TransportFeedback{}
		for i, c := range b {
			now += int64(c) * 1e5
			switch c % 5 {
			case 0, 1:
				e.Sent(seq, int(c)*10, now, c%7 == 0)
				seq++
			case 2:
				report.Packets = append(report.Packets, Arrival{Seq: seq - uint16(c>>4), Lost: c&8 != 0, At: int64(c) << (uint(i) % 40)})
			case 3:
				report.Number = c
				e.Feedback(report, now)
				report.Packets = report.Packets[:0]
			case 4:
				e.BeginProbe()
			}
			if a := e.Available(); !(a >= 50_000 && a <= 10_000_000) {
				t.Fatalf("estimate %v", a)
			}
		}
	})
}

func BenchmarkEstimator(b *testing.B) {
	e := NewEstimator(1_000_000, 50_000, 10_000_000)
	f := &TransportFeedback{}
	b.ReportAllocs()
	for i := range b.N {
		e.Sent(uint16(i), 1200, int64(i)*1e6, false)
		f.Packets = append(f.Packets, Arrival{Seq: uint16(i), At: int64(i) * 1e6})
		if len(f.Packets) == 20 {
			f.Number++
			e.Feedback(f, int64(i)*1e6)
			f.Packets = f.Packets[:0]
		}
	}
}
