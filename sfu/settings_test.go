package sfu

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

func TestQualityForDimensions(t *testing.T) {
	s := newShape(&livekit.TrackInfo{Layers: []*livekit.VideoLayer{
		{Quality: livekit.VideoQuality_LOW, Width: 320, Height: 180, Bitrate: 160_000},
		{Quality: livekit.VideoQuality_MEDIUM, Width: 640, Height: 360},
		{Quality: livekit.VideoQuality_HIGH, Width: 1280, Height: 720},
	}})
	for _, c := range []struct {
		name          string
		width, height uint32
		quality, want int
	}{
		{"a thumbnail", 200, 112, qualityHigh, 0},
		{"exactly the lowest", 320, 180, qualityHigh, 0},
		{"a little more", 322, 182, qualityLow, 1},
		{"upright", 300, 500, qualityLow, 1},
		{"larger than all", 4000, 3000, qualityLow, 2},
		{"no size", 0, 0, 1, 1},
		{"half a size is none", 640, 0, 0, 0},
	} {
		settings := trackSettings{quality: c.quality, width: c.width, height: c.height}
		if got := settings.qualityFor(s); got != c.want {
			t.Errorf("%s: quality %d, want %d", c.name, got, c.want)
		}
	}
	if got := (trackSettings{quality: 0, width: 100, height: 100}).qualityFor(newShape(&livekit.TrackInfo{})); got != qualityHigh {
		t.Errorf("a size of a track without declared sizes: quality %d", got)
	}
	if s.bitrate(0) != 160_000 || s.bitrate(1) != 0 || s.bitrate(7) != 0 {
		t.Error("declared bit rates are not found")
	}
}

func TestTrackSettingsOfRequest(t *testing.T) {
	if got := newTrackSettings(&livekit.UpdateTrackSettings{}); got != (trackSettings{quality: qualityLow}) {
		t.Errorf("nothing said is %+v, not low quality", got)
	}
	if got := newTrackSettings(&livekit.UpdateTrackSettings{Quality: livekit.VideoQuality_OFF}); !got.disabled {
		t.Error("quality OFF does not switch off")
	}
	if got := newTrackSettings(&livekit.UpdateTrackSettings{Quality: 99}); got.quality != qualityHigh {
		t.Errorf("an unknown quality is %d", got.quality)
	}
}

// TestViewersChooseLayers has two viewers of one simulcast want different layers, change their minds, pause and go on: check 25 and 26 with
// clients of which every packet is looked at.
func TestViewersChooseLayers(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: true})
		source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{rids: []string{"q", "h", "f"}, add: func(r *livekit.AddTrackRequest) {
			for i, l := range r.Layers {
				l.Width, l.Height = 320<<i, 180<<i
			}
		}})
		sid := source.info.Sid
		bob := join(t, s, "bob", clientOptions{single: single})
		carol := join(t, s, "carol", clientOptions{single: single})
		ask := func(c *client, u *livekit.UpdateTrackSettings) {
			u.TrackSids = []string{sid}
			c.session.UpdateTrackSettings(u)
		}
		newest := func(r *received) byte { p := r.all(); return markOf(p[len(p)-1]) }
		rb, rc := bob.receives(sid, 5), carol.receives(sid, 5)
		offers := len(messages[Offer](bob)) + len(messages[Answer](bob))

		eventually(t, "both to get the best", func() bool { return newest(rb) == 3 && newest(rc) == 3 })
		ask(bob, &livekit.UpdateTrackSettings{Quality: livekit.VideoQuality_LOW})
		eventually(t, "bob to get the lowest", func() bool { return newest(rb) == 1 })
		ask(bob, &livekit.UpdateTrackSettings{Width: 600, Height: 300})
		eventually(t, "bob to get the middle", func() bool { return newest(rb) == 2 })
		if newest(rc) != 3 {
			t.Error("carol's layer changed with bob's wish")
		}
		ask(bob, &livekit.UpdateTrackSettings{Disabled: true, Quality: livekit.VideoQuality_HIGH})
		eventually(t, "bob's packets to end", rb.isStill)
		ask(bob, &livekit.UpdateTrackSettings{Quality: livekit.VideoQuality_HIGH})
		eventually(t, "bob to get the best again", func() bool { return newest(rb) == 3 })
		packets := rb.all()
		checkContinuous(t, packets)
		for i, p := range packets[1:] {
			start := p.Payload[0]&0x10 != 0
			if markOf(p) != markOf(packets[i]) && (!start || p.Payload[4]&1 != 0) {
				t.Fatalf("packet %d changes the layer without a keyframe", i+1)
			}
		}
		if n := len(messages[Offer](bob)) + len(messages[Answer](bob)); n != offers {
			t.Errorf("%d negotiations for changes of layers", n-offers)
		}
	})
}

// isStill tells whether nothing comes for several frames.
func (r *received) isStill() bool {
	before := r.count()
	time.Sleep(200 * time.Millisecond)
	return r.count() == before
}
