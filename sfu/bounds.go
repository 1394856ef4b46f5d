package sfu

import (
	"slices"

	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
)

// Bounds of one published track. Everybody in the room is told of what it declares.
const (
	maxLayers         = 8   // of one codec
	maxTrackText      = 256 // bytes of its name, stream, client ids
	maxLayerName      = 64  // bytes of a stream id
	maxTrailers       = 16
	maxStreams        = 4  // simulcast streams of one media section
	maxSectionSources = 16 // SSRCs that one media section declares
)

// withinBounds tells whether an announced track is of a size that can be shown to everybody.
func withinBounds(r *livekit.AddTrackRequest) bool {
	short := func(texts ...string) bool {
		return !slices.ContainsFunc(texts, func(s string) bool { return len(s) > maxTrackText })
	}
	few := func(layers []*livekit.VideoLayer) bool {
		return len(layers) <= maxLayers && !slices.ContainsFunc(layers, func(l *livekit.VideoLayer) bool { return len(l.GetRid()) > maxLayerName })
	}
	for _, c := range r.SimulcastCodecs {
		if !short(c.GetCid(), c.GetCodec()) || !few(c.GetLayers()) {
			return false
		}
	}
	return short(r.Cid, r.Name, r.Stream, r.Sid) && few(r.Layers) && len(r.SimulcastCodecs) <= codecsPerTrack &&
		len(r.AudioFeatures) <= len(livekit.AudioTrackFeature_name) && len(r.PacketTrailerFeatures) <= maxTrailers
}

// checkCollisions refuses an offer in which two sources of media could be taken for one another: an SSRC in two sections, or a stream id
// twice in one.
func (o offerSummary) checkCollisions() error {
	owner := make(map[uint32]string)
	for _, s := range o.sections {
		if len(s.rids) > maxStreams || len(s.ssrcs)+len(s.repairs) > maxSectionSources {
			return errs.New(errs.Limit, "a media section declares too many streams")
		}
		for i, rid := range s.rids {
			if rid == "" || len(rid) > maxLayerName || slices.Contains(s.rids[:i], rid) {
				return errs.New(errs.Invalid, "a media section has a stream id twice")
			}
		}
		if !s.sends() {
			continue
		}
		for _, ssrc := range append(slices.Clone(s.ssrcs), s.repairs...) {
			if other, taken := owner[ssrc]; taken && other != s.mid {
				return errs.New(errs.Invalid, "two media sections declare the same SSRC")
			}
			owner[ssrc] = s.mid
		}
	}
	return nil
}
