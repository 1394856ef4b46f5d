package udp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

// stunMessage is a STUN message without attributes, in which the transaction id is a number.
func stunMessage(kind uint16, id uint32) []byte {
	m := make([]byte, stunHeader)
	binary.BigEndian.PutUint16(m, kind)
	binary.BigEndian.PutUint32(m[4:], stunCookie)
	binary.BigEndian.PutUint32(m[8:], id)
	return m
}

// gated is a gate whose clock stands still until a test moves it.
func gated() (g, other *gate, clock *int64) {
	clock = new(int64)
	p := &Port{consent: DefaultConsent, now: func() int64 { return *clock }}
	return newGate(p), newGate(p), clock
}

var (
	ann  = netip.MustParseAddrPort("192.0.2.1:1000")
	evil = netip.MustParseAddrPort("198.51.100.9:1000")

	clientHello = []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}
	rtpPacket   = []byte{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7}
	rtcpPacket  = []byte{0x80, 200, 0, 1, 0, 0, 0, 1}
)

// TestOnlyCheckedAddressesGetIn sends each kind of packet before and after a valid check, from where it came and from elsewhere.
func TestOnlyCheckedAddressesGetIn(t *testing.T) {
	kinds := map[string][]byte{"ClientHello": clientHello, "RTP": rtpPacket, "RTCP": rtcpPacket, "empty": {}, "noise": bytes.Repeat([]byte{3}, 100),
		"STUN without cookie": make([]byte, 20), "ChannelData": {0x40, 0, 0, 0}}
	sameHost, samePort := netip.MustParseAddrPort("192.0.2.1:1001"), netip.MustParseAddrPort("192.0.2.2:1000")
	for name, packet := range kinds {
		g, _, _ := gated()
		if !g.receives(stunMessage(stunRequest, 1), ann) {
			t.Fatal("a check did not reach the agent")
		}
		if g.receives(packet, ann) {
			t.Errorf("%s: let in though the check was not answered", name)
		}
		g.sends(stunMessage(stunRequest, 9), ann) // our own check, not answered
		if g.receives(stunMessage(stunSuccess, 10), ann); g.receives(packet, ann) {
			t.Errorf("%s: let in by an answer to no check", name)
		}
		if g.receives(stunMessage(stunSuccess, 9), evil); g.receives(packet, ann) || g.receives(packet, evil) {
			t.Errorf("%s: let in by an answer from elsewhere", name)
		}
		g.sends(stunMessage(stunSuccess, 1), ann) // the agent found it valid
		if !g.receives(packet, ann) {
			t.Errorf("%s: kept out after a valid check", name)
		}
		for _, from := range []netip.AddrPort{evil, sameHost, samePort} {
			if g.receives(packet, from) {
				t.Errorf("%s: let in from %v", name, from)
			}
		}
		if n := g.port.unchecked.Load(); n != 7 {
			t.Errorf("%s: %d counted", name, n)
		}
	}
}

// TestOwnCheckOpens holds that the answer to our own check opens once, from the address asked.
func TestOwnCheckOpens(t *testing.T) {
	g, _, clock := gated()
	g.sends(stunMessage(stunRequest, 7), ann)
	g.receives(stunMessage(stunSuccess, 7), ann)
	if !g.receives(rtpPacket, ann) {
		t.Error("kept out after its answer")
	}
	*clock += int64(DefaultConsent)
	if g.receives(stunMessage(stunSuccess, 7), ann); g.receives(rtpPacket, ann) {
		t.Error("an old answer, sent again, renewed the consent")
	}
}

// TestConsentEnds holds that what is not a valid check keeps nobody alive, whatever it is.
func TestConsentEnds(t *testing.T) {
	g, _, clock := gated()
	g.sends(stunMessage(stunSuccess, 1), ann)
	for range 29 {
		*clock += int64(time.Second)
		g.receives(stunMessage(stunRequest, 1), ann) // with wrong credentials: the agent says nothing
		if !g.receives(rtpPacket, ann) || !g.sends(rtcpPacket, ann) || !g.sendsRTP(ann) {
			t.Fatal("the consent ended early")
		}
	}
	*clock += int64(time.Second)
	if g.receives(rtpPacket, ann) || g.sends(rtcpPacket, ann) || g.sends(clientHello, ann) || g.sendsRTP(ann) {
		t.Error("the consent did not end")
	}
	if !g.sends(stunMessage(stunRequest, 2), ann) {
		t.Error("a new check is kept back")
	}
	g.sends(stunMessage(stunSuccess, 2), ann)
	if !g.receives(rtpPacket, ann) || !g.sends(rtcpPacket, ann) || !g.sendsRTP(ann) {
		t.Error("the consent did not come back")
	}
	if n := g.port.withoutConsent.Load(); n != 3 {
		t.Errorf("%d counted", n)
	}
}

