package compat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
)

func addTrack(cid string, kind livekit.TrackType, source livekit.TrackSource) *livekit.SignalRequest {
	return &livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{
		Cid: cid, Type: kind, Source: source}}}
}

func TestCheck08TrackPublished(t *testing.T) {
	r := start(t, setup{})
	p := r.enter("ward", "ann")
	for cid, kind := range map[string]livekit.TrackType{"mic-1": livekit.TrackType_AUDIO, "cam-1": livekit.TrackType_VIDEO} {
		p.send(addTrack(cid, kind, livekit.TrackSource_UNKNOWN))
		track := p.expect("track_published of "+cid, func(m *livekit.SignalResponse) bool {
			return m.GetTrackPublished().GetCid() == cid
		}).GetTrackPublished().GetTrack()
		if !strings.HasPrefix(track.GetSid(), "TR_") || track.GetType() != kind {
			t.Errorf("%s became %v", cid, track)
		}
	}
}

func TestCheck11LateJoiner(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		room := fmt.Sprint("ward-", m)
		ann := r.connect(t, m, room, "ann", nil)
		mic := publish(t, ann, webrtc.MimeTypeOpus).SID()
		camera := publish(t, ann, webrtc.MimeTypeVP8).SID()

		late := newInbox()
		r.connect(t, m, room, "ben", late.callback())
		late.flowing(t, mic, 20)
		late.flowing(t, camera, 20)
		late.locked(func() {
			if late.publishers[mic] != "ann" || late.publishers[camera] != "ann" || !strings.EqualFold(late.codecs[camera], webrtc.MimeTypeVP8) {
				t.Errorf("publishers %v, codecs %v", late.publishers, late.codecs)
			}
		})

		choosy := newInbox()
		cleo := r.connect(t, m, room, "cleo", choosy.callback(), lksdk.WithAutoSubscribe(false))
		var publication *lksdk.RemoteTrackPublication
		eventually(t, "the tracks to be known", func() bool {
			rp := cleo.GetParticipantByIdentity("ann")
			if rp == nil {
				return false
			}
			for _, p := range rp.TrackPublications() {
				if p.SID() == mic {
					publication = p.(*lksdk.RemoteTrackPublication)
				}
			}
			return publication != nil
		})
		late.flowing(t, mic, 25) // half a second in which cleo must not get any
		if choosy.count(mic)+choosy.count(camera) != 0 {
			t.Error("who did not subscribe received")
		}
		if err := publication.SetSubscribed(true); err != nil {
			t.Fatal(err)
		}
		choosy.flowing(t, mic, 20)
		if choosy.count(camera) != 0 {
			t.Error("a track was subscribed that was not asked for")
		}
	})
}

