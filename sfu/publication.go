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
	source    livekit.TrackSource
	transport *transport
	loudness  loudness
	encrypted bool // end to end

	codec      atomic.Uint32 // media.Codec of the primary encoding; CodecUnknown until known
	backup     atomic.Uint32 // media.Codec announced beside it; CodecUnknown: none
	regressed  atomic.Bool   // everybody who can gets the backup
	fmtp       atomic.Pointer[string]
	muted      atomic.Bool
	hasViews   atomic.Bool // a first viewer was announced to the publisher
	shape      atomic.Pointer[shape]
	demand     demand
	demandNews atomic.Bool // the publisher has been asked to look at the demand

	// layers from the lowest to the highest quality; replaced as a whole, under mu, and read by workers
	layers atomic.Pointer[[]*layer]
	mu     sync.Mutex

	// owned by the publisher's goroutine
	info        *livekit.TrackInfo
	told        []toldDemand // per announced codec
	backupFlows bool         // packets of the backup codec came
}

func newPublication(p *Participant, t *transport, mid, cid string, info *livekit.TrackInfo) *Publication {
	pub := &Publication{sid: info.Sid, cid: cid, mid: mid, publisher: p, transport: t, info: info, source: info.Source, kind: media.KindAudio, encrypted: info.Encryption != livekit.Encryption_NONE}
	if info.Type == livekit.TrackType_VIDEO {
		pub.kind = media.KindVideo
	}
	pub.layers.Store(&[]*layer{})
	pub.shape.Store(newShape(info))
	return pub
}

func (pub *Publication) isAudio() bool { return pub.kind == media.KindAudio }

// mediaCodec is the primary codec, CodecUnknown while neither the client's announcement nor a packet named it.
func (pub *Publication) mediaCodec() media.Codec { return media.Codec(pub.codec.Load()) }

// subscribable tells whether a viewer can be attached: Opus and RED change per packet, a video codec must be known.
func (pub *Publication) subscribable() bool {
	return pub.isAudio() || pub.mediaCodec() != media.CodecUnknown
}

// bestLayer is the highest layer of the wished codec that flows and is not above the wished quality; if there is none, the lowest that
// flows: a picture that is too good is better than none.
func (pub *Publication) bestLayer(w wish, now int64) *layer {
	var best *layer
	for _, l := range *pub.layers.Load() {
		if !l.flows(now) || !pub.isAudio() && l.mediaCodec() != w.codec {
			continue
		}
		if best == nil || l.quality <= w.quality {
			best = l
		}
	}
	return best
}

// bits is what a viewer with this wish costs at a quality, in bit/s: as measured, or as declared while that layer does not flow.
func (pub *Publication) bits(w wish, quality int, now int64) float64 {
	w.quality = min(w.quality, quality)
	l := pub.bestLayer(w, now)
	if l != nil && !pub.isAudio() {
		if top, _ := l.ring.Layers(); top > 0 {
			return float64(l.ring.BitRateUpTo(uint8(max(w.quality, qualityLow)))) * packetOverhead
		}
	}
	if l != nil && (pub.isAudio() || l.quality == w.quality || pub.shape.Load().bitrate(w.quality) == 0) {
		return float64(l.ring.BitRate()) * packetOverhead
	}
	return float64(pub.shape.Load().bitrate(w.quality)) * packetOverhead
}

// packetOverhead is what headers and retransmissions add to a payload.
const packetOverhead = 1.08

// has tells whether a layer is still read.
func (pub *Publication) has(l *layer) bool {
	for _, o := range *pub.layers.Load() {
		if o == l {
			return true
		}
	}
	return false
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
