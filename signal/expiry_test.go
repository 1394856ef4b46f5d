package signal

import (
	"crypto/ed25519"
	"crypto/rand"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/livekit/protocol/livekit"

	"careline/internal/auth"
)

// TestSessionEndsWithItsToken joins with a token that this server cannot refresh.
func TestSessionEndsWithItsToken(t *testing.T) {
	r := newRig(t)
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := auth.NewKeySet([]auth.Key{{ID: "elsewhere", Public: public}})
	if err != nil {
		t.Fatal(err)
	}
	r.handler.SetKeys(keys)
	token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
		"iss": "elsewhere", "sub": "ann", "exp": r.clock.Now().Add(time.Minute).Unix(), "video": map[string]any{"roomJoin": true, "room": "ward"},
	}).SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := r.dial("/rtc", url.Values{"access_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	p := r.rooms.session(c.read().GetJoin().GetParticipant().GetSid())
	call[attached](t, p)
	go func() { _, _, _ = c.conn.ReadMessage() }() // answers pings; there is no message
	if err := r.clock.WaitArmed(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for n := time.Duration(1); r.handler.Stats().Expired == 0; n++ {
		if n*pingInterval > time.Minute+auth.Leeway+pingInterval {
			t.Fatal("the session goes on without a token")
		}
		heard := r.heard()
		r.clock.Advance(pingInterval)
		eventually(t, "a pong", func() bool { return r.heard() > heard })
		if n*pingInterval < time.Minute && r.handler.Stats().Expired != 0 {
			t.Errorf("ended after %v", n*pingInterval)
		}
	}
	if got := call[left](t, p); got.reason != livekit.DisconnectReason_PARTICIPANT_REMOVED {
		t.Errorf("left with %v", got.reason)
	}
}
