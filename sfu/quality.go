package sfu

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
)

const (
	qualityInterval = 5 * time.Second

	// Scores are a mean opinion score by the E-model's curve (ITU-T G.107 annex B), 4.5 at best.
	bestScore      = 4.5
	excellentAbove = 4.1
	goodAbove      = 3.1
	limitedScore   = 3.9  // at best, of a connection that cannot carry what its participant wishes to receive
	classMargin    = 0.05 // by which a score has to pass a bound before the quality is better
	scoreRise      = 0.5  // of the difference, per interval; worse counts at once

	lossWeight    = 30.0 // of the E-model's equipment impairment
	lossSharpness = 20.0
	measuredLeast = 10 // packets that say something about loss
)

// verdict is how well a participant's connection works. It is replaced as a whole.
type verdict struct {
	quality livekit.ConnectionQuality
	score   float64
}

// reception is what a viewer reported of one stream. The worker writes, anybody reads.
type reception struct {
	lost   atomic.Uint32 // of 256, in the newest report; reportedLost marks that there was one
	rtt    atomic.Int64  // ns, 0: not known
	jitter atomic.Int64  // ns
}

const reportedLost = 1 << 8

// impairments are what a stream suffers.
type impairments struct {
	loss        float64 // 0 to 1, what retransmission did not bring back included
	rtt, jitter time.Duration
}

// opinion is the score of a stream: 4.5 without loss and delay, 1 when nothing is usable.
func (i impairments) opinion() float64 {
	delay := (i.rtt/2 + 2*i.jitter).Seconds() * 1000
	r := 100 - lossWeight*math.Log1p(lossSharpness*i.loss) - 0.024*delay
	if delay > 177.3 {
		r -= 0.11 * (delay - 177.3)
	}
	r = min(max(r, 0), 100)
	return min(max(1+0.035*r+7e-6*r*(r-60)*(100-r), 1), bestScore)
}

// next is the verdict after one more interval with this score.
func (v *verdict) next(score float64) *verdict {
	if v != nil && v.quality != livekit.ConnectionQuality_LOST && score > v.score {
		score = v.score + (score-v.score)*scoreRise
	}
	score = math.Round(score*100) / 100
	margin := func(q livekit.ConnectionQuality) float64 {
		if v != nil && v.quality < q {
			return classMargin
		}
		return 0
	}
	quality := livekit.ConnectionQuality_POOR
	switch {
	case score > excellentAbove+margin(livekit.ConnectionQuality_EXCELLENT):
		quality = livekit.ConnectionQuality_EXCELLENT
	case score > goodAbove+margin(livekit.ConnectionQuality_GOOD):
		quality = livekit.ConnectionQuality_GOOD
	}
	return &verdict{quality, score}
}

// measured is what a layer had received at the end of the last interval.
type measured struct{ packets, lost uint64 }

// followQuality ends an interval: the participant's own connection gets a verdict, and the client is told whose verdict changed, its own and
// those of the publishers that it receives.
func (p *Participant) followQuality() {
	if !p.connected {
		return
	}
	p.verdict.Store(p.measureQuality())
	present := map[string]*verdict{p.sid: p.verdict.Load()}
	for _, s := range p.subscribe.active {
		publisher := s.publication.publisher
		if v := publisher.verdict.Load(); v != nil {
			present[publisher.sid] = v
		}
	}
	m := ConnectionQuality{}
	for sid, v := range present {
		if told, ok := p.told[sid]; !ok || told != v.quality {
			m.Updates = append(m.Updates, &livekit.ConnectionQualityInfo{ParticipantSid: sid, Quality: v.quality, Score: float32(v.score)})
		}
	}
	clear(p.told)
	for sid, v := range present {
		p.told[sid] = v.quality
	}
	if len(m.Updates) > 0 {
		p.send(m)
	}
}

// measureQuality judges by the worst of the streams. A connection over which nothing comes any more is lost; silence of a stream alone says
// nothing, because muted tracks, paused layers and discontinuous speech are silent too.
func (p *Participant) measureQuality() *verdict {
	for _, t := range []*transport{p.publisher, p.viewer} {
		if t != nil && t.silent {
			return &verdict{livekit.ConnectionQuality_LOST, 0}
		}
	}
	score := bestScore
	for _, pub := range p.publish.live {
		score = min(score, p.publishedScore(pub))
	}
	for _, s := range p.subscribe.active {
		if !s.added {
			continue
		}
		r := &s.reception
		if lost := r.lost.Load(); lost&reportedLost != 0 {
			score = min(score, impairments{float64(lost&0xff) / 256, time.Duration(r.rtt.Load()), time.Duration(r.jitter.Load())}.opinion())
		}
		if s.limited.Load() {
			score = min(score, limitedScore)
		}
	}
	return p.verdict.Load().next(score)
}

func (p *Participant) publishedScore(pub *Publication) float64 {
	score := bestScore
	for _, l := range *pub.layers.Load() {
		stats := l.intake.Stats()
		now := measured{stats.Packets, stats.Lost}
		before := l.measured
		l.measured = now
		packets := now.packets - before.packets
		if packets < measuredLeast || pub.muted.Load() {
			continue
		}
		lost := max(int64(now.lost-before.lost), 0) // late packets of the interval before are taken off
		loss := float64(lost) / float64(packets+uint64(lost))
		score = min(score, impairments{loss: loss, rtt: pub.transport.roundTrip()}.opinion())
	}
	return score
}
