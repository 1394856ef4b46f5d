package compat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
)

// remote waits until a client knows of a track.
func remote(t *testing.T, room *lksdk.Room, identity, sid string) (found *lksdk.RemoteTrackPublication) {
	t.Helper()
	eventually(t, "the track to be known", func() bool {
		rp := room.GetParticipantByIdentity(identity)
		if rp == nil {
			return false
		}
		for _, p := range rp.TrackPublications() {
			if p.SID() == sid {
				found = p.(*lksdk.RemoteTrackPublication)
			}
		}
		return found != nil
	})
	return found
}

// TestCheck26Again turns tracks off and on and gives them up and takes them again, by the Go SDK.
func TestCheck26Again(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		room := fmt.Sprint("ward-", m)
		ann := r.connect(t, m, room, "ann", nil)
		mic := publish(t, ann, webrtc.MimeTypeOpus).SID()
		camera := publish(t, ann, webrtc.MimeTypeVP8).SID()
		inbox := newInbox()
		ben := r.connect(t, m, room, "ben", inbox.callback())
		inbox.flowing(t, mic, 10)
		inbox.flowing(t, camera, 10)
		picture, sound := remote(t, ben, "ann", camera), remote(t, ben, "ann", mic)
		for range 2 {
			picture.SetEnabled(false)
			still(t, inbox, camera)
			inbox.flowing(t, mic, 10) // the other goes on
			picture.SetEnabled(true)
			inbox.flowing(t, camera, 10)
		}
		for range 2 { // the SDK says nothing of a track that was given up
			for _, p := range []*lksdk.RemoteTrackPublication{picture, sound} {
				if err := p.SetSubscribed(false); err != nil {
					t.Fatal(err)
				}
				still(t, inbox, p.SID())
				if err := p.SetSubscribed(true); err != nil {
					t.Fatal(err)
				}
				inbox.flowing(t, p.SID(), 10)
			}
		}
	})
}

// still waits until nothing of a track comes any more: 50 packets of another pass by.
func still(t *testing.T, i *inbox, sid string) {
	t.Helper()
	last, since := -1, 0
	total := func() (n int) {
		i.locked(func() {
			for _, packets := range i.packets {
				n += packets
			}
		})
		return n
	}
	eventually(t, "packets of "+sid+" to stop", func() bool {
		if n := i.count(sid); n != last {
			last, since = n, total()
		}
		return total()-since > 50
	})
}

// TestCheck26Descriptions has one who takes and gives up tracks, and looks at the size of what is negotiated.
func TestCheck26Descriptions(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		r.t = t
		ann := r.connect(t, dual, "ward", "ann-"+string(m), nil)
		sids := []string{publish(t, ann, webrtc.MimeTypeOpus).SID(), publish(t, ann, webrtc.MimeTypeVP8).SID()}
		p := r.enterWith(m, "ben", grant("ward"), [2]int{1, 1})
		x := p.media
		newest := func() string {
			x.mu.Lock()
			defer x.mu.Unlock()
			if m == dual {
				return x.theirOffers[len(x.theirOffers)-1].Sdp
			}
			return x.answers[len(x.answers)-1].Sdp
		}
		subscribe := func(yes bool) {
			p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Subscription{Subscription: &livekit.UpdateSubscription{
				TrackSids: sids, Subscribe: yes}}})
		}
		flowing := func() {
			t.Helper()
			for _, sid := range sids {
				before := x.count(sid)
				eventually(t, "packets of "+sid, func() bool { return x.count(sid) > before+10 })
			}
		}
		flowing()
		first := newest()
		for range 5 {
			subscribe(false)
			eventually(t, "the tracks to be out of the description", func() bool { return !strings.Contains(newest(), sids[0]) })
			subscribe(true)
			flowing()
		}
		last := newest()
		if a, b := strings.Count(first, "\nm="), strings.Count(last, "\nm="); a != b || len(last) > len(first)+len(first)/10 {
			t.Errorf("%d sections in %d bytes became %d in %d", a, len(first), b, len(last))
		}
	})
}
