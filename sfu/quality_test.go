package sfu

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"careline/internal/clock"
)

func TestOpinion(t *testing.T) {
	if got := (impairments{}).opinion(); got != bestScore {
		t.Errorf("without impairments %v", got)
	}
	for _, c := range []struct {
		i    impairments
		want livekit.ConnectionQuality
	}{
		{impairments{rtt: 60 * time.Millisecond, jitter: 5 * time.Millisecond}, livekit.ConnectionQuality_EXCELLENT},
		{impairments{loss: 0.01, rtt: 60 * time.Millisecond}, livekit.ConnectionQuality_EXCELLENT},
		{impairments{loss: 0.05, rtt: 60 * time.Millisecond}, livekit.ConnectionQuality_GOOD},
		{impairments{loss: 0.3}, livekit.ConnectionQuality_POOR},
		{impairments{rtt: 900 * time.Millisecond, jitter: 50 * time.Millisecond}, livekit.ConnectionQuality_POOR},
		{impairments{loss: 1, rtt: time.Hour}, livekit.ConnectionQuality_POOR},
	} {
		var v *verdict
		if got := v.next(c.i.opinion()); got.quality != c.want || got.score < 1 || got.score > bestScore {
			t.Errorf("%+v: %+v, want %v", c.i, got, c.want)
		}
	}
}

// TestQualityDoesNotFlap: worse counts at once, better takes its time and a margin.
func TestQualityDoesNotFlap(t *testing.T) {
	v := (*verdict)(nil).next(4.5)
	v = v.next(2)
	if v.quality != livekit.ConnectionQuality_POOR {
		t.Errorf("%+v", v)
	}
	v = v.next(4.5)
	if v.quality != livekit.ConnectionQuality_GOOD || v.score != 3.25 {
		t.Errorf("%+v", v)
	}
	for range 10 {
		v = v.next(4.5)
	}
	if v.quality != livekit.ConnectionQuality_EXCELLENT {
		t.Errorf("%+v", v)
	}
	if v = (&verdict{livekit.ConnectionQuality_GOOD, 4.1}).next(4.14); v.quality != livekit.ConnectionQuality_GOOD {
		t.Errorf("%+v", v)
	}
	if v = (&verdict{livekit.ConnectionQuality_LOST, 0}).next(4.5); v.quality != livekit.ConnectionQuality_EXCELLENT {
		t.Errorf("after a loss: %+v", v)
	}
}

// TestConnectionQualityIsTold is check 39: soon after the join, about oneself and the publishers one receives, and then only when it changes.
func TestConnectionQualityIsTold(t *testing.T) {
	fake := clock.NewFake(time.Now())
	s := startServer(t, func(c *Config) { c.Clock = fake })
	alice := join(t, s, "alice", clientOptions{single: true}).active()
	source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	r := bob.receives(source.info.Sid, 5)
	quality := func(c *client, of string) (newest livekit.ConnectionQuality, n int) {
		for _, m := range messages[ConnectionQuality](c) {
			for _, u := range m.Updates {
				if u.ParticipantSid == of {
					newest = u.Quality
					n++
				}
			}
		}
		return newest, n
	}
	pass := func() { fake.Advance(time.Second) }
	eventually(t, "the quality of both at bob", func() bool {
		pass()
		a, n := quality(bob, alice.session.SID())
		b, k := quality(bob, bob.session.SID())
		return n == 1 && k == 1 && a == livekit.ConnectionQuality_EXCELLENT && b == livekit.ConnectionQuality_EXCELLENT
	})
	for range 20 {
		pass()
		time.Sleep(2 * time.Millisecond)
	}
	if _, n := quality(bob, bob.session.SID()); n != 1 {
		t.Errorf("told %d times of what did not change", n)
	}
	alice.upstream.set(func(c *lossyConn) { c.loseOut = everyNth(2) })
	eventually(t, "bob to be told of alice's losses", func() bool {
		time.Sleep(150 * time.Millisecond) // media flows in real time
		pass()
		a, _ := quality(bob, alice.session.SID())
		return a == livekit.ConnectionQuality_POOR
	})
	if b, _ := quality(bob, bob.session.SID()); b == livekit.ConnectionQuality_LOST {
		t.Error("bob is told that it lost its own connection")
	}
	alice.upstream.set(func(c *lossyConn) { c.loseOut = nil })
	eventually(t, "alice to be well again", func() bool {
		time.Sleep(150 * time.Millisecond)
		pass()
		a, _ := quality(bob, alice.session.SID())
		return a == livekit.ConnectionQuality_EXCELLENT
	})
	r.more(bob, 5)
}

// everyNth loses every nth packet.
func everyNth(n uint16) func(rtpHeader) bool {
	return func(h rtpHeader) bool { return h.sequence%n == 0 }
}
