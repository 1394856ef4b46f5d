package turn

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime"
	"testing"

	"github.com/pion/stun/v3"
)

// stranger is a client that remembers what it was sent.
type stranger struct {
	addr netip.AddrPort
	got  [][]byte
}

func (s *stranger) send(b []byte) error {
	s.got = append(s.got, bytes.Clone(b))
	return nil
}
func (s *stranger) address() netip.AddrPort { return s.addr }
func (s *stranger) stream() bool            { return true } // so that no answer is held back
func (s *stranger) holds(*allocation)       {}
func (s *stranger) released()               {}

// seeds are messages of every kind that a client sends, good ones first.
func (c *caller) seeds(to peer) [][]byte {
	data := attribute{stun.AttrData, []byte("data")}
	list := [][]byte{
		c.message(stun.MethodBinding, stun.ClassRequest).Raw,
		c.message(stun.MethodBinding, stun.ClassRequest, stun.Fingerprint).Raw,
		c.message(stun.MethodBinding, stun.ClassIndication).Raw,
		c.message(stun.MethodAllocate, stun.ClassRequest, udpTransport).Raw,
		c.signedRequest(stun.MethodAllocate, udpTransport, lifetime(600)).Raw,
		c.signedRequest(stun.MethodAllocate, udpTransport, wantIPv6).Raw,
		c.signedRequest(stun.MethodRefresh, lifetime(0)).Raw,
		c.signedRequest(stun.MethodCreatePermission, to, to).Raw,
		c.signedRequest(stun.MethodChannelBind, channelNumber(0x4000), to).Raw,
		c.message(stun.MethodSend, stun.ClassIndication, to, data).Raw,
		channelFrame(0x4000, []byte("data"), true),
		// Of the advisories: an address attribute without a value, a message of nothing but attributes without values.
		c.message(stun.MethodBinding, stun.ClassRequest, attribute{stun.AttrXORMappedAddress, nil}).Raw,
		c.message(stun.MethodSend, stun.ClassIndication, attribute{stun.AttrXORPeerAddress, nil}, attribute{stun.AttrData, nil}).Raw,
		c.message(stun.MethodAllocate, stun.ClassRequest, attribute{stun.AttrUsername, nil}, attribute{stun.AttrRealm, nil},
			attribute{stun.AttrNonce, nil}, attribute{stun.AttrMessageIntegrity, nil}).Raw,
		// RFC 7635: an access token, whose length nobody has checked yet.
		c.message(stun.MethodAllocate, stun.ClassRequest, attribute{0x001B, []byte{0xFF, 0xFF}}).Raw,
	}
	return list
}

func mutate(random *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + random.IntN(4) {
		switch random.IntN(6) {
		case 0:
			if len(b) > 0 {
				b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			}
		case 1:
			if len(b) > 0 {
				b[random.IntN(len(b))] = byte(random.Uint32())
			}
		case 2:
			b = b[:random.IntN(len(b)+1)]
		case 3:
			at := random.IntN(len(b) + 1)
			b = append(b[:at:at], append([]byte{byte(random.Uint32()), byte(random.Uint32())}, b[at:]...)...)
		case 4: // a length that still fits, or does not
			if len(b) >= 4 {
				binary.BigEndian.PutUint16(b[2:], uint16(len(b)-headerSize+random.IntN(5)-2))
			}
		case 5:
			if len(b) >= headerSize+4 {
				binary.BigEndian.PutUint16(b[headerSize+2:], uint16(random.Uint32()))
			}
		}
	}
	return b
}

// Mutated messages, from strangers and in the name of a client, change nothing
// and cost nothing.
func TestMutatedPackets(t *testing.T) {
	to := echo(t, "127.0.0.1:0")
	r := start(t, setup{change: func(c *Config) { c.Peers = media(to) }})
	c := r.dial("tcp").as(r, "PA_ann")
	c.allocate()
	c.ask(stun.MethodCreatePermission, peer(to))
	c.ask(stun.MethodChannelBind, channelNumber(0x4000), peer(to))
	own := r.server.all()[0]
	before := *own.bindings.Load()
	expires := own.expires

	const seed, count = 20260728, 20_000
	random := rand.New(rand.NewPCG(seed, seed))
	seeds := c.seeds(peer(to))
	wire := r.dial("udp")
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	heap, goroutines := memory.HeapAlloc, runtime.NumGoroutine()
	s := &stranger{addr: netip.MustParseAddrPort("192.0.2.1:1234")}
	for n := range count {
		b := mutate(random, seeds[random.IntN(len(seeds))])
		r.server.receive(s, nil, b)
		for _, answer := range s.got {
			if len(answer) > maxFactor*len(b) {
				t.Fatalf("packet %d: %d bytes in answer to %d", n, len(answer), len(b))
			}
		}
		s.got = s.got[:0]
		_, _ = wire.Write(b)
		// The own client's address is part of its nonce, so only what it sends itself is authenticated.
		if len(b) > 0 && b[0]>>6 != 1 {
			r.server.receive(&stranger{addr: s.addr}, own, b)
		}
	}
	if n := r.server.Stats().Allocations; n != 1 {
		t.Errorf("%d allocations", n)
	}
	if after := *own.bindings.Load(); !reflect.DeepEqual(before, after) || !own.expires.Equal(expires) {
		t.Errorf("the allocation changed from %v to %v", before, after)
	}
	if code := codeOf(c.ask(stun.MethodRefresh)); code != 0 {
		t.Errorf("refresh afterwards: %d", code)
	}
	runtime.GC()
	runtime.ReadMemStats(&memory)
	if grown := int64(memory.HeapAlloc) - int64(heap); grown > 1<<20 {
		t.Errorf("%d bytes more are held", grown)
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		t.Errorf("%d goroutines, were %d", n, goroutines)
	}
}

