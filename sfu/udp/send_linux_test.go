package udp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// kernel stands in for sendmmsg(2): it follows a script of how many messages to take and what to say
// to the next one, and cuts messages as the kernel would.
type kernel struct {
	sender *sender
	script []reply
	calls  int
	got    map[netip.AddrPort][][]byte
	cut    int // messages taken that carried UDP_SEGMENT
	bad    string
}

// reply takes up to accept messages; with none, errno is the answer.
type reply struct {
	accept int
	errno  syscall.Errno
}

func (k *kernel) call(uintptr) {
	r := reply{accept: batchPackets}
	if k.calls < len(k.script) {
		r = k.script[k.calls]
	}
	k.calls++
	k.sender.sent, k.sender.errno = 0, r.errno
	if r.errno != 0 {
		return
	}
	n := min(max(r.accept, 1), k.sender.used-k.sender.from)
	for i := k.sender.from; i < k.sender.from+n; i++ {
		k.take(&k.sender.headers[i])
	}
	k.sender.sent = n
}

func (k *kernel) take(h *mmsghdr) {
	name := (*unix.RawSockaddrInet4)(unsafe.Pointer(h.Name))
	if name.Family != unix.AF_INET || h.Namelen != unix.SizeofSockaddrInet4 || h.Iovlen != 1 {
		k.bad = fmt.Sprintf("header with family %d, name of %d bytes, %d vectors", name.Family, h.Namelen, h.Iovlen)
		return
	}
	port := *(*[2]byte)(unsafe.Pointer(&name.Port))
	to := netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(port[0])<<8|uint16(port[1]))
	payload := unsafe.Slice(h.Iov.Base, h.Iov.Len)
	size := len(payload)
	if h.Control != nil {
		c := (*segmentControl)(unsafe.Pointer(h.Control))
		size = int(c.size)
		k.cut++
		if c.Level != unix.IPPROTO_UDP || c.Type != unix.UDP_SEGMENT || int(c.Len) != unix.CmsgLen(2) ||
			int(h.Controllen) != unix.CmsgSpace(2) || size == 0 || len(payload) > maxMessage || len(payload) > maxSegments*size {
			k.bad = fmt.Sprintf("message of %d bytes in segments of %d: control %+v", len(payload), size, c)
			return
		}
	}
	for segment := range slices.Chunk(payload, size) {
		k.got[to] = append(k.got[to], slices.Clone(segment))
	}
}

// scripted puts a kernel under the batch's queue of the port's only socket.
func scripted(p *Port, b *Batch, script []reply) *kernel {
	s := b.queue(p.sockets[0]).sender
	k := &kernel{sender: s, script: script, got: make(map[netip.AddrPort][][]byte)}
	s.call = k.call
	return k
}

