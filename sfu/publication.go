package sfu

import (
	"sync"
	"sync/atomic"

	"github.com/livekit/protocol/livekit"

	"careline/sfu/media"
)

// Publication is one published track: what is known of it, and its layers.
type Publication struct {
	// immutable
	sid       string
	cid       string
	mid       string
	publisher *Participant
	kind      media.Kind
	transport *transport
	loudness  loudness

	codec    atomic.Uint32 // media.Codec of the primary encoding; CodecUnknown until known
	fmtp     atomic.Pointer[string]
	muted    atomic.Bool
	hasViews atomic.Bool // a first viewer was announced to the publisher

	// layers from the lowest to the highest quality; replaced as a whole, under mu, and read by workers
	layers atomic.Pointer[[]*layer]
	mu     sync.Mutex

	// owned by the publisher's goroutine
	info *livekit.TrackInfo
}

func newPublication(p *Participant, t *transport, mid, cid string, info *livekit.TrackInfo) *Publication {
	pub := &Publication{sid: info.Sid, cid: cid, mid: mid, publisher: p, transport: t, info: info, kind: media.KindAudio}
	if info.Type == livekit.TrackType_VIDEO {
		pub.kind = media.KindVideo
	}
	pub.layers.Store(&[]*layer{})
	return pub
}

func (pub *Publication) isAudio() bool { return pub.kind == media.KindAudio }

// mediaCodec is the primary codec, CodecUnknown while neither the client's announcement nor a packet named it.
func (pub *Publication) mediaCodec() media.Codec { return media.Codec(pub.codec.Load()) }

// subscribable tells whether a viewer can be attached: Opus and RED change per packet, a video codec must be known.
func (pub *Publication) subscribable() bool {
	return pub.isAudio() || pub.mediaCodec() != media.CodecUnknown
}

// addLayer inserts a layer by its quality.
func (pub *Publication) addLayer(l *layer) {
	pub.mu.Lock()
	defer pub.mu.Unlock()
	old := *pub.layers.Load()
	layers := make([]*layer, 0, len(old)+1)
	at := len(old)
	for i, o := range old {
		if o.quality > l.quality {
			at = i
			break
		}
	}
	layers = append(layers, old[:at]...)
	layers = append(layers, l)
	layers = append(layers, old[at:]...)
	pub.layers.Store(&layers)
}

// removeLayer takes a layer out whose reader ended.
func (pub *Publication) removeLayer(l *layer) {
	pub.mu.Lock()
	defer pub.mu.Unlock()
	old := *pub.layers.Load()
	layers := make([]*layer, 0, len(old))
	for _, o := range old {
		if o != l {
			layers = append(layers, o)
		}
	}
	pub.layers.Store(&layers)
}