// TestCheck12IDsAndMids looks at every answer of single mode and every offer of dual mode.
func TestCheck12IDsAndMids(t *testing.T) {
	r := start(t, setup{})
	ann := r.connect(t, dual, "ward", "ann", nil)
	sids := []string{publish(t, ann, webrtc.MimeTypeOpus).SID(), publish(t, ann, webrtc.MimeTypeVP8).SID()}

	t.Run("single", func(t *testing.T) {
		r.t = t
		p := r.enterWith(single, "ben", grant("ward"), [2]int{1, 1})
		x := p.media
		for _, sid := range sids {
			eventually(t, "packets of "+sid, func() bool { return x.count(sid) > 10 })
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		for i, answer := range x.answers {
			if answer.Id != x.offers[i] {
				t.Errorf("answer %d has id %d, its offer %d", i, answer.Id, x.offers[i])
			}
		}
		checkMids(t, x.answers[len(x.answers)-1], x.streams, ann.LocalParticipant.SID())
	})
	t.Run("dual", func(t *testing.T) {
		r.t = t
		p := r.enterWith(dual, "cleo", grant("ward"), [2]int{})
		x := p.media
		for _, sid := range sids {
			eventually(t, "packets of "+sid, func() bool { return x.count(sid) > 10 })
		}
		x.mu.Lock()
		defer x.mu.Unlock()
		for i := 1; i < len(x.theirOffers); i++ {
			if x.theirOffers[i].Id <= x.theirOffers[i-1].Id {
				t.Errorf("offer ids are %d after %d", x.theirOffers[i].Id, x.theirOffers[i-1].Id)
			}
		}
		checkMids(t, x.theirOffers[len(x.theirOffers)-1], x.streams, ann.LocalParticipant.SID())
	})
}

// checkMids wants each live section in the map, and streams named by participant and track.
func checkMids(t *testing.T, d *livekit.SessionDescription, streams map[string]string, publisher string) {
	t.Helper()
	var parsed webrtc.SessionDescription
	parsed.SDP = d.Sdp
	sections := 0
	mid := ""
	for line := range strings.Lines(d.Sdp) {
		line = strings.TrimSpace(line)
		if after, ok := strings.CutPrefix(line, "a=mid:"); ok {
			mid = after
		}
		if after, ok := strings.CutPrefix(line, "a=msid:"); ok {
			sections++
			sid := d.MidToTrackId[mid]
			if stream, track, _ := strings.Cut(after, " "); track != sid || stream != publisher+"|"+sid {
				t.Errorf("section %s has msid %q and is mapped to %q", mid, after, sid)
			}
		}
	}
	if sections != 2 || len(d.MidToTrackId) != 2 {
		t.Errorf("%d live sections, mapped %v", sections, d.MidToTrackId)
	}
	for sid, stream := range streams {
		if stream != publisher+"|"+sid {
			t.Errorf("track %s arrived in stream %s", sid, stream)
		}
	}
}

// TestCheck13Mute is part of the walk of every client.
func TestCheck13Mute(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		room := fmt.Sprint("ward-", m)
		ann := r.connect(t, m, room, "ann", nil)
		mic := publish(t, ann, webrtc.MimeTypeOpus)
		ben := newInbox()
		r.connect(t, m, room, "ben", ben.callback())
		ben.flowing(t, mic.SID(), 10)
		muted := func() (is bool) {
			ben.locked(func() { is = ben.muted[mic.SID()] })
			return is
		}
		mic.SetMuted(true)
		eventually(t, "muted", muted)
		mic.SetMuted(false)
		eventually(t, "unmuted", func() bool { return !muted() })
		ben.flowing(t, mic.SID(), 10)
	})
}

func TestCheck14Unpublish(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		room := fmt.Sprint("ward-", m)
		ann := r.connect(t, m, room, "ann", nil)
		inbox := newInbox()
		ben := r.connect(t, m, room, "ben", inbox.callback())
		tracks := func() int {
			if rp := ben.GetParticipantByIdentity("ann"); rp != nil {
				return len(rp.TrackPublications())
			}
			return -1
		}
		// Again and again, because sections are used again.
		for range 3 {
			mic := publish(t, ann, webrtc.MimeTypeOpus).SID()
			camera := publish(t, ann, webrtc.MimeTypeVP8).SID()
			inbox.flowing(t, mic, 10)
			inbox.flowing(t, camera, 10)
			if err := ann.LocalParticipant.UnpublishTrack(camera); err != nil {
				t.Fatal(err)
			}
			eventually(t, "one track less", func() bool { return tracks() == 1 })
			inbox.flowing(t, mic, 10) // the other goes on
			if err := ann.LocalParticipant.UnpublishTrack(mic); err != nil {
				t.Fatal(err)
			}
			eventually(t, "no track", func() bool { return tracks() == 0 })
		}
		ann.Disconnect()
		eventually(t, "ann to be gone", func() bool { return ben.GetParticipantByIdentity("ann") == nil })
	})
}

// TestCheck30ManyPublishers needs more sections than a single-mode client offers by itself.
func TestCheck30ManyPublishers(t *testing.T) {
	r := start(t, setup{})
	var sids []string
	for i := range 10 {
		room := r.connect(t, dual, "ward", fmt.Sprint("ann-", i), nil)
		sids = append(sids, publish(t, room, webrtc.MimeTypeOpus).SID(), publish(t, room, webrtc.MimeTypeVP8).SID())
	}
	early := newInbox()
	r.connect(t, dual, "ward", "early", early.callback())
	for _, sid := range sids {
		early.flowing(t, sid, 1) // all are published for good
	}
	p := r.enterWith(single, "ben", grant("ward"), [2]int{3, 3})
	for _, sid := range sids {
		eventually(t, "packets of "+sid, func() bool { return p.media.count(sid) > 5 })
	}
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	if n := len(p.media.offers); n > 3 {
		t.Errorf("%d offers were needed", n)
	}
}
