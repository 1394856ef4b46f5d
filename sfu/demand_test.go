package sfu

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"careline/internal/clock"
	"careline/sfu/media"
)

func TestDemandCountsViewers(t *testing.T) {
	var d demand
	vp8 := func(q int) share { return share{media.CodecVP8, q} }
	for i, step := range []struct {
		old, with share
		news      bool
		highest   int
	}{
		{noShare, vp8(0), true, 0},
		{noShare, vp8(0), false, 0},
		{noShare, vp8(2), true, 2},
		{vp8(0), vp8(1), false, 2},
		{vp8(2), vp8(0), true, 1},
		{vp8(1), share{media.CodecVP9, 2}, true, 0},
		{vp8(0), noShare, false, 0},
		{vp8(0), noShare, true, qualityNone},
		{noShare, noShare, false, qualityNone},
	} {
		if news := d.replace(step.old, step.with); news != step.news || d.highest(media.CodecVP8) != step.highest {
			t.Errorf("step %d: news %v, highest %d, want %v, %d", i, news, d.highest(media.CodecVP8), step.news, step.highest)
		}
	}
	if d.highest(media.CodecVP9) != 2 {
		t.Error("the share of another codec is lost")
	}
}

// TestDynacast is check 27: more is told at once, less after five seconds, nothing while muted.
func TestDynacast(t *testing.T) {
	fake := clock.NewFake(time.Now())
	s := startServer(t, func(c *Config) { c.Clock = fake })
	alice := join(t, s, "alice", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{rids: []string{"q", "h", "f"}})
	told := func() int { // the highest quality of the newest message, -2 before the first
		all := messages[SubscribedQuality](alice)
		if len(all) == 0 {
			return -2
		}
		m := all[len(all)-1]
		if m.TrackSID != source.info.Sid || len(m.Codecs) != 1 || m.Codecs[0].Codec != "vp8" || len(m.Codecs[0].Qualities) != 3 {
			t.Fatalf("told %+v", m)
		}
		highest := qualityNone
		for q, quality := range m.Codecs[0].Qualities {
			if int(quality.Quality) != q {
				t.Fatalf("qualities out of order: %v", m.Codecs[0].Qualities)
			}
			if quality.Enabled {
				highest = q
			}
		}
		return highest
	}
	after := func(what string, condition func() bool) { // as time passes
		eventually(t, what, func() bool {
			fake.Advance(time.Second)
			return condition()
		})
	}
	after("a track without viewers to be told so", func() bool { return told() == qualityNone })

	bob := join(t, s, "bob", clientOptions{single: true})
	eventually(t, "a first viewer to be told at once", func() bool { return told() == qualityHigh })
	bob.receives(source.info.Sid, 5)
	sids := []string{source.info.Sid}
	bob.session.UpdateTrackSettings(&livekit.UpdateTrackSettings{TrackSids: sids})
	time.Sleep(100 * time.Millisecond)
	if told() != qualityHigh {
		t.Fatal("less was told at once")
	}
	after("less to be told", func() bool { return told() == qualityLow })

	carol := join(t, s, "carol", clientOptions{single: true, join: func(r *JoinRequest) { r.AutoSubscribe = false }})
	carol.session.UpdateSubscription(&livekit.UpdateSubscription{TrackSids: sids, Subscribe: true})
	eventually(t, "more to be told at once", func() bool { return told() == qualityHigh })
	before := len(messages[SubscribedQuality](alice))
	carol.session.UpdateTrackSettings(&livekit.UpdateTrackSettings{TrackSids: sids, Disabled: true})
	alice.session.MuteTrack(source.info.Sid, true)
	eventually(t, "the mute to be seen", func() bool { return bob.participant("alice").GetTracks()[0].Muted })
	for range 10 {
		fake.Advance(time.Second)
		time.Sleep(10 * time.Millisecond)
	}
	if n := len(messages[SubscribedQuality](alice)); n != before {
		t.Errorf("%d messages about a muted track", n-before)
	}
	alice.session.MuteTrack(source.info.Sid, false)
	after("the demand to be told after the mute", func() bool { return told() == qualityLow })
}
