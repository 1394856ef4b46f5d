package sfu

import (
	"slices"
	"testing"

	"github.com/pion/webrtc/v4"
)

// usageOf waits for what somebody's session took.
func (o *observed) usageOf(t *testing.T, identity string) *Usage {
	t.Helper()
	var u *Usage
	eventually(t, "what "+identity+" took", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, e := range o.events {
			if e.Kind == EventParticipantLeft && e.Participant.Identity == identity {
				u = e.Usage
			}
		}
		return u != nil
	})
	return u
}

func TestUsageOfASession(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		o := &observed{}
		s := startServer(t, func(c *Config) { c.Observers = []Observer{o} })
		alice := join(t, s, "alice", clientOptions{single: single})
		bob := join(t, s, "bob", clientOptions{single: single})
		audio := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
		video := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
		for _, source := range []*source{audio, video} {
			bob.receives(source.info.Sid, 100)
		}
		alice.leave()
		bob.leave()
		codecs, none := []string{"audio/opus", "video/VP8"}, []string(nil)
		for identity, want := range map[string][2][]string{"alice": {codecs, none}, "bob": {none, codecs}} {
			u := o.usageOf(t, identity)
			if !slices.Equal(u.Sent, want[0]) || !slices.Equal(u.Received, want[1]) {
				t.Errorf("%s: %+v", identity, u)
			}
			if !slices.Contains(u.Paths, Path{"host", "udp"}) && !slices.Contains(u.Paths, Path{"prflx", "udp"}) || u.BytesIn == 0 || u.BytesOut == 0 {
				t.Errorf("%s: %+v", identity, u)
			}
		}
		if a, b := o.usageOf(t, "alice"), o.usageOf(t, "bob"); a.BytesIn < 10_000 || b.BytesOut < 10_000 || a.BytesIn < 2*a.BytesOut || b.BytesOut < 2*b.BytesIn {
			t.Errorf("alice %+v, bob %+v", a, b)
		}
	})
}
