package turn

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// What a client sends reaches the peer and comes back, by channel and by
// indication, over every transport and with relayed addresses of both families.
func TestRelay(t *testing.T) {
	peers := []netip.AddrPort{echo(t, "127.0.0.1:0"), echo(t, "[::1]:0")}
	r := start(t, setup{change: func(c *Config) { c.Peers = media(peers...) }})
	for _, transport := range transports {
		for i, to := range peers {
			t.Run(transport+" to "+to.Addr().String(), func(t *testing.T) {
				c := r.dial(transport).as(r, transport)
				var attributes []stun.Setter
				if i == 1 {
					attributes = append(attributes, wantIPv6)
				}
				if relayed := c.allocate(attributes...); relayed.Addr() != to.Addr() || relayed.Port() == 0 {
					t.Fatalf("relayed address %v", relayed)
				}
				if code := codeOf(c.ask(stun.MethodCreatePermission, peer(to))); code != 0 {
					t.Fatalf("permission refused with %d", code)
				}
				for _, size := range []int{0, 1, 2, 3, 4, 999, 1200} {
					data := bytes.Repeat([]byte{byte(size)}, size)
					c.send(c.message(stun.MethodSend, stun.ClassIndication, peer(to), attribute{stun.AttrData, data}).Raw)
					b, err := c.read()
					if err != nil {
						t.Fatal(err)
					}
					m := &stun.Message{Raw: b}
					if err := m.Decode(); err != nil || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
						t.Fatalf("%x: %v", b, err)
					}
					got, err := m.Get(stun.AttrData)
					if from := addressOf(t, m, stun.AttrXORPeerAddress); err != nil || !bytes.Equal(got, data) || from != to {
						t.Fatalf("%d bytes came back as %x from %v: %v", size, got, from, err)
					}
				}
				if code := codeOf(c.ask(stun.MethodChannelBind, channelNumber(0x4001), peer(to))); code != 0 {
					t.Fatalf("channel refused with %d", code)
				}
				for _, size := range []int{0, 1, 2, 3, 4, 999, 1200} {
					frame := channelFrame(0x4001, bytes.Repeat([]byte{byte(size)}, size), c.stream)
					c.send(frame)
					got, err := c.read()
					if err != nil || !bytes.Equal(got, frame[:channelHeader+size]) {
						t.Fatalf("%d bytes came back as %x: %v", size, got, err)
					}
				}
				if code := codeOf(c.ask(stun.MethodRefresh, lifetime(0))); code != 0 {
					t.Fatalf("end refused with %d", code)
				}
			})
		}
	}
}

func channelFrame(channel uint16, data []byte, padded bool) []byte {
	b := binary.BigEndian.AppendUint16(nil, channel)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	b = append(b, data...)
	for padded && len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// Media behind a one-to-one NAT is reached from inside, under the name that
// the client knows.
func TestHairpin(t *testing.T) {
	inside := echo(t, "127.0.0.1:0")
	known := netip.MustParseAddrPort("203.0.113.7:7882")
	filter := NewPeerFilter(Peers{Media: map[netip.AddrPort]netip.AddrPort{known: inside}})
	r := start(t, setup{change: func(c *Config) { c.Peers = filter }})
	c := r.dial("udp").as(r, "a")
	c.allocate()
	if code := codeOf(c.ask(stun.MethodChannelBind, channelNumber(0x4FFF), peer(known))); code != 0 {
		t.Fatalf("channel refused with %d", code)
	}
	frame := channelFrame(0x4FFF, []byte("knock"), false)
	c.send(frame)
	if got, err := c.read(); err != nil || !bytes.Equal(got, frame) {
		t.Fatalf("%q came back: %v", got, err)
	}
	if code := codeOf(c.ask(stun.MethodCreatePermission, peer(inside))); code != codeForbidden {
		t.Errorf("the inside address by its own name: %d", code)
	}
}

// The packets of media cost no allocation, in either direction.
func TestPacketsAllocateNothing(t *testing.T) {
	sink, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Close() }()
	to := sink.LocalAddr().(*net.UDPAddr).AddrPort()
	r := start(t, setup{change: func(c *Config) { c.Peers = media(to) }})
	c := r.dial("udp").as(r, "PA_ann")
	c.allocate()
	c.ask(stun.MethodChannelBind, channelNumber(0x4000), peer(to))
	a := r.server.all()[0]
	frame := channelFrame(0x4000, make([]byte, 1000), false)
	indication := c.message(stun.MethodSend, stun.ClassIndication, peer(to), attribute{stun.AttrData, make([]byte, 1000)}).Raw
	for name, packet := range map[string][]byte{"channel": frame, "indication": indication} {
		if n := testing.AllocsPerRun(200, func() { r.server.receive(a.client, a, packet) }); n != 0 {
			t.Errorf("%s: %v allocations a packet", name, n)
		}
	}
	back := make([]byte, headroom+1000+maxPad)
	if n := testing.AllocsPerRun(200, func() {
		if a.client.send(frameChannelData(back, 1000, 0x4000, false)) != nil || a.client.send(frameData(back, 1000, to, a.created)) != nil {
			t.Error("a frame was not sent")
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet on the way back", n)
	}
}
