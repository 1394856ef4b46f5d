package signal

import (
	"maps"
	"testing"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/internal/auth"
)

func TestPermission(t *testing.T) {
	yes, no := true, false
	camera := livekit.TrackSource_CAMERA
	cases := []struct {
		name  string
		grant lkauth.VideoGrant
		want  *livekit.ParticipantPermission
	}{
		{"nothing said", lkauth.VideoGrant{}, &livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanPublishData: true}},
		{"data follows publishing", lkauth.VideoGrant{CanPublish: &no}, &livekit.ParticipantPermission{CanSubscribe: true}},
		{"data by itself", lkauth.VideoGrant{CanPublish: &no, CanPublishData: &yes},
			&livekit.ParticipantPermission{CanSubscribe: true, CanPublishData: true}},
		{"listener only", lkauth.VideoGrant{CanSubscribe: &no, CanPublishData: &no}, &livekit.ParticipantPermission{CanPublish: true}},
		{"sources narrow", lkauth.VideoGrant{CanPublishSources: []string{"camera", "nonsense"}},
			&livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanPublishData: true,
				CanPublishSources: []livekit.TrackSource{camera}}},
		{"sources do not grant", lkauth.VideoGrant{CanPublish: &no, CanPublishSources: []string{"camera"}},
			&livekit.ParticipantPermission{CanSubscribe: true, CanPublishSources: []livekit.TrackSource{camera}}},
		{"only unknown sources", lkauth.VideoGrant{CanPublishSources: []string{"nonsense"}},
			&livekit.ParticipantPermission{CanSubscribe: true, CanPublishData: true}},
		{"the rest", lkauth.VideoGrant{Hidden: true, Recorder: true, Agent: true, CanUpdateOwnMetadata: &yes, CanSubscribeMetrics: &yes},
			&livekit.ParticipantPermission{CanPublish: true, CanSubscribe: true, CanPublishData: true, Hidden: true, Recorder: true,
				Agent: true, CanUpdateMetadata: true, CanSubscribeMetrics: true}},
	}
	for _, c := range cases {
		got := permission(&c.grant)
		if len(got.CanPublishSources) == 0 {
			got.CanPublishSources = nil
		}
		if !proto.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func newEntry(change func(*auth.Claims)) *entry {
	yes := true
	claims := &auth.Claims{
		Identity:   "ann",
		Name:       "Ann",
		Metadata:   "token's",
		Attributes: map[string]string{"a": "1", "b": "2"},
		Video:      &lkauth.VideoGrant{RoomJoin: true, Room: "ward", CanUpdateOwnMetadata: &yes},
	}
	if change != nil {
		change(claims)
	}
	return &entry{claims: claims}
}

func TestClientDescribesItself(t *testing.T) {
	e := newEntry(nil)
	e.metadata, e.attributes = "client's", map[string]string{"a": "", "b": "3", "c": "4"}
	if err := e.allow(); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"a": "1", "b": "3", "c": "4"}; e.join.Metadata != "client's" || !maps.Equal(e.join.Attributes, want) {
		t.Errorf("%q, %v", e.join.Metadata, e.join.Attributes)
	}
	if e.claims.Attributes["b"] != "2" {
		t.Error("the token's claims, which refreshed tokens repeat, were changed")
	}
}

func TestSecondConnectionPublishesOnly(t *testing.T) {
	e := newEntry(nil)
	e.suffix, e.join.AutoSubscribe = "cam", true
	if err := e.allow(); err != nil {
		t.Fatal(err)
	}
	if j := e.join; j.Identity != "ann#cam" || j.AutoSubscribe || j.Permission.CanSubscribe || !j.Permission.CanPublish {
		t.Errorf("%+v", j)
	}
}

func TestDisplayNameIsCleaned(t *testing.T) {
	e := newEntry(func(c *auth.Claims) { c.Name = "\u202eنور\u200cا\u2069\x07 Ann" })
	if err := e.allow(); err != nil || e.join.Name != "نور\u200cا Ann" {
		t.Errorf("%q, %v", e.join.Name, err)
	}
}
