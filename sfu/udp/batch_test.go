package udp

import (
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
)

// forBothWays runs a test with the kernel cutting messages and without, over IPv4 and IPv6.
func forBothWays(t *testing.T, test func(t *testing.T, p *Port, peers []*net.UDPConn)) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, gso := range []bool{true, false} {
			name := address + " plain"
			if gso {
				name = address + " segmented"
			}
			t.Run(name, func(t *testing.T) {
				p := openPort(t, Options{}, address)
				if !cut(p, gso) {
					t.Skip("this kernel has no UDP segmentation")
				}
				var peers []*net.UDPConn
				for range 4 {
					peers = append(peers, listen(t, address))
				}
				test(t, p, peers)
			})
		}
	}
}

func TestOrderAndSizesOfMixedDestinations(t *testing.T) {
	// Sizes in the order written; a run is cut where the size grows, shrinks twice, or the peer changes.
	sizes := []int{1150, 1150, 1150, 400, 1150, 1150, 1500, 1500, 12, 12, 13, 1200, 1199, 1198, 2, 1500}
	forBothWays(t, func(t *testing.T, p *Port, peers []*net.UDPConn) {
		b := NewBatch()
		conn := connect(t, p, b, "u", 0)
		want := make([][][]byte, len(peers))
		write := func(peer, number, size int) {
			packet := packetOf(number, max(size, 4))
			want[peer] = append(want[peer], slices.Clone(packet))
			if _, err := conn.WriteTo(packet, peers[peer].LocalAddr()); err != nil {
				t.Fatal(err)
			}
			clear(packet) // the batch has its own copy
		}
		number := 0
		for peer := range peers { // viewer by viewer
			for _, size := range sizes {
				write(peer, number, size)
				number++
			}
		}
		for i, size := range sizes { // packet by packet
			write(i%len(peers), number, size)
			number++
		}
		b.Flush()
		for i, peer := range peers {
			for j, got := range receive(t, peer, len(want[i])) {
				if !slices.Equal(got, want[i][j]) {
					t.Fatalf("peer %d, datagram %d: %d bytes, not the packet of %d bytes", i, j, len(got), len(want[i][j]))
				}
			}
			empty(t, peer)
		}
		s := p.Stats()
		if s.Datagrams != uint64(number) || s.Batches != 1 || s.Calls != 1 {
			t.Errorf("%+v, want %d datagrams in one call", s, number)
		}
		if gso := p.sockets[0].segmentation.on(); gso != (s.GSOMessages > 0) || gso != (s.GSOSegments > s.GSOMessages) {
			t.Errorf("segmentation %v, but %+v", gso, s)
		}
	})
}

func TestRunsEndAtTheKernelsLimits(t *testing.T) {
	for _, c := range []struct {
		name               string
		packets, size      int
		messages, segments uint64
	}{
		{"64 segments", 130, 100, 3, 130}, // 64 + 64 + 2
		{"65,000 bytes", 60, 1200, 2, 60}, // 54 + 6
		{"one packet", 1, 1200, 0, 0},
		{"a frame", 7, 1150, 1, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := openPort(t, Options{}, "127.0.0.1:0")
			if !cut(p, true) {
				t.Skip("this kernel has no UDP segmentation")
			}
			b := NewBatch()
			peer := listen(t, "127.0.0.1:0")
			conn := connect(t, p, b, "u", 0)
			for i := range c.packets {
				if _, err := conn.WriteTo(packetOf(i, c.size), peer.LocalAddr()); err != nil {
					t.Fatal(err)
				}
			}
			b.Flush()
			for i, got := range receive(t, peer, c.packets) {
				if !slices.Equal(got, packetOf(i, c.size)) {
					t.Fatalf("datagram %d differs", i)
				}
			}
			if s := p.Stats(); s.GSOMessages != c.messages || s.GSOSegments != c.segments {
				t.Fatalf("%d messages of %d segments", s.GSOMessages, s.GSOSegments)
			}
		})
	}
}

func TestFullBatchFlushesByItself(t *testing.T) {
	for _, size := range []int{100, maxPacket} {
		p := openPort(t, Options{}, "127.0.0.1:0")
		b := NewBatch()
		peer := listen(t, "127.0.0.1:0")
		conn := connect(t, p, b, "u", 0)
		for i := range batchPackets + 1 {
			if b.Len() != i%(batchPackets+1) {
				t.Fatalf("%d packets wait after %d", b.Len(), i)
			}
			if _, err := conn.WriteTo(packetOf(i, size), peer.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		if b.Len() != 1 {
			t.Fatalf("%d packets wait, want the one that did not fit", b.Len())
		}
		receive(t, peer, batchPackets)
		b.Flush()
		if got := receive(t, peer, 1)[0]; !slices.Equal(got, packetOf(batchPackets, size)) {
			t.Fatal("the last packet differs")
		}
	}
}

func TestOversizePacketIsRefused(t *testing.T) {
	p := openPort(t, Options{}, "127.0.0.1:0")
	b := NewBatch()
	peer := listen(t, "127.0.0.1:0")
	conn := connect(t, p, b, "u", 0)
	if _, err := conn.WriteTo(packetOf(0, maxPacket+1), peer.LocalAddr()); err == nil {
		t.Fatal("no error")
	}
	if _, err := conn.WriteTo(make([]byte, 65508), peer.LocalAddr()); !errors.Is(err, syscall.EMSGSIZE) {
		t.Fatalf("a datagram larger than UDP allows: %v", err)
	}
	if _, err := conn.WriteTo(packetOf(1, maxPacket), peer.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	b.Flush()
	receive(t, peer, 1)
	if s := p.Stats(); s.DroppedTooLarge != 2 || s.Datagrams != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestClosedPeerDoesNotStopTheOthers(t *testing.T) {
	forBothWays(t, func(t *testing.T, p *Port, peers []*net.UDPConn) {
		if err := peers[1].Close(); err != nil { // its port answers with ICMP unreachable
			t.Fatal(err)
		}
		b := NewBatch()
		conn := connect(t, p, b, "u", 0)
		for range 3 {
			for _, peer := range peers {
				for i := range 7 {
					if _, err := conn.WriteTo(packetOf(i, 900), peer.LocalAddr()); err != nil {
						t.Fatal(err)
					}
				}
			}
			b.Flush()
		}
		for i, peer := range peers {
			if i != 1 {
				receive(t, peer, 21)
			}
		}
		// The port still hears its other peers.
		if _, err := conn.WriteTo(stunMessage(stunSuccess, 1), peers[0].LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if _, err := peers[0].WriteTo(packetOf(9, 99), p.sockets[0].local); err != nil {
			t.Fatal(err)
		}
		if n, _, err := conn.ReadFrom(make([]byte, 1500)); err != nil || n != 99 {
			t.Fatalf("read %d: %v", n, err)
		}
	})
}
