package udp

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen opens a UDP socket that the test closes, with buffers that hold a whole test's packets.
func listen(t testing.TB, address string) *net.UDPConn {
	t.Helper()
	addr := netip.MustParseAddrPort(address)
	network := "udp" // both families for [::]
	if addr.Addr().Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		if strings.HasPrefix(address, "[") {
			t.Skipf("no IPv6 here: %v", err)
		}
		t.Fatal(err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func addrPort(conn *net.UDPConn) netip.AddrPort {
	return unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort())
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openPort(t testing.TB, options Options, addresses ...string) *Port {
	t.Helper()
	var conns []*net.UDPConn
	for _, address := range addresses {
		conns = append(conns, listen(t, address))
	}
	p, err := NewPort(conns, quiet(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close port: %v", err)
		}
	})
	return p
}

// connect takes the connection that pion's agent would take of a view, at the port's nth socket.
func connect(t testing.TB, p *Port, b *Batch, ufrag string, n int) addrPortConn {
	t.Helper()
	conn, err := p.Mux(b).GetConn(ufrag, p.sockets[n].local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(addrPortConn)
}

// receive reads n datagrams.
func receive(t testing.TB, conn *net.UDPConn, n int) [][]byte {
	t.Helper()
	var out [][]byte
	buf := make([]byte, 65536)
	for range n {
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		size, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(out), n, err)
		}
		out = append(out, slices.Clone(buf[:size]))
	}
	return out
}

// empty fails the test if a datagram waits. Loopback delivers within the send call, so what was going
// to arrive has arrived.
func empty(t *testing.T, conn *net.UDPConn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 2048)); err == nil {
		t.Fatalf("a datagram of %d bytes too many", n)
	}
}

// packetOf makes a packet of n bytes that names its number.
func packetOf(number, n int) []byte {
	b := make([]byte, n)
	b[0], b[1] = 0x80, 96
	for i := 2; i < n; i++ {
		b[i] = byte(number * (i | 1) >> (i % 7))
	}
	b[2], b[3] = byte(number>>8), byte(number)
	return b
}

func TestOnlyRTPIsBatched(t *testing.T) {
	for _, c := range []struct {
		name    string
		packet  []byte
		batched bool
	}{
		{"RTP", []byte{0x80, 96, 0, 1}, true},
		{"RTP with marker", []byte{0x90, 0x80 | 111, 0, 1}, true},
		{"RTP, last payload type below RTCP", []byte{0x80, 191}, true},
		{"RTP, first payload type above RTCP", []byte{0x80, 224}, true},
		{"sender report", []byte{0x80, 200, 0, 6}, false},
		{"first RTCP type", []byte{0x80, 192}, false},
		{"last RTCP type", []byte{0xbf, 223}, false},
		{"STUN", []byte{0, 1, 0, 0}, false},
		{"DTLS", []byte{22, 254, 253, 0}, false},
		{"above RTP", []byte{0xc0, 96}, false},
		{"one byte", []byte{0x80}, false},
		{"nothing", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := openPort(t, Options{}, "127.0.0.1:0")
			b := NewBatch()
			peer := listen(t, "127.0.0.1:0")
			conn := connect(t, p, b, "u", 0)
			if n, err := conn.WriteToAddrPort(c.packet, addrPort(peer)); err != nil || n != len(c.packet) {
				t.Fatalf("wrote %d: %v", n, err)
			}
			if waits := b.Len() == 1; waits != c.batched {
				t.Fatalf("in the batch: %v", waits)
			}
			b.Flush()
			if got := receive(t, peer, 1)[0]; !slices.Equal(got, c.packet) {
				t.Fatalf("got %x", got)
			}
			if b.Len() != 0 {
				t.Fatal("flushed batch is not empty")
			}
		})
	}
}

