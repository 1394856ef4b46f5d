package compat

import (
	"testing"

	"github.com/pion/webrtc/v4"

	lksdk "github.com/livekit/server-sdk-go/v2"

	"careline/configs"
)

// Clients that let nothing but the relay carry their media, for each way to it. The Go SDK knows that setting in dual mode only.
func TestRelayOnly(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			r := start(t, setup{change: func(c *configs.Config) { c.TURN.Transports = []string{transport} }})
			in := newInbox()
			relayOnly := lksdk.WithICETransportPolicy(webrtc.ICETransportPolicyRelay)
			r.connect(t, dual, "relay", "viewer", in.callback(), relayOnly)
			publisher := r.connect(t, dual, "relay", "publisher", &lksdk.RoomCallback{}, relayOnly)
			in.flowing(t, publish(t, publisher, webrtc.MimeTypeVP8).SID(), 50)
			if s := r.server.TURN(); s.PacketsUp < 50 || s.PacketsDown < 50 {
				t.Errorf("only %d and %d packets passed the relay", s.PacketsUp, s.PacketsDown)
			}
		})
	}
}
