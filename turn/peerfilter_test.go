package turn

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/pion/stun/v3"
)

// matrix are addresses that a relay has no business with, and two that it may
// be told to serve.
var matrix = []string{
	"0.0.0.0", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1",
	"198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fc00::1", "fe80::1", "ff02::1",
	"8.8.8.8", "2001:db8::1",
}

const restrictedInMatrix = 25

func everywhere() []netip.Prefix { return prefixes("0.0.0.0/0", "::/0") }

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

func TestPeerFilter(t *testing.T) {
	sfu, inside := netip.MustParseAddrPort("203.0.113.7:7882"), netip.MustParseAddrPort("10.0.0.5:7882")
	f := NewPeerFilter(Peers{
		Media:    map[netip.AddrPort]netip.AddrPort{sfu: inside},
		Networks: prefixes("198.51.100.0/24", "10.0.0.0/8", "2002::/16"),
		Own:      []netip.Addr{sfu.Addr(), netip.MustParseAddr("198.51.100.1")},
	})
	for text, want := range map[string]bool{
		"203.0.113.7:7882":         true,
		"203.0.113.7:7881":         false, // ours, but not media
		"203.0.113.8:7882":         false,
		"10.0.0.5:7882":            false, // by its inside name
		"198.51.100.2:9":           true,
		"198.51.100.2:0":           false,
		"198.51.100.1:9":           false, // another address of this machine
		"10.1.2.3:9":               false, // restricted, though in a network
		"198.51.101.1:9":           false,
		"[2002:c633:6402::1]:9":    true,  // 6to4 of 198.51.100.2
		"[2002:c633:6401::1]:9":    false, // 6to4 of this machine
		"[2002:808:808::1]:9":      false, // 6to4 of what is not allowed
		"[::ffff:198.51.100.2]:9":  false,
		"[::ffff:203.0.113.7]:782": false,
	} {
		a := netip.MustParseAddrPort(text)
		to, ok := f.Route(a)
		if ok != want {
			t.Errorf("route to %s: %v", text, ok)
		}
		if a == sfu && to != inside {
			t.Errorf("the media port is reached at %v", to)
		}
		if ok && !f.Permits(a.Addr()) {
			t.Errorf("%s: no permission for what has a route", text)
		}
	}
	if f.Origin(inside) != sfu || f.Origin(sfu) != sfu {
		t.Errorf("origin %v", f.Origin(inside))
	}
}

// The matrix against a running relay: by default nothing is granted, with
// everything allowed the restricted ones still are not.
func TestPeerMatrix(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		t.Run(fmt.Sprintf("allowed %v", allowed), func(t *testing.T) {
			var networks []netip.Prefix
			if allowed {
				networks = everywhere()
			}
			r := start(t, setup{change: func(c *Config) { c.Peers = NewPeerFilter(Peers{Networks: networks}) }})
			for _, transport := range []string{"udp", "tcp", "tls"} {
				for _, six := range []bool{false, true} {
					c := r.dial(transport).as(r, "PA_ann")
					if six {
						c.allocate(wantIPv6)
					} else {
						c.allocate()
					}
					granted := c.probe(t, six)
					switch {
					case !allowed && len(granted) != 0,
						allowed && !six && fmt.Sprint(granted) != "[8.8.8.8 8.8.8.8]",
						allowed && six && fmt.Sprint(granted) != "[2001:db8::1 2001:db8::1]":
						t.Errorf("%s, IPv6 %v: granted %v", transport, six, granted)
					}
				}
			}
			if up := r.server.Stats().PacketsUp; up != 0 && !allowed {
				t.Errorf("%d packets were sent", up)
			}
		})
	}
}

// probe asks for a permission and a channel to each address of the matrix and
// returns those that were granted, per request. It sends to each, too.
func (c *caller) probe(t *testing.T, six bool) (granted []string) {
	t.Helper()
	for i, text := range matrix {
		to := netip.AddrPortFrom(netip.MustParseAddr(text), 9)
		want := codeForbidden
		if to.Addr().Is6() != six {
			want = codePeerFamilyMismatch
		}
		for _, method := range []stun.Method{stun.MethodCreatePermission, stun.MethodChannelBind} {
			switch code := codeOf(c.ask(method, peer(to), channelNumber(firstChannel+uint16(i)))); code {
			case 0:
				granted = append(granted, text)
			case want:
			default:
				t.Errorf("%v to %s: %d, want %d", method, text, code, want)
			}
		}
		if i < restrictedInMatrix {
			c.send(c.message(stun.MethodSend, stun.ClassIndication, peer(to), attribute{stun.AttrData, []byte("knock")}).Raw)
		}
	}
	return granted
}

// A permission for the address of the media port is none for other ports of
// that machine.
func TestOtherPortsOfMedia(t *testing.T) {
	to, other := echo(t, "127.0.0.1:0"), echo(t, "127.0.0.1:0")
	r := start(t, setup{change: func(c *Config) { c.Peers = media(to) }})
	c := r.dial("udp").as(r, "PA_ann")
	c.allocate()
	if code := codeOf(c.ask(stun.MethodCreatePermission, peer(other))); code != 0 {
		t.Fatalf("permissions are by address: %d", code)
	}
	if code := codeOf(c.ask(stun.MethodChannelBind, channelNumber(0x4000), peer(other))); code != codeForbidden {
		t.Errorf("channel to another port: %d", code)
	}
	c.send(c.message(stun.MethodSend, stun.ClassIndication, peer(other), attribute{stun.AttrData, []byte("knock")}).Raw)
	if !c.silence() {
		t.Error("another port was reached")
	}
	if s := r.server.Stats(); s.PacketsUp != 0 || s.Unpermitted != 1 {
		t.Errorf("%+v", s)
	}
}
