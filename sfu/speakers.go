package sfu

import (
	"math"
	"sync/atomic"

	"github.com/livekit/protocol/livekit"
)

const (
	speakingLevel   = 35  // -dBov (RFC 6464): louder is speech
	speakingShare   = 0.4 // of the packets of an interval
	levelSmoothing  = 2.0 / 3
	levelSteps      = 8    // levels are told in eighths, so that small changes are no change
	expectedPackets = 20.0 // of 20 ms in a speakerInterval; DTX sends fewer
)

// loudness gathers the audio levels of one track during an interval. The track's reader adds, the manager's goroutine takes.
type loudness struct {
	loud    atomic.Uint32 // packets at or above speakingLevel
	loudest atomic.Uint32 // 127 - level, of those
	// owned by the manager's goroutine
	smoothed float64
}

func (l *loudness) add(level uint8) {
	if level > speakingLevel {
		return
	}
	l.loud.Add(1)
	if v := uint32(127 - level); v > l.loudest.Load() {
		l.loudest.Store(v) // one writer
	}
}

// take ends an interval and returns the linear level, 0 to 1 in eighths. Silence is found also when no packets come at all.
func (l *loudness) take() float64 {
	loud, loudest := float64(l.loud.Swap(0)), l.loudest.Swap(0)
	level := 0.0
	if share := min(loud/expectedPackets, 1); share >= speakingShare {
		db := 127 - float64(loudest) - 20*math.Log10(share)
		level = math.Pow(10, -db/20)
	}
	l.smoothed += (level - l.smoothed) * levelSmoothing
	if l.smoothed < 1.0/levelSteps/16 {
		l.smoothed = 0
	}
	return math.Ceil(l.smoothed*levelSteps) / levelSteps
}

// announceSpeakers ends an interval: everybody is told whose level changed.
func (r *Room) announceSpeakers() {
	r.mu.Lock()
	levels := make(map[string]float64)
	for _, pub := range r.publications {
		if pub.isAudio() && !pub.publisher.hidden() {
			level := pub.loudness.take()
			if pub.muted.Load() {
				level, pub.loudness.smoothed = 0, 0 // at once: what is heard before the mute is over
			}
			levels[pub.publisher.sid] = max(levels[pub.publisher.sid], level)
		}
	}
	var changed []*livekit.SpeakerInfo
	for sid, level := range levels {
		if r.speakers[sid] != level {
			changed = append(changed, &livekit.SpeakerInfo{Sid: sid, Level: float32(level), Active: level > 0})
		}
	}
	for sid, level := range r.speakers {
		if _, here := levels[sid]; !here && level > 0 {
			changed = append(changed, &livekit.SpeakerInfo{Sid: sid})
		}
	}
	r.speakers = levels
	var to []*Participant
	if len(changed) > 0 {
		to = r.othersLocked(nil)
	}
	r.mu.Unlock()
	for _, p := range to {
		p.post(speakersCommand{changed})
	}
}

// speakerLevel is what everybody was last told of a participant.
func (r *Room) speakerLevel(sid string) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.speakers[sid]
}

// introduceSpeaker tells a client that begins to receive somebody's audio that it is speaking, if it is.
func (p *Participant) introduceSpeaker(sid string) {
	if level := p.room.speakerLevel(sid); level > 0 {
		p.send(Speakers{Speakers: []*livekit.SpeakerInfo{{Sid: sid, Level: float32(level), Active: true}}})
	}
}

// tellSpeakers passes on what concerns the client: itself, and those whose audio it receives.
func (p *Participant) tellSpeakers(changed []*livekit.SpeakerInfo) {
	var mine []*livekit.SpeakerInfo
	for _, s := range changed {
		if s.Sid == p.sid || p.hears(s.Sid) {
			mine = append(mine, s)
		}
	}
	if len(mine) > 0 {
		p.send(Speakers{Speakers: mine})
	}
}
