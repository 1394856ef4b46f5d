package sfu

import (
	"fmt"
	"testing"

	"github.com/pion/webrtc/v4"
)

// inBothModes runs a test with viewers, and publishers, of either kind.
func inBothModes(t *testing.T, test func(t *testing.T, single bool)) {
	for _, single := range []bool{false, true} {
		t.Run(fmt.Sprintf("single %v", single), func(t *testing.T) {
			t.Parallel()
			test(t, single)
		})
	}
}

func TestPublishAndSubscribe(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: single})
		bob := join(t, s, "bob", clientOptions{single: single})
		audio := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
		video := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
		for _, source := range []*source{audio, video} {
			r := bob.receives(source.info.Sid, 20)
			if got, want := r.track.StreamID(), alice.session.SID()+"|"+source.info.Sid; got != want {
				t.Errorf("stream id %q, want %q", got, want)
			}
			checkContinuous(t, r.all())
		}
	})
}

// checkContinuous fails when a number is missing, and when the timestamps go back.
func checkContinuous(t *testing.T, packets []arrival) {
	t.Helper()
	for i, p := range packets[1:] {
		before := packets[i]
		if p.SequenceNumber != before.SequenceNumber+1 {
			t.Fatalf("packet %d has number %d after %d", i+1, p.SequenceNumber, before.SequenceNumber)
		}
		if int32(p.Timestamp-before.Timestamp) < 0 {
			t.Fatalf("packet %d has timestamp %d after %d", i+1, p.Timestamp, before.Timestamp)
		}
	}
}