func TestWithoutBatchRTPIsSentAtOnce(t *testing.T) {
	p := openPort(t, Options{}, "127.0.0.1:0")
	peer := listen(t, "127.0.0.1:0")
	conn := connect(t, p, nil, "u", 0)
	if _, err := conn.WriteTo(packetOf(1, 100), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, peer, 1)[0]; !slices.Equal(got, packetOf(1, 100)) {
		t.Fatalf("got %x", got)
	}
	if s := p.Stats(); s.Datagrams != 1 || s.Bytes != 100 || s.Batches != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestTwoPortsInOneBatch(t *testing.T) {
	first, second := openPort(t, Options{}, "127.0.0.1:0"), openPort(t, Options{}, "127.0.0.1:0")
	b := NewBatch()
	peer := listen(t, "127.0.0.1:0")
	one, two := connect(t, first, b, "u", 0), connect(t, second, b, "u", 0)
	for i := range 6 {
		conn := one
		if i%2 == 1 {
			conn = two
		}
		if _, err := conn.WriteTo(packetOf(i, 200), peer.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	b.Flush()
	got := receive(t, peer, 6)
	for i, number := range []int{0, 2, 4, 1, 3, 5} {
		if !slices.Equal(got[i], packetOf(number, 200)) {
			t.Fatalf("datagram %d is not packet %d", i, number)
		}
	}
	if a, z := first.Stats().Datagrams, second.Stats().Datagrams; a != 3 || z != 3 {
		t.Fatalf("%d and %d datagrams", a, z)
	}
}

func TestReceivedGoesToTheUserFragment(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			p := openPort(t, Options{}, address)
			peer := listen(t, address)
			conn := connect(t, p, NewBatch(), "u", 0)
			// Answering the peer's check tells the mux whose its datagrams are.
			if _, err := conn.WriteToAddrPort(stunMessage(stunSuccess, 1), addrPort(peer)); err != nil {
				t.Fatal(err)
			}
			if _, err := peer.WriteToUDPAddrPort(packetOf(3, 300), p.sockets[0].local.AddrPort()); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 1500)
			n, from, err := conn.ReadFromAddrPort(buf)
			if err != nil || from != addrPort(peer) || !slices.Equal(buf[:n], packetOf(3, 300)) {
				t.Fatalf("read %d from %v: %v", n, from, err)
			}
			if s := p.Stats(); s.Received != 1 || s.ReceivedBytes != 300 {
				t.Fatalf("%+v", s)
			}
		})
	}
}

func TestClosedViewLeavesThePortOpen(t *testing.T) {
	p := openPort(t, Options{}, "127.0.0.1:0")
	b := NewBatch()
	peer := listen(t, "127.0.0.1:0")
	mux := p.Mux(b)
	conn, err := mux.GetConn("gone", p.sockets[0].local)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.WriteTo(packetOf(0, 50), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	mux.RemoveConnByUfrag("gone")
	if err := mux.Close(); err != nil {
		t.Fatal(err)
	}
	for _, packet := range [][]byte{packetOf(1, 50), {0, 1}} {
		if _, err := conn.WriteTo(packet, peer.LocalAddr()); err != io.ErrClosedPipe {
			t.Fatalf("write on a closed connection: %v", err)
		}
	}
	other := connect(t, p, b, "stays", 0)
	if _, err := other.WriteTo(packetOf(2, 60), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	b.Flush()
	if got := receive(t, peer, 2); len(got[0]) != 50 || len(got[1]) != 60 {
		t.Fatalf("%d and %d bytes", len(got[0]), len(got[1]))
	}
}

func TestClosedPortDropsAndForgets(t *testing.T) {
	p := openPort(t, Options{}, "127.0.0.1:0")
	b := NewBatch()
	peer := listen(t, "127.0.0.1:0")
	conn := connect(t, p, b, "u", 0)
	for i := range 3 {
		if _, err := conn.WriteTo(packetOf(i, 50), peer.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b.Flush()
	if s := p.Stats(); s.DroppedError != 3 || s.Datagrams != 0 {
		t.Fatalf("%+v", s)
	}
	if len(b.queues) != 0 {
		t.Fatal("the batch holds on to a closed socket")
	}
	if _, err := p.Mux(b).GetConn("late", p.sockets[0].local); err == nil {
		t.Fatal("a connection of a closed port")
	}
}

func TestPortRefusesWhatItCannotServe(t *testing.T) {
	if _, err := NewPort(nil, quiet(), Options{}); err == nil {
		t.Fatal("a port without sockets")
	}
	closed := listen(t, "127.0.0.1:0")
	_ = closed.Close()
	p := openPort(t, Options{}, "127.0.0.1:0")
	mux := p.Mux(NewBatch())
	for _, addr := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.sockets[0].local.Port},
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.sockets[0].local.Port + 1},
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: p.sockets[0].local.Port},
	} {
		if _, err := mux.GetConn("u", addr); err == nil {
			t.Errorf("a connection at %v", addr)
		}
	}
	conn := connect(t, p, NewBatch(), "u", 0)
	for _, packet := range [][]byte{packetOf(0, 20), {0, 1}} {
		if _, err := conn.WriteToAddrPort(packet, netip.MustParseAddrPort("[2001:db8::1]:9")); err == nil {
			t.Error("an IPv4 socket took an IPv6 destination")
		}
	}
	if s := p.Stats(); s.DroppedError != 2 {
		t.Errorf("%+v", s)
	}
}