func TestAnswersOfTheKernel(t *testing.T) {
	// Three viewers with a frame of 3, 2 and 1 packets.
	for _, c := range []struct {
		name                string
		plain               bool
		script              []reply
		got                 [3]int
		full, large, failed uint64
		refused             uint64
	}{
		{name: "takes all", got: [3]int{3, 2, 1}},
		{name: "stops after one message", script: []reply{{accept: 1}}, got: [3]int{3, 2, 1}},
		{name: "interrupted", script: []reply{{errno: unix.EINTR}}, got: [3]int{3, 2, 1}},
		{name: "full at once", script: []reply{{errno: unix.EAGAIN}}, full: 6},
		{name: "full after one", script: []reply{{accept: 1}, {errno: unix.EAGAIN}}, got: [3]int{3}, full: 3},
		{name: "no memory after two", script: []reply{{accept: 2}, {errno: unix.ENOBUFS}}, got: [3]int{3, 2}, full: 1},
		{name: "no route to the first", script: []reply{{errno: unix.ENETUNREACH}}, got: [3]int{0, 2, 1}, failed: 3},
		{name: "filtered in the middle", script: []reply{{accept: 1}, {errno: unix.EPERM}}, got: [3]int{3, 0, 1}, failed: 2},
		{name: "will not cut the first", script: []reply{{errno: unix.EIO}}, got: [3]int{3, 2, 1}, refused: 1},
		{name: "will not cut the second", script: []reply{{accept: 1}, {errno: unix.EINVAL}}, got: [3]int{3, 2, 1}, refused: 1},
		{name: "will not cut any", script: []reply{{errno: unix.EMSGSIZE}, {accept: 3}, {errno: unix.EMSGSIZE}}, got: [3]int{3, 2, 1}, refused: 2},
		{name: "will not cut and is full", script: []reply{{errno: unix.EINVAL}, {accept: 2}, {errno: unix.EAGAIN}}, got: [3]int{2}, full: 4, refused: 1},
		{name: "path takes no such packets", script: []reply{{errno: unix.EMSGSIZE}, {errno: unix.EMSGSIZE}, {errno: unix.EMSGSIZE}, {errno: unix.EMSGSIZE}},
			got: [3]int{0, 2, 1}, large: 3, refused: 1},
		{name: "invalid single packet", script: []reply{{accept: 2}, {errno: unix.EINVAL}}, got: [3]int{3, 2, 0}, failed: 1},
		{name: "plainly, stops in a run", plain: true, script: []reply{{accept: 2}, {accept: 2}}, got: [3]int{3, 2, 1}},
		{name: "plainly, one too large", plain: true, script: []reply{{accept: 1}, {errno: unix.EMSGSIZE}}, got: [3]int{2, 2, 1}, large: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := openPort(t, Options{}, "127.0.0.1:0")
			p.sockets[0].segmentation.enabled.Store(!c.plain)
			b := NewBatch()
			k := scripted(p, b, c.script)
			conn := connect(t, p, b, "u", 0)
			var peers []netip.AddrPort
			for viewer := range 3 {
				peer := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(9000+viewer))
				peers = append(peers, peer)
				for i := range 3 - viewer {
					if _, err := conn.WriteToAddrPort(packetOf(i, 500), peer); err != nil {
						t.Fatal(err)
					}
				}
			}
			b.Flush()
			if k.bad != "" {
				t.Fatal(k.bad)
			}
			var got [3]int
			for i, peer := range peers {
				got[i] = len(k.got[peer])
			}
			s := p.Stats()
			if got != c.got || s.DroppedFull != c.full || s.DroppedTooLarge != c.large || s.DroppedError != c.failed || s.GSORefused != c.refused {
				t.Fatalf("viewers got %v, %+v", got, s)
			}
			if s.Datagrams+s.DroppedFull+s.DroppedTooLarge+s.DroppedError != 6 || int(s.Calls) != k.calls {
				t.Fatalf("counts do not add up: %+v", s)
			}
		})
	}
}

func TestDeviceThatNeverCutsIsNotAskedForever(t *testing.T) {
	p := openPort(t, Options{}, "127.0.0.1:0")
	g := &p.sockets[0].segmentation
	g.enabled.Store(true)
	for range 10 * segmentationRefusals {
		g.refused(quiet(), unix.EINVAL)
	}
	for range segmentationRefusals - 1 {
		g.refused(quiet(), unix.EIO)
	}
	g.accepted()
	for range segmentationRefusals - 1 {
		g.refused(quiet(), unix.EIO)
	}
	if !g.on() {
		t.Fatal("off although the kernel cuts messages")
	}
	b := NewBatch()
	k := scripted(p, b, []reply{{errno: unix.EIO}})
	conn := connect(t, p, b, "u", 0)
	for round := range 2 {
		for i := range 4 {
			if _, err := conn.WriteTo(packetOf(i, 400), &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}); err != nil {
				t.Fatal(err)
			}
		}
		b.Flush()
		if s := p.Stats(); g.on() || s.GSORefused != 1 || s.Datagrams != uint64(4*(round+1)) || k.cut != 0 {
			t.Fatalf("round %d: segmentation %v, %+v", round, g.on(), s)
		}
	}
}

