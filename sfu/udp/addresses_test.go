package udp

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func listed(p *Port) []netip.Addr {
	var out []netip.Addr
	for _, addr := range p.Mux(nil).GetListenAddresses() {
		out = append(out, unmap(addr.(*net.UDPAddr).AddrPort()).Addr())
	}
	return out
}

func TestBoundAddressIsAnnouncedAsItIs(t *testing.T) {
	p := openPort(t, Options{IPFilter: func(net.IP) bool { return false }}, "127.0.0.1:0")
	got := p.Mux(nil).GetListenAddresses()
	if len(got) != 1 || got[0].String() != p.sockets[0].local.String() {
		t.Fatalf("announces %v", got)
	}
}

func TestUnspecifiedAddressAnnouncesTheHostsOnes(t *testing.T) {
	v4 := netip.MustParseAddr("127.0.0.1")
	v6 := netip.MustParseAddr("::1")
	loopback := Options{IncludeLoopback: true}

	all := openPort(t, loopback, "0.0.0.0:0")
	if got := listed(all); !slices.Contains(got, v4) {
		t.Errorf("announces %v without %v", got, v4)
	}
	for _, addr := range listed(all) {
		if !addr.Is4() {
			t.Errorf("an IPv4 socket announces %v", addr)
		}
	}
	for _, addr := range listed(openPort(t, Options{}, "0.0.0.0:0")) {
		if addr.IsLoopback() {
			t.Errorf("announces %v", addr)
		}
	}
	only := loopback
	only.IPFilter = func(ip net.IP) bool { return ip.Equal(net.IPv4(127, 0, 0, 1)) }
	if got := listed(openPort(t, only, "0.0.0.0:0")); !slices.Equal(got, []netip.Addr{v4}) {
		t.Errorf("announces %v", got)
	}
	none := loopback
	none.InterfaceFilter = func(string) bool { return false }
	if got := listed(openPort(t, none, "0.0.0.0:0")); len(got) != 0 {
		t.Errorf("announces %v", got)
	}
	dual := openPort(t, loopback, "[::]:0")
	if got := listed(dual); dual.sockets[0].dual && !slices.Contains(got, v4) || !slices.Contains(got, v6) {
		t.Errorf("a dual-stack socket announces %v", got)
	}
}

func TestEachFamilyGoesToItsSocket(t *testing.T) {
	probe := listen(t, "0.0.0.0:0")
	six, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6unspecified, Port: probe.LocalAddr().(*net.UDPAddr).Port})
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	p, err := NewPort([]*net.UDPConn{probe, six}, quiet(), Options{IncludeLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	port := p.sockets[0].local.Port
	for i, ip := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback} {
		if got, ok := p.socketFor(&net.UDPAddr{IP: ip, Port: port}); !ok || got != i {
			t.Errorf("%v goes to socket %d", ip, got)
		}
	}
	got := listed(p)
	if sorted := slices.SortedFunc(slices.Values(got), netip.Addr.Compare); len(slices.Compact(sorted)) != len(got) {
		t.Errorf("announces an address twice: %v", got)
	}
}

func TestDualStackSocketSendsToBoth(t *testing.T) {
	p := openPort(t, Options{IncludeLoopback: true}, "[::]:0")
	if !p.sockets[0].dual {
		t.Skip("this system has no dual-stack sockets")
	}
	b := NewBatch()
	four, six := listen(t, "127.0.0.1:0"), listen(t, "[::1]:0")
	conn := connect(t, p, b, "u", 0)
	for i := range 4 {
		for _, peer := range []*net.UDPConn{four, six} {
			if _, err := conn.WriteTo(packetOf(i, 80), peer.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := conn.WriteTo([]byte{0, 1}, four.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	receive(t, four, 1)
	b.Flush()
	for _, peer := range []*net.UDPConn{four, six} {
		for i, got := range receive(t, peer, 4) {
			if !slices.Equal(got, packetOf(i, 80)) {
				t.Fatalf("%v: datagram %d differs", peer.LocalAddr(), i)
			}
		}
	}
}

func TestAddressesAreAskedForAgainAfterAWhile(t *testing.T) {
	now := time.Unix(1000, 0)
	asked := 0
	c := addressCache{
		now: func() time.Time { return now },
		list: func() []net.Addr {
			asked++
			return []net.Addr{&net.UDPAddr{Port: asked}}
		},
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {addressesLast - 1, 1}, {1, 2}, {addressesLast, 3}} {
		now = now.Add(step.after)
		if got := c.get()[0].(*net.UDPAddr).Port; got != step.want {
			t.Fatalf("after %v: list %d, want %d", step.after, got, step.want)
		}
	}
}
