package turn

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// attempt returns the code of an Allocate request with such credentials.
func (r *rig) attempt(username, password string) int {
	c := r.dial("udp").with(username, password)
	return codeOf(c.ask(stun.MethodAllocate, udpTransport))
}

func TestCredentials(t *testing.T) {
	r := start(t, setup{fake: true})
	username, password := r.credentials.Issue("PA_ann")
	if expiry, session, _ := strings.Cut(username, ":"); session != "PA_ann" || expiry != fmt.Sprint(r.clock.Now().Add(MaxLife).Unix()) {
		t.Fatalf("username %s", username)
	}
	if code := r.attempt(username, password); code != 0 {
		t.Fatalf("good credentials: %d", code)
	}
	secret := r.credentials.current
	made := func(expiry time.Duration, session string) (string, string) {
		name := fmt.Sprintf("%d:%s", r.clock.Now().Add(expiry).Unix(), session)
		return name, sign(secret, name)
	}
	for what, try := range map[string]func() (string, string){
		"wrong password":      func() (string, string) { return username, password + "x" },
		"no password":         func() (string, string) { return username, "" },
		"other user":          func() (string, string) { return strings.Replace(username, "ann", "ben", 1), password },
		"later expiry":        func() (string, string) { return "9" + username, password },
		"no expiry":           func() (string, string) { return "PA_ann", sign(secret, "PA_ann") },
		"empty session":       func() (string, string) { return made(time.Minute, "") },
		"expired":             func() (string, string) { return made(-time.Second, "PA_ann") },
		"ten years ahead":     func() (string, string) { return made(10*365*24*time.Hour, "PA_ann") },
		"two hours ahead":     func() (string, string) { return made(2*time.Hour, "PA_ann") },
		"expiry with a sign":  func() (string, string) { n, _ := made(time.Minute, "PA_ann"); return "+" + n, sign(secret, "+"+n) },
		"expiry with a zero":  func() (string, string) { n, _ := made(time.Minute, "PA_ann"); return "0" + n, sign(secret, "0"+n) },
		"overlong name":       func() (string, string) { return made(time.Minute, strings.Repeat("x", maxUsername)) },
		"session that is not": func() (string, string) { r.kill("PA_gone"); return made(time.Minute, "PA_gone") },
	} {
		if code := r.attempt(try()); code != codeUnauthenticated {
			t.Errorf("%s: %d", what, code)
		}
		r.clock.Advance(2 * repliesWindow)
	}
	if code := r.attempt(made(30*time.Minute, "PA_ann")); code != 0 {
		t.Errorf("a password of the same scheme: %d", code)
	}
}

// Credentials are for new allocations as long as they live. What was allocated
// goes on with them as long as the session does.
func TestCredentialLife(t *testing.T) {
	to := echo(t, "127.0.0.1:0")
	r := start(t, setup{fake: true, change: func(c *Config) { c.Peers = media(to) }})
	c := r.dial("tcp").as(r, "PA_ann")
	c.allocate()
	for range 13 { // to 65 minutes
		r.clock.Advance(5 * time.Minute)
		c.nonce = ""
		c.nonce = c.freshNonce()
		if code := codeOf(c.ask(stun.MethodRefresh)); code != 0 {
			t.Fatalf("refresh after %v: %d", r.clock.Now(), code)
		}
	}
	if code := codeOf(c.ask(stun.MethodCreatePermission, peer(to))); code != 0 {
		t.Errorf("permission after the credentials expired: %d", code)
	}
	other := r.dial("udp").with(c.username, c.password)
	if code := codeOf(other.ask(stun.MethodAllocate, udpTransport)); code != codeUnauthenticated {
		t.Errorf("a new allocation with expired credentials: %d", code)
	}
	if code := r.attempt(r.credentials.Issue("PA_ann")); code != 0 {
		t.Errorf("a new allocation with new credentials: %d", code)
	}
}

// freshNonce takes the nonce of a challenge to a request that is signed with a
// stale one.
func (c *caller) freshNonce() string {
	c.t.Helper()
	answer := c.plain(stun.MethodRefresh, lifetime(600))
	var nonce stun.Nonce
	if err := nonce.GetFrom(answer); err != nil {
		c.t.Fatalf("%v: %v", answer, err)
	}
	return nonce.String()
}

// A secret that was replaced holds until what it signed has expired.
func TestSecretRotation(t *testing.T) {
	r := start(t, setup{fake: true})
	r.credentials.Issue("PA_first")
	r.clock.Advance(MaxLife - time.Minute)
	old, oldPassword := r.credentials.Issue("PA_ann")
	first := r.credentials.current
	r.clock.Advance(2 * time.Minute)
	newer, newerPassword := r.credentials.Issue("PA_ann")
	if string(r.credentials.current) == string(first) {
		t.Fatal("the secret was not replaced")
	}
	for name, password := range map[string]string{old: oldPassword, newer: newerPassword} {
		if code := r.attempt(name, password); code != 0 {
			t.Errorf("%s: %d", name, code)
		}
	}
	r.clock.Advance(2*MaxLife + time.Second)
	r.credentials.Issue("PA_ann")
	if r.credentials.previous != nil {
		t.Error("a secret is kept for ever")
	}
}

// When a session ends, so does what it relays.
func TestKick(t *testing.T) {
	to := echo(t, "127.0.0.1:0")
	r := start(t, setup{fake: true, change: func(c *Config) { c.Peers = media(to) }})
	callers := make(map[string]*caller)
	for _, transport := range transports {
		c := r.dial(transport).as(r, "PA_kicked")
		c.allocate()
		if code := codeOf(c.ask(stun.MethodChannelBind, channelNumber(0x4000), peer(to))); code != 0 {
			t.Fatal(code)
		}
		callers[transport] = c
	}
	stays := r.dial("udp").as(r, "PA_stays")
	stays.allocate()
	r.kill("PA_kicked")
	for transport, c := range callers {
		if code := codeOf(c.ask(stun.MethodRefresh)); code != codeUnauthenticated {
			t.Errorf("%s: refresh of a dead session: %d", transport, code)
		}
	}
	eventually(t, "the allocations of the session end", func() bool {
		r.clock.Advance(sweepEvery)
		return r.server.Stats().Allocations == 1
	})
	if code := codeOf(stays.ask(stun.MethodRefresh)); code != 0 {
		t.Errorf("the other session: %d", code)
	}
	if s := r.server.Stats(); s.Revoked != uint64(len(transports)) {
		t.Errorf("%d of %d revoked", s.Revoked, len(transports))
	}
	for _, transport := range []string{"tcp", "tls", "tcp6"} {
		_ = callers[transport].SetReadDeadline(time.Now().Add(patience))
		if _, err := callers[transport].Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: something came", transport)
		} else if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("%s: the connection stays open", transport)
		}
	}
	c := callers["udp"]
	c.send(channelFrame(0x4000, []byte("still there?"), false))
	if !c.silence() {
		t.Error("a channel of a dead session is open")
	}
}