// Whatever the kernel answers, each packet is delivered once and in order or counted as dropped.
func TestNothingIsLostUncounted(t *testing.T) {
	p := openPort(t, Options{}, "127.0.0.1:0")
	errnos := []syscall.Errno{unix.EINTR, unix.EAGAIN, unix.ENOBUFS, unix.EIO, unix.EINVAL, unix.ENOPROTOOPT,
		unix.EMSGSIZE, unix.EPERM, unix.ENETUNREACH}
	rapid.Check(t, func(t *rapid.T) {
		b := NewBatch()
		before := p.Stats()
		p.sockets[0].segmentation.enabled.Store(rapid.Bool().Draw(t, "segmentation"))
		script := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) reply {
			if rapid.Bool().Draw(t, "fails") {
				return reply{errno: rapid.SampledFrom(errnos).Draw(t, "errno")}
			}
			return reply{accept: rapid.IntRange(1, 20).Draw(t, "accept")}
		}), 0, 30).Draw(t, "script")
		k := scripted(p, b, script)
		v := p.Mux(b).(*view)
		written := make(map[netip.AddrPort][][]byte)
		total := 0
		for range rapid.IntRange(1, 12).Draw(t, "runs") {
			to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), uint16(rapid.IntRange(9000, 9003).Draw(t, "port")))
			size := rapid.IntRange(4, maxPacket).Draw(t, "size")
			for i := range rapid.IntRange(1, 90).Draw(t, "packets") {
				n := size
				if i%13 == 12 {
					n = rapid.IntRange(4, maxPacket).Draw(t, "odd size")
				}
				packet := packetOf(total, n)
				if _, err := v.batch.add(p.sockets[0], to, packet); err != nil {
					t.Fatal(err)
				}
				written[to] = append(written[to], packet)
				total++
			}
		}
		b.Flush()
		if k.bad != "" {
			t.Fatal(k.bad)
		}
		got := 0
		for to, packets := range k.got {
			got += len(packets)
			rest := written[to]
			for _, packet := range packets {
				at := slices.IndexFunc(rest, func(w []byte) bool { return slices.Equal(w, packet) })
				if at < 0 {
					t.Fatalf("%v got a packet twice, out of order or damaged", to)
				}
				rest = rest[at+1:]
			}
		}
		s := p.Stats()
		sent := s.Datagrams - before.Datagrams
		dropped := s.DroppedFull + s.DroppedTooLarge + s.DroppedError -
			before.DroppedFull - before.DroppedTooLarge - before.DroppedError
		if int(sent) != got || int(sent+dropped) != total {
			t.Fatalf("%d packets: %d arrived, %d counted as sent, %d as dropped", total, got, sent, dropped)
		}
	})
}

func TestUnreachableViewerDoesNotStopTheOthers(t *testing.T) {
	p := openPort(t, Options{}, "127.0.0.1:0")
	b := NewBatch()
	peer := listen(t, "127.0.0.1:0")
	conn := connect(t, p, b, "u", 0)
	// The kernel sends nothing from a loopback address to elsewhere.
	for _, to := range []netip.AddrPort{addrPort(peer), netip.MustParseAddrPort("192.0.2.1:9"), addrPort(peer)} {
		for i := range 5 {
			if _, err := conn.WriteToAddrPort(packetOf(i, 700), to); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.Flush()
	receive(t, peer, 10)
	if s := p.Stats(); s.Datagrams != 10 || s.DroppedError != 5 || s.Batches != 1 {
		t.Fatalf("%+v", s)
	}
	if _, err := conn.WriteToAddrPort([]byte{0, 1}, netip.MustParseAddrPort("192.0.2.1:9")); err == nil {
		t.Fatal("no error for a datagram the kernel refused")
	}
}

func TestReaderSurvivesErrors(t *testing.T) {
	p := openPort(t, Options{}, "127.0.0.1:0")
	s := p.sockets[0]
	if err := s.raw.Control(func(fd uintptr) {
		// With this the socket reports what ICMP says of its peers as a failed read.
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	gone, peer := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, p, nil, "u", 0)
	if _, err := conn.WriteToAddrPort(stunMessage(stunSuccess, 1), addrPort(peer)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.WriteTo([]byte{0, 1}, gone.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := peer.WriteToUDPAddrPort(packetOf(0, 50), s.local.AddrPort()); err != nil {
			t.Fatal(err)
		}
		if n, _, err := conn.ReadFrom(make([]byte, 1500)); err != nil || n != 50 {
			t.Fatalf("read %d: %v", n, err)
		}
	}
	if s := p.Stats(); s.ReadErrors == 0 {
		t.Fatal("the read did not fail")
	}
}

func TestZones(t *testing.T) {
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) == 0 {
		t.Skip("no interface")
	}
	var z zones
	for range 2 {
		for _, iface := range interfaces {
			if got := z.index(iface.Name); int(got) != iface.Index {
				t.Errorf("%s has index %d, want %d", iface.Name, got, iface.Index)
			}
		}
		if got := z.index("77"); got != 77 {
			t.Errorf("zone 77 has index %d", got)
		}
		if got := z.index("no such interface"); got != 0 {
			t.Errorf("an unknown zone has index %d", got)
		}
	}
	s := &socket{ipv6: true}
	var name unix.RawSockaddrInet6
	s.name(&name, netip.MustParseAddrPort("[fe80::1%"+interfaces[0].Name+"]:258"))
	if int(name.Scope_id) != interfaces[0].Index || name.Port != uint16(1)|uint16(2)<<8 && name.Port != 258 {
		t.Errorf("%+v", name)
	}
}
