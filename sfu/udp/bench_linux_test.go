package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	benchPeers = 50
	benchBurst = 7
	benchSize  = 1150
)

// benchTargets are sockets that nobody reads: once their buffers are full the kernel drops at the last
// step, so every datagram costs the same.
func benchTargets(b *testing.B) []netip.AddrPort {
	var out []netip.AddrPort
	for range benchPeers {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		out = append(out, addrPort(conn))
	}
	return out
}

// perPacket reports the time of one datagram; an operation is a frame of 7 packets to 50 viewers.
func perPacket(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(benchPeers*benchBurst), "ns/packet")
}

func BenchmarkFrameTo50Viewers(b *testing.B) {
	packet := packetOf(1, benchSize)
	batch := func(gso bool) func(b *testing.B) {
		return func(b *testing.B) {
			targets := benchTargets(b)
			p := openPort(b, Options{}, "127.0.0.1:0")
			if !cut(p, gso) {
				b.Skip("this kernel has no UDP segmentation")
			}
			own := NewBatch()
			b.ReportAllocs()
			for b.Loop() {
				for _, to := range targets {
					for range benchBurst {
						if _, err := own.add(p.sockets[0], to, packet); err != nil {
							b.Fatal(err)
						}
					}
				}
				own.Flush()
			}
			perPacket(b)
			if s := p.Stats(); s.Datagrams < uint64(b.N*benchPeers*benchBurst) {
				b.Fatalf("%+v", s)
			}
		}
	}
	b.Run("batch segmented", batch(true))
	b.Run("batch plain", batch(false))
	b.Run("mux path unbatched", func(b *testing.B) {
		targets := benchTargets(b)
		p := openPort(b, Options{}, "127.0.0.1:0")
		b.ReportAllocs()
		for b.Loop() {
			for _, to := range targets {
				for range benchBurst {
					if _, err := p.sockets[0].WriteToAddrPort(packet, to); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		perPacket(b)
	})
	b.Run("WriteToUDPAddrPort", func(b *testing.B) {
		targets := benchTargets(b)
		conn := listen(b, "127.0.0.1:0")
		b.ReportAllocs()
		for b.Loop() {
			for _, to := range targets {
				for range benchBurst {
					if _, err := conn.WriteToUDPAddrPort(packet, to); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		perPacket(b)
	})
	b.Run("WriteBatch segmented", func(b *testing.B) {
		targets := benchTargets(b)
		conn := ipv4.NewPacketConn(listen(b, "127.0.0.1:0"))
		messages := messagesFor(targets)
		b.ReportAllocs()
		for b.Loop() {
			writeBatch(b, conn, messages, packet)
		}
		perPacket(b)
	})
}

// Two workers on one socket: whether they send side by side.
func BenchmarkWorkersOnOneSocket(b *testing.B) {
	packet := packetOf(1, benchSize)
	b.Run("batch segmented", func(b *testing.B) {
		targets := benchTargets(b)
		p := openPort(b, Options{}, "127.0.0.1:0")
		b.RunParallel(func(pb *testing.PB) {
			own := NewBatch()
			for pb.Next() {
				for _, to := range targets {
					for range benchBurst {
						if _, err := own.add(p.sockets[0], to, packet); err != nil {
							b.Error(err)
							return
						}
					}
				}
				own.Flush()
			}
		})
		perPacket(b)
	})
	b.Run("WriteBatch segmented", func(b *testing.B) {
		targets := benchTargets(b)
		conn := ipv4.NewPacketConn(listen(b, "127.0.0.1:0"))
		b.RunParallel(func(pb *testing.PB) {
			messages := messagesFor(targets)
			for pb.Next() {
				writeBatch(b, conn, messages, packet)
			}
		})
		perPacket(b)
	})
}

// messagesFor prepares what x/net's WriteBatch sends: one message to be cut by the kernel for each target.
func messagesFor(targets []netip.AddrPort) []ipv4.Message {
	var out []ipv4.Message
	for _, to := range targets {
		oob := make([]byte, unix.CmsgSpace(2))
		binary.NativeEndian.PutUint64(oob, uint64(unix.CmsgLen(2)))
		binary.NativeEndian.PutUint32(oob[8:], unix.IPPROTO_UDP)
		binary.NativeEndian.PutUint32(oob[12:], unix.UDP_SEGMENT)
		binary.NativeEndian.PutUint16(oob[16:], benchSize)
		out = append(out, ipv4.Message{
			Buffers: [][]byte{make([]byte, benchBurst*benchSize)},
			OOB:     oob,
			Addr:    net.UDPAddrFromAddrPort(to),
		})
	}
	return out
}

func writeBatch(b *testing.B, conn *ipv4.PacketConn, messages []ipv4.Message, packet []byte) {
	for i := range messages {
		for j := range benchBurst {
			copy(messages[i].Buffers[0][j*benchSize:], packet)
		}
	}
	for rest := messages; len(rest) > 0; {
		n, err := conn.WriteBatch(rest, unix.MSG_DONTWAIT)
		if err != nil {
			b.Error(err)
			return
		}
		rest = rest[n:]
	}
}
