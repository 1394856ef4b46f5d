package sfu

import (
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
)

func TestAnnouncedTracksAreBounded(t *testing.T) {
	long := strings.Repeat("x", maxTrackText+1)
	layers := func(n int) []*livekit.VideoLayer {
		list := make([]*livekit.VideoLayer, n)
		for i := range list {
			list[i] = &livekit.VideoLayer{Quality: livekit.VideoQuality(i % 3)}
		}
		return list
	}
	for name, c := range map[string]struct {
		request *livekit.AddTrackRequest
		fits    bool
	}{
		"plain":              {&livekit.AddTrackRequest{Cid: "c", Name: "camera", Layers: layers(3)}, true},
		"as much as allowed": {&livekit.AddTrackRequest{Cid: long[1:], Name: long[1:], Layers: layers(maxLayers), SimulcastCodecs: make([]*livekit.SimulcastCodec, codecsPerTrack)}, true},
		"long client id":     {&livekit.AddTrackRequest{Cid: long}, false},
		"long name":          {&livekit.AddTrackRequest{Name: long}, false},
		"long stream":        {&livekit.AddTrackRequest{Stream: long}, false},
		"layers":             {&livekit.AddTrackRequest{Layers: layers(maxLayers + 1)}, false},
		"layers of a codec":  {&livekit.AddTrackRequest{SimulcastCodecs: []*livekit.SimulcastCodec{{Layers: layers(10_000)}}}, false},
		"codec's client id":  {&livekit.AddTrackRequest{SimulcastCodecs: []*livekit.SimulcastCodec{{Cid: long}}}, false},
		"codecs":             {&livekit.AddTrackRequest{SimulcastCodecs: make([]*livekit.SimulcastCodec, codecsPerTrack+1)}, false},
		"layer's name":       {&livekit.AddTrackRequest{Layers: []*livekit.VideoLayer{{Rid: long}}}, false},
		"features":           {&livekit.AddTrackRequest{AudioFeatures: make([]livekit.AudioTrackFeature, 100)}, false},
		"trailers":           {&livekit.AddTrackRequest{PacketTrailerFeatures: make([]livekit.PacketTrailerFeature, 100)}, false},
	} {
		if withinBounds(c.request) != c.fits {
			t.Errorf("%s: %v", name, !c.fits)
		}
	}
}