// Attributes after the signature do not count.
func TestUnsignedAttributes(t *testing.T) {
	to := echo(t, "127.0.0.1:0")
	r := start(t, setup{change: func(c *Config) { c.Peers = media(to) }})
	c := r.dial("tcp").as(r, "PA_ann")
	c.allocate()
	m := c.signedRequest(stun.MethodCreatePermission)
	if err := peer(to).AddTo(m); err != nil {
		t.Fatal(err)
	}
	m.WriteHeader()
	if code := codeOf(c.exchange(m)); code != codeBadRequest {
		t.Errorf("a peer that was added on the way: %d", code)
	}
	m = c.signedRequest(stun.MethodRefresh)
	if err := stun.Fingerprint.AddTo(m); err != nil {
		t.Fatal(err)
	}
	m.Raw[len(m.Raw)-1] ^= 1
	c.send(m.Raw)
	if code := codeOf(c.ask(stun.MethodRefresh)); code != 0 {
		t.Errorf("after a wrong fingerprint: %d", code)
	}
}

// Nonces and relayed ports cannot be guessed.
func TestEntropy(t *testing.T) {
	r := start(t, setup{change: func(c *Config) { c.Limits.AllocationsPerSession = 100 }})
	nonces, ports := make(map[string]bool), make(map[uint16]bool)
	var last uint16
	inOrder := 0
	const n = 60
	for range n {
		c := r.dial("tcp").as(r, "PA_ann")
		port := c.allocate().Port()
		nonces[c.nonce] = true
		ports[port] = true
		if d := int(port) - int(last); d > -8 && d < 8 {
			inOrder++
		}
		last = port
	}
	if len(nonces) != n || len(ports) != n || inOrder > n/4 {
		t.Errorf("of %d: %d nonces, %d ports, %d next to the one before", n, len(nonces), len(ports), inOrder)
	}
	// A nonce is good for the address that it was made for only.
	c, other := r.dial("tcp").as(r, "PA_ann"), r.dial("tcp").as(r, "PA_ann")
	c.challenge()
	other.realm, other.nonce, other.integrity = c.realm, c.nonce, stun.NewLongTermIntegrity(other.username, c.realm, other.password)
	if code := codeOf(other.ask(stun.MethodAllocate, udpTransport)); code != codeStaleNonce {
		t.Errorf("somebody else's nonce: %d", code)
	}
}

func FuzzMessage(f *testing.F) {
	for _, b := range fuzzSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if m.parse(b) != nil {
			return
		}
		reference := &stun.Message{Raw: b}
		if err := reference.Decode(); err != nil {
			t.Fatalf("taken, but another parser says %v", err)
		}
		m.signedBy([]byte("key"))
		for _, p := range m.peers[:m.peerCount] {
			if !p.Addr().IsValid() {
				t.Fatal("a peer without an address")
			}
		}
		if again := errorTo(&m, codeBadRequest).finish(); new(message).parse(again) != nil {
			t.Fatalf("our answer %x is no message", again)
		}
	})
}

func FuzzChannelData(f *testing.F) {
	f.Add([]byte{0x40, 0, 0, 1, 'x', 0, 0, 0})
	f.Add([]byte{0x4F, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		channel, data, ok := channelData(b)
		if !ok {
			return
		}
		if channel < firstChannel || channel > lastOld || !bytes.Equal(b[channelHeader:channelHeader+len(data)], data) {
			t.Fatalf("channel %x, data %x", channel, data)
		}
		if len(data) > relayBuffer {
			return
		}
		again := make([]byte, headroom+len(data)+maxPad)
		copy(again[headroom:], data)
		if c, d, ok := channelData(frameChannelData(again, len(data), channel, true)); !ok || c != channel || !bytes.Equal(d, data) {
			t.Fatalf("framed and read again: %x %x", c, d)
		}
	})
}

func FuzzFrames(f *testing.F) {
	for _, b := range fuzzSeeds(f) {
		f.Add(append(bytes.Clone(b), b...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(b), streamBuffer)
		left := len(b)
		for {
			n, err := frame(r)
			if err != nil {
				return
			}
			if n < channelHeader || n > streamBuffer {
				t.Fatalf("a frame of %d bytes", n)
			}
			if _, err := r.Peek(n); err != nil {
				return
			}
			if left -= n; left < 0 {
				t.Fatal("more than there was")
			}
			_, _ = r.Discard((n + 3) &^ 3)
		}
	})
}

func fuzzSeeds(f *testing.F) [][]byte {
	c := &caller{username: "1:PA", realm: "care", nonce: "AAAAAAAAAAAAAAAA", integrity: stun.NewLongTermIntegrity("1:PA", "care", "x")}
	c.t = &testing.T{}
	f.Helper()
	return c.seeds(peer(netip.MustParseAddrPort("192.0.2.1:9")))
}