// TestAddressesOfOthersAreNotChecked names somebody else's address as a candidate.
func TestAddressesOfOthersAreNotChecked(t *testing.T) {
	g, other, clock := gated()
	if !other.sends(stunMessage(stunRequest, 1), ann) {
		t.Error("a check to nobody's address was kept back")
	}
	g.sends(stunMessage(stunSuccess, 1), ann)
	if other.sends(stunMessage(stunRequest, 1), ann) || !g.sends(stunMessage(stunRequest, 1), ann) {
		t.Error("a check to somebody else's address was sent, or the owner's was not")
	}
	*clock += int64(DefaultConsent)
	if !other.sends(stunMessage(stunRequest, 1), ann) {
		t.Error("a check to an address that nobody uses any more was kept back")
	}
}

func TestGateIsBounded(t *testing.T) {
	g, _, clock := gated()
	address := func(n int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), 1)
	}
	for n := range 10_000 {
		*clock += int64(10 * time.Millisecond)
		g.sends(stunMessage(stunRequest, uint32(n)), address(n))
		g.sends(stunMessage(stunSuccess, uint32(n)), address(n))
		g.sends(stunMessage(stunSuccess, 0), ann)
	}
	if n := len(*g.peers.Load()); n != maxPeers || g.find(ann) == nil {
		t.Errorf("%d addresses, the one in use %v", n, g.find(ann))
	}
	if len(g.asked) > maxAsked {
		t.Errorf("%d checks", len(g.asked))
	}
	if n := len(g.port.owners.by); n > 2*3001+maxForgotten { // 30 s of new addresses, 100 each second
		t.Errorf("%d owners", n)
	}
}

// TestRawPackets sends packets to a real port: what comes from an address without a valid check does not reach the agent.
func TestRawPackets(t *testing.T) {
	for _, batch := range []*Batch{nil, NewBatch()} {
		t.Run(fmt.Sprint(batch != nil), func(t *testing.T) {
			p := openPort(t, Options{}, "127.0.0.1:0")
			server := p.sockets[0].local.AddrPort()
			member, stranger := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
			conn := connect(t, p, batch, "u", 0)
			send := func(from *net.UDPConn, packet []byte) {
				t.Helper()
				if _, err := from.WriteToUDPAddrPort(packet, server); err != nil {
					t.Fatal(err)
				}
			}
			check, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("u:x"))
			if err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 1500)
			read := func() (netip.AddrPort, []byte) {
				t.Helper()
				n, from, err := conn.ReadFromAddrPort(buf)
				if err != nil {
					t.Fatal(err)
				}
				return from, buf[:n]
			}
			send(stranger, clientHello) // the mux does not know it
			send(stranger, check.Raw)
			if from, _ := read(); from != addrPort(stranger) {
				t.Fatalf("from %v", from)
			}
			send(member, check.Raw)
			if from, _ := read(); from != addrPort(member) {
				t.Fatalf("from %v", from)
			}
			if _, err := conn.WriteToAddrPort(stunMessage(stunSuccess, 1), addrPort(member)); err != nil {
				t.Fatal(err)
			}
			// Our own check tells the mux of the stranger; it is not answered.
			if _, err := conn.WriteToAddrPort(stunMessage(stunRequest, 1), addrPort(stranger)); err != nil {
				t.Fatal(err)
			}
			for _, packet := range [][]byte{clientHello, rtpPacket, rtcpPacket} {
				send(stranger, packet)
			}
			for _, packet := range [][]byte{clientHello, rtpPacket, rtcpPacket} {
				send(member, packet)
				if from, got := read(); from != addrPort(member) || !bytes.Equal(got, packet) {
					t.Fatalf("%x from %v", got, from)
				}
			}
			if s := p.Stats(); s.Unchecked != 3 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// FuzzGate feeds one gate any sequence of datagrams in both directions; nothing but a success response that the agent sends, or the answer
// to its own check, may open it.
func FuzzGate(f *testing.F) {
	f.Add([]byte("\x00\x01\x14ab"), clientHello)
	f.Add(stunMessage(stunRequest, 1), stunMessage(stunSuccess, 1))
	f.Add(rtpPacket, rtcpPacket)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		g, _, _ := gated()
		g.receives(first, ann)
		g.receives(second, ann)
		if g.receives(rtpPacket, ann) {
			t.Fatal("opened by what came in")
		}
		g.sends(first, evil)
		g.receives(second, ann)
		if g.receives(rtpPacket, ann) {
			t.Fatal("opened by what went elsewhere")
		}
	})
}

func TestGateAllocatesNothing(t *testing.T) {
	g, _, _ := gated()
	g.sends(stunMessage(stunSuccess, 1), ann)
	if n := testing.AllocsPerRun(1000, func() {
		g.receives(rtpPacket, ann)
		g.sendsRTP(ann)
		g.sends(rtcpPacket, ann)
	}); n != 0 {
		t.Errorf("%v allocations for three packets", n)
	}
}

func BenchmarkGate(b *testing.B) {
	p := &Port{consent: DefaultConsent}
	begin := time.Now()
	p.now = func() int64 { return int64(time.Since(begin)) }
	g := newGate(p)
	g.sends(stunMessage(stunSuccess, 1), evil)
	g.sends(stunMessage(stunSuccess, 1), ann)
	b.Run("in", func(b *testing.B) {
		for b.Loop() {
			g.receives(rtpPacket, ann)
		}
	})
	b.Run("out", func(b *testing.B) {
		for b.Loop() {
			g.sendsRTP(ann)
		}
	})
}
