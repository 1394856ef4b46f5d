package compat

import (
	"net"
	"net/http"
	"slices"
	"testing"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"careline/api"
	"careline/configs"
)

// leg waits for the record of somebody who has left a call.
func (r *rig) leg(call, identity string) (leg api.Leg) {
	r.t.Helper()
	service := token(r.t, "", &lkauth.VideoGrant{RoomCreate: true, RoomList: true})
	eventually(r.t, "the leg of "+identity, func() bool {
		var list api.LegList
		r.v1(http.MethodGet, "/calls/"+call+"/legs", service, nil, &list)
		i := slices.IndexFunc(list.Items, func(l api.Leg) bool { return l.Identity == identity && l.LeftAt != nil })
		if i >= 0 {
			leg = list.Items[i]
		}
		return i >= 0
	})
	return leg
}

// TestLegByTheRelay has a client that lets nothing but the relay carry its media. What the relay sends on is UDP, whichever way leads to it. Here
// it may come from another address than the client was told, because relay and server are on one machine.
func TestLegByTheRelay(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			r := start(t, setup{change: func(c *configs.Config) { c.TURN.Transports = []string{transport} }})
			c, tokens := r.chatCall(nil)
			in := newInbox()
			r.into(t, dual, tokens["ben"], in.callback())
			ann := r.into(t, dual, tokens["ann"], &lksdk.RoomCallback{}, lksdk.WithICETransportPolicy(webrtc.ICETransportPolicyRelay))
			in.flowing(t, publish(t, ann, webrtc.MimeTypeOpus).SID(), 10)
			ann.Disconnect()
			byRelay := func(p api.LegPath) bool { return p.Client == "relay" && p.Protocol == "udp" }
			l := r.leg(c.ID, "ann")
			if len(l.Paths) == 0 || slices.ContainsFunc(l.Paths, func(p api.LegPath) bool { return !byRelay(p) }) || l.BytesIn == 0 || !slices.Equal(l.Sent, []string{"audio/opus"}) {
				t.Errorf("%+v", l)
			}
			if s := r.server.TURN(); s.PacketsUp == 0 || s.PacketsDown == 0 {
				t.Errorf("nothing passed the relay: %+v", s)
			}
		})
	}
}

// TestLegByTCP has a client that speaks ICE over TCP only.
func TestLegByTCP(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, setup{tcp: listener})
		c, _ := r.chatCall(nil)
		ann := r.enterWith(m, "ann", grant(c.ID), [2]int{}, webrtc.NetworkTypeTCP4)
		ann.write(inline("1", "by TCP"))
		ann.answered(1)
		ann.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
		l := r.leg(c.ID, "ann")
		if len(l.Paths) == 0 || slices.ContainsFunc(l.Paths, func(p api.LegPath) bool { return p.Protocol != "tcp" }) || l.BytesIn == 0 || l.BytesOut == 0 {
			t.Errorf("%+v", l)
		}
	})
}
