package sfu

import (
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

func TestLoudness(t *testing.T) {
	var l loudness
	interval := func(packets int, level uint8) float64 {
		for range packets {
			l.add(level)
		}
		return l.take()
	}
	if got := interval(20, 60); got != 0 {
		t.Errorf("background noise speaks at %v", got)
	}
	if got := interval(5, 10); got != 0 {
		t.Errorf("a click speaks at %v", got)
	}
	speech := 0.0
	for range 4 {
		speech = interval(20, 15)
	}
	if speech <= 0 || speech > 1 || speech*levelSteps != float64(int(speech*levelSteps)) {
		t.Errorf("speech is told as %v", speech)
	}
	if loud := interval(20, 0); loud <= speech {
		t.Errorf("louder speech is told as %v after %v", loud, speech)
	}
	// Nothing comes any more, as with DTX: it ends all the same, soon.
	for range 6 {
		speech = l.take()
	}
	if speech != 0 {
		t.Errorf("silence is told as %v", speech)
	}
}

// TestSpeakersAreTold is check 28: talking is told, its end once, also when packets stop or the track is muted; who comes later learns of it.
func TestSpeakersAreTold(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{})
	deaf := join(t, s, "deaf", clientOptions{join: func(r *JoinRequest) { r.AutoSubscribe = false }})
	source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
	bob.receives(source.info.Sid, 3)
	newest := func(c *client) (speaker *livekit.SpeakerInfo, ends int) {
		for _, m := range messages[Speakers](c) {
			for _, i := range m.Speakers {
				if i.Sid == alice.session.SID() {
					speaker = i
					if !i.Active {
						ends++
					}
				}
			}
		}
		return speaker, ends
	}
	speaks := func(c *client) func() bool {
		return func() bool { i, _ := newest(c); return i.GetActive() && i.GetLevel() > 0 && i.GetLevel() <= 1 }
	}
	silent := func(c *client, ends int) func() bool {
		return func() bool { i, n := newest(c); return !i.GetActive() && i.GetLevel() == 0 && n == ends }
	}
	voice := &source.encodings[0].loud
	voice.Store(true)
	eventually(t, "speech at a listener and at the speaker", func() bool { return speaks(bob)() && speaks(alice)() })
	late := join(t, s, "late", clientOptions{single: true})
	eventually(t, "somebody who comes later to know", speaks(late))
	voice.Store(false)
	eventually(t, "silence", silent(bob, 1))
	voice.Store(true)
	eventually(t, "speech again", speaks(bob))
	source.encodings[0].pause() // discontinuous transmission
	eventually(t, "silence without packets", silent(bob, 2))
	source.encodings[0].play()
	eventually(t, "speech again", speaks(bob))
	alice.session.MuteTrack(source.info.Sid, true)
	eventually(t, "silence of a muted track", silent(bob, 3))
	if i, _ := newest(deaf); i != nil {
		t.Errorf("who does not receive the audio was told %v", i)
	}
}
