package turn

import (
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// What a request without or with wrong credentials is answered, and how long
// the answer is.
func TestUnauthenticated(t *testing.T) {
	r := start(t, setup{fake: true})
	for _, c := range []struct {
		what       string
		method     stun.Method
		attributes []stun.Setter
		code       int
		answer     int // size in bytes
	}{
		{"binding", stun.MethodBinding, nil, 0, 32},
		{"binding with fingerprint", stun.MethodBinding, []stun.Setter{stun.Fingerprint}, 0, 40},
		{"allocate", stun.MethodAllocate, []stun.Setter{udpTransport}, codeUnauthenticated, 56},
		{"allocate without anything", stun.MethodAllocate, nil, codeBadRequest, 28},
		{"refresh", stun.MethodRefresh, []stun.Setter{lifetime(600)}, codeUnauthenticated, 56},
		{"unknown attribute", stun.MethodAllocate, []stun.Setter{udpTransport, attribute{0x7777, nil}}, codeUnknownAttribute, 36},
		{"unknown attribute of binding", stun.MethodBinding, []stun.Setter{attribute{0x7777, nil}}, codeUnknownAttribute, 36},
		{"unknown optional attribute", stun.MethodBinding, []stun.Setter{attribute{0xC001, nil}}, 0, 32},
		{"DONT-FRAGMENT", stun.MethodAllocate, []stun.Setter{udpTransport, attribute{stun.AttrDontFragment, nil}}, codeUnknownAttribute, 36},
		{"Connect of RFC 6062", stun.MethodConnect, []stun.Setter{lifetime(0)}, codeBadRequest, 28},
	} {
		caller := r.dial("udp")
		m := caller.message(c.method, stun.ClassRequest, c.attributes...)
		answer := caller.exchange(m)
		if got := codeOf(answer); got != c.code || len(answer.Raw) != c.answer {
			t.Errorf("%s: %d in %d bytes, want %d in %d", c.what, got, len(answer.Raw), c.code, c.answer)
		}
		if len(answer.Raw) > 2*len(m.Raw) {
			t.Errorf("%s: %d bytes in answer to %d", c.what, len(answer.Raw), len(m.Raw))
		}
		r.clock.Advance(repliesWindow)
	}
}

// Nobody can make the relay send much to an address that is not his.
func TestRepliesAreBounded(t *testing.T) {
	r := start(t, setup{fake: true})
	c := r.dial("udp")
	m := c.message(stun.MethodBinding, stun.ClassRequest)
	const sent = 200
	for range sent {
		c.send(m.Raw)
	}
	eventually(t, "all are read", func() bool { return r.server.Stats().RepliesHeld == sent-repliesPerWindow })
	for range repliesPerWindow {
		if _, err := c.read(); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if b, err := c.Read(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes too many", b)
	}
	// Who knows a password is not held up by it.
	known := r.dial("udp").as(r, "PA_ann")
	r.clock.Advance(repliesWindow)
	known.challenge()
	for range sent {
		c.send(m.Raw)
	}
	known.allocate()
}

func TestRequests(t *testing.T) {
	to := echo(t, "127.0.0.1:0")
	to6 := echo(t, "[::1]:0")
	r := start(t, setup{change: func(c *Config) { c.Peers = media(to, to6) }})
	evenPort := attribute{stun.AttrEvenPort, []byte{0}}
	token := attribute{stun.AttrReservationToken, make([]byte, 8)}
	family := func(n byte) attribute { return attribute{stun.AttrRequestedAddressFamily, []byte{n, 0, 0, 0}} }
	for _, c := range []struct {
		what       string
		attributes []stun.Setter
		code       int
	}{
		{"no transport", nil, codeBadRequest},
		{"short transport", []stun.Setter{attribute{stun.AttrRequestedTransport, []byte{17}}}, codeBadRequest},
		{"TCP", []stun.Setter{tcpTransport}, codeTransportUnsupported},
		{"another transport", []stun.Setter{attribute{stun.AttrRequestedTransport, []byte{132, 0, 0, 0}}}, codeTransportUnsupported},
		{"family 3", []stun.Setter{udpTransport, family(3)}, codeFamilyNotSupported},
		{"family 0", []stun.Setter{udpTransport, family(0)}, codeFamilyNotSupported},
		{"unknown reservation", []stun.Setter{udpTransport, token}, codeInsufficientCapacity},
		{"reservation and even port", []stun.Setter{udpTransport, token, evenPort}, codeBadRequest},
		{"reservation and family", []stun.Setter{udpTransport, token, family(1)}, codeBadRequest},
	} {
		for _, transport := range []string{"tls", "tcp"} {
			if got := codeOf(r.dial(transport).as(r, "PA_ann").ask(stun.MethodAllocate, c.attributes...)); got != c.code {
				t.Errorf("%s over %s: %d, want %d", c.what, transport, got, c.code)
			}
		}
	}

	none := r.dial("tcp").as(r, "PA_none")
	for _, method := range []stun.Method{stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind} {
		if code := codeOf(none.ask(method, peer(to), channelNumber(0x4000))); code != codeAllocationMismatch {
			t.Errorf("%v without an allocation: %d", method, code)
		}
	}

	owner := r.dial("tcp").as(r, "PA_owner")
	request := owner.signedRequest(stun.MethodAllocate, udpTransport)
	first, again := owner.exchange(request), owner.exchange(request)
	if string(first.Raw) != string(again.Raw) || codeOf(first) != 0 {
		t.Errorf("a repeated request: %v, then %v", first, again)
	}
	if code := codeOf(owner.ask(stun.MethodAllocate, udpTransport)); code != codeAllocationMismatch {
		t.Errorf("a second allocation: %d", code)
	}
	thief := &caller{Conn: owner.Conn, t: t, stream: true}
	thief.as(r, "PA_thief")
	if code := codeOf(thief.ask(stun.MethodRefresh, lifetime(0))); code != codeWrongCredentials {
		t.Errorf("another user's refresh: %d", code)
	}
	if code := codeOf(thief.ask(stun.MethodAllocate, udpTransport)); code != codeAllocationMismatch {
		t.Errorf("another user's allocation: %d", code)
	}
	owner.nonce = "AAAAAAAAAAAAAAAA"
	stale := owner.ask(stun.MethodRefresh)
	if code := codeOf(stale); code != codeStaleNonce || !stale.Contains(stun.AttrNonce) {
		t.Errorf("a nonce of nobody: %v", stale)
	}
	owner.challenge()

	for _, c := range []struct {
		what       string
		method     stun.Method
		attributes []stun.Setter
		code       int
	}{
		{"permission for nobody", stun.MethodCreatePermission, nil, codeBadRequest},
		{"permission of the other family", stun.MethodCreatePermission, []stun.Setter{peer(to6)}, codePeerFamilyMismatch},
		{"channel of the other family", stun.MethodChannelBind, []stun.Setter{channelNumber(0x4000), peer(to6)}, codePeerFamilyMismatch},
		{"refresh of the other family", stun.MethodRefresh, []stun.Setter{family(2)}, codePeerFamilyMismatch},
		{"refresh of its family", stun.MethodRefresh, []stun.Setter{family(1)}, 0},
		{"channel 0x3FFF", stun.MethodChannelBind, []stun.Setter{channelNumber(0x3FFF), peer(to)}, codeBadRequest},
		{"channel 0x5000", stun.MethodChannelBind, []stun.Setter{channelNumber(0x5000), peer(to)}, codeBadRequest},
		{"channel without number", stun.MethodChannelBind, []stun.Setter{peer(to)}, codeBadRequest},
		{"channel without peer", stun.MethodChannelBind, []stun.Setter{channelNumber(0x4000)}, codeBadRequest},
		{"channel to two peers", stun.MethodChannelBind, []stun.Setter{channelNumber(0x4000), peer(to), peer(to)}, codeBadRequest},
		{"channel", stun.MethodChannelBind, []stun.Setter{channelNumber(0x4000), peer(to)}, 0},
		{"the same again", stun.MethodChannelBind, []stun.Setter{channelNumber(0x4000), peer(to)}, 0},
		{"a second channel to the peer", stun.MethodChannelBind, []stun.Setter{channelNumber(0x4001), peer(to)}, codeBadRequest},
	} {
		if got := codeOf(owner.ask(c.method, c.attributes...)); got != c.code {
			t.Errorf("%s: %d, want %d", c.what, got, c.code)
		}
	}
}

func TestLifetimes(t *testing.T) {
	r := start(t, setup{fake: true})
	for asked, want := range map[uint32]uint32{0: 600, 1: 600, 600: 600, 1800: 1800, 3600: 3600, 1_000_000_000: 3600, 1<<32 - 1: 3600} {
		c := r.dial("tcp").as(r, "PA_ann")
		for _, method := range []stun.Method{stun.MethodAllocate, stun.MethodRefresh} {
			if method == stun.MethodRefresh && asked == 0 {
				want = 0
			}
			answer := c.ask(method, udpTransport, lifetime(asked))
			v, err := answer.Get(stun.AttrLifetime)
			if got := uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3]); err != nil || got != want {
				t.Errorf("%v for %d s: %d s, want %d: %v", method, asked, got, want, err)
			}
		}
		_ = c.Close()
	}
	c := r.dial("udp").as(r, "PA_ann")
	c.allocate()
	r.clock.Advance(defaultLife - 2*sweepEvery)
	if code := codeOf(c.ask(stun.MethodRefresh)); code != 0 {
		t.Fatalf("refresh: %d", code)
	}
	eventually(t, "the allocation expires", func() bool {
		r.clock.Advance(time.Minute)
		return r.server.Stats().Allocations == 0
	})
}
