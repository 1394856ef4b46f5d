package sfu

import (
	"strings"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/sfu/media"
)

// lowerAfter is how long less demand has to last until a publisher is told: viewers come back, and an encoder takes time to start.
const lowerAfter = 5 * time.Second

// demand counts what all viewers of a publication want, so that its publisher sends no more than that ("dynacast"). Viewers change it,
// each on its own goroutine; the publisher reads it.
type demand struct {
	mu sync.Mutex
	// guarded by mu
	viewers map[media.Codec]*[qualities]int
}

// share is one viewer's part of a demand; quality qualityNone: nothing.
type share struct {
	codec   media.Codec
	quality int
}

var noShare = share{quality: qualityNone}

// replace exchanges one viewer's share and reports whether the publisher has to know.
func (d *demand) replace(old, with share) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.viewers == nil {
		d.viewers = make(map[media.Codec]*[qualities]int)
	}
	before := [2]int{d.highestLocked(old.codec), d.highestLocked(with.codec)}
	if old.quality != qualityNone {
		d.viewers[old.codec][old.quality]--
	}
	if with.quality != qualityNone {
		v := d.viewers[with.codec]
		if v == nil {
			v = new([qualities]int)
			d.viewers[with.codec] = v
		}
		v[with.quality]++
	}
	return before != [2]int{d.highestLocked(old.codec), d.highestLocked(with.codec)}
}

func (d *demand) highestLocked(c media.Codec) int {
	v := d.viewers[c]
	for q := qualityHigh; v != nil && q >= qualityLow; q-- {
		if v[q] > 0 {
			return q
		}
	}
	return qualityNone
}

// highest is the best quality of a codec that anybody wants, qualityNone when nobody wants it.
func (d *demand) highest(c media.Codec) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.highestLocked(c)
}

// demandNow brings the publication's demand to what the subscription's wish is.
func (s *subscription) demandNow() {
	now := share{s.wish.codec, s.wish.quality}
	if s.wish.off || s.publication.isAudio() {
		now = noShare
	}
	s.replaceShare(now)
}

func (s *subscription) replaceShare(with share) {
	if with == s.share {
		return
	}
	old := s.share
	s.share = with
	if s.publication.demand.replace(old, with) {
		s.publication.demandChanged()
	}
}

// demandChanged has the publisher look at the demand; asking again before it did costs nothing.
func (pub *Publication) demandChanged() {
	if !pub.demandNews.Swap(true) {
		pub.publisher.post(demandCommand{pub})
	}
}

// toldDemand is what a publisher was last told of one codec. Owned by its goroutine.
type toldDemand struct {
	codec   media.Codec
	quality int
	lowerAt time.Time // when less is to be told; zero: nothing is due
}

// followDemand compares a publication's demand with what its publisher knows: more is told at once, less after lowerAfter.
func (p *Participant) followDemand(pub *Publication) {
	pub.demandNews.Store(false)
	if !p.owns(pub) || pub.isAudio() {
		return
	}
	p.regress(pub)
	now := p.manager.clock.Now()
	tell := false
	for i := range pub.told {
		t := &pub.told[i]
		switch q := pub.demand.highest(t.codec); {
		case q == t.quality:
			t.lowerAt = time.Time{}
		case q > t.quality:
			t.quality, t.lowerAt, tell = q, time.Time{}, true
		case t.lowerAt.IsZero():
			t.lowerAt = now.Add(lowerAfter)
		case !now.Before(t.lowerAt):
			t.quality, t.lowerAt, tell = q, time.Time{}, true
		}
	}
	if tell {
		p.tellDemand(pub)
	}
	p.armDemandTimer()
}

// followAllDemand is what the timer does.
func (p *Participant) followAllDemand() {
	for _, pub := range p.publish.live {
		p.followDemand(pub)
	}
}

func (p *Participant) armDemandTimer() {
	var next time.Time
	for _, pub := range p.publish.live {
		for _, t := range pub.told {
			if !t.lowerAt.IsZero() && (next.IsZero() || t.lowerAt.Before(next)) {
				next = t.lowerAt
			}
		}
	}
	p.demandTimer.Stop()
	if !next.IsZero() {
		p.demandTimer.Reset(max(next.Sub(p.manager.clock.Now()), 0))
	}
}

// tellDemand sends what is wanted of a track, the first codec first. A muted track sends nothing anyway: its publisher is told again when
// it unmutes.
func (p *Participant) tellDemand(pub *Publication) {
	if pub.muted.Load() || len(pub.told) == 0 {
		return
	}
	m := SubscribedQuality{TrackSID: pub.sid}
	for _, t := range pub.told {
		c := &livekit.SubscribedCodec{Codec: bareName(t.codec)}
		for q := qualityLow; q <= qualityHigh; q++ {
			c.Qualities = append(c.Qualities, &livekit.SubscribedQuality{Quality: livekit.VideoQuality(q), Enabled: q <= t.quality})
		}
		m.Codecs = append(m.Codecs, c)
	}
	p.send(m)
}

// demandCodecs keeps the table of what is told in step with the codecs of the track: all that were announced, the primary first. What is new
// counts as wanted in full, which is how clients start; a track without viewers is told so after lowerAfter.
func (p *Participant) demandCodecs(pub *Publication) {
	told := pub.told
	pub.told = nil
	add := func(c media.Codec) {
		if c == media.CodecUnknown || c.Kind() != media.KindVideo {
			return
		}
		for _, t := range pub.told {
			if t.codec == c {
				return
			}
		}
		quality := qualityHigh
		if len(pub.told) > 0 {
			quality = qualityNone // a backup is published when it is asked for
		}
		for _, t := range told {
			if t.codec == c {
				quality = t.quality
			}
		}
		pub.told = append(pub.told, toldDemand{codec: c, quality: quality})
	}
	add(pub.mediaCodec())
	add(pub.backupCodec())
	p.followDemand(pub)
}

func bareName(c media.Codec) string {
	_, name, _ := strings.Cut(c.MimeType(), "/")
	return strings.ToLower(name)
}
