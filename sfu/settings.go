package sfu

import (
	"github.com/livekit/protocol/livekit"

	"careline/sfu/media"
)

// The qualities of a video track, as livekit.VideoQuality numbers them.
const (
	qualityNone = -1
	qualityLow  = 0
	qualityHigh = 2
	qualities   = 3
)

// trackSettings is what a viewer wants of one track. An UpdateTrackSettings replaces it whole.
type trackSettings struct {
	disabled      bool
	quality       int
	width, height uint32 // pixels; where both are set they count instead of quality
	fps           uint32 // frames/s at most, 0: all
	priority      uint32 // who keeps its quality longest when there is not enough for all; 0: not said
}

// fullSettings is what a viewer gets that said nothing.
var fullSettings = trackSettings{quality: qualityHigh}

func newTrackSettings(u *livekit.UpdateTrackSettings) trackSettings {
	t := trackSettings{
		disabled: u.Disabled || u.Quality == livekit.VideoQuality_OFF,
		quality:  min(max(int(u.Quality), qualityLow), qualityHigh),
		width:    u.Width,
		height:   u.Height,
		fps:      u.Fps,
		priority: u.Priority,
	}
	return t
}

// wish is what a viewer's worker is to send of a track: settings, applied to what is published.
type wish struct {
	codec    media.Codec
	off      bool
	quality  int // at most
	fps      uint32
	priority uint32
}

// qualityFor is the lowest quality whose picture is as large as the one asked for. The shorter sides are compared, because phones turn
// their pictures.
func (t trackSettings) qualityFor(s *shape) int {
	if t.width == 0 || t.height == 0 {
		return t.quality
	}
	for _, l := range s.layers {
		if min(l.width, l.height) >= min(t.width, t.height) {
			return l.quality
		}
	}
	return qualityHigh
}

// shape is what a publisher declared of its encodings. It is replaced as a whole.
type shape struct {
	layers []declaredLayer // lowest first; only those with a size
}

type declaredLayer struct {
	quality       int
	width, height uint32 // pixels
	bitrate       uint32 // bit/s, 0: not said
}

func newShape(info *livekit.TrackInfo) *shape {
	s := &shape{}
	for _, l := range info.Layers {
		if l.Width > 0 && l.Height > 0 {
			s.layers = append(s.layers, declaredLayer{
				quality: min(max(int(l.Quality), qualityLow), qualityHigh), width: l.Width, height: l.Height, bitrate: l.Bitrate,
			})
		}
	}
	return s
}

// bitrate is what was declared for a quality, 0 when nothing was.
func (s *shape) bitrate(quality int) uint32 {
	for _, l := range s.layers {
		if l.quality == quality {
			return l.bitrate
		}
	}
	return 0
}

// updateTrackSettings changes what is forwarded of received tracks; nothing of it needs a negotiation.
func (p *Participant) updateTrackSettings(u *livekit.UpdateTrackSettings) {
	for _, sid := range u.TrackSids {
		p.setTrackSettings(sid, newTrackSettings(u))
	}
}

// pauseTrack changes only whether a track flows.
func (p *Participant) pauseTrack(sid string, paused bool) {
	t := p.trackSettings(sid)
	t.disabled = paused
	p.setTrackSettings(sid, t)
}

func (p *Participant) trackSettings(sid string) trackSettings {
	if t, ok := p.subscribe.settings[sid]; ok {
		return t
	}
	return fullSettings
}

func (p *Participant) setTrackSettings(sid string, t trackSettings) {
	_, known := p.subscribe.settings[sid]
	switch {
	case t == fullSettings:
		delete(p.subscribe.settings, sid)
	case known || len(p.subscribe.settings) < maxWishes || p.available[sid] != nil:
		p.subscribe.settings[sid] = t
	default:
		return
	}
	if s := p.subscribe.active[sid]; s != nil {
		p.applyWish(s)
	}
}

// tellStreamState tells the client why a video stands still, or that it moves.
func (p *Participant) tellStreamState(pub *Publication, paused bool) {
	state := livekit.StreamState_ACTIVE
	if paused {
		state = livekit.StreamState_PAUSED
	}
	p.send(StreamStates{States: []*livekit.StreamStateInfo{{ParticipantSid: pub.publisher.sid, TrackSid: pub.sid, State: state}}})
}

// applyWish tells the publication and the worker what a subscription is to carry from now on.
func (p *Participant) applyWish(s *subscription) {
	t := p.trackSettings(s.publication.sid)
	w := wish{
		codec: s.codec, off: t.disabled, fps: t.fps, priority: t.priority,
		quality: t.qualityFor(s.publication.shape.Load()),
	}
	if w == s.wish {
		return
	}
	s.wish = w
	s.demandNow()
	if s.added {
		s.worker.post(wishCommand{s, w})
	}
}
