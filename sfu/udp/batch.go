package udp

import (
	"fmt"
	"net/netip"
)

const (
	batchPackets = 256
	maxPacket    = 1500 // bytes of one RTP packet; nothing longer passes an Ethernet path whole
	maxSegments  = 64   // of one message (UDP_MAX_SEGMENTS of older kernels)
	maxMessage   = 65000
)

// Batch collects RTP packets until Flush. It is owned by one goroutine: nothing in it locks. It may
// hold packets for sockets of several ports.
type Batch struct {
	arena   []byte   // packets, one after the other
	used    int      // bytes of arena
	packets int      // in arena
	queues  []*queue // one per socket, in order of first use
}

// queue is the part of a batch that one socket sends.
type queue struct {
	socket   *socket
	messages []message
	sender   *sender
}

// message is a run of packets to one destination that the kernel can cut: all of size bytes, the last
// one may be shorter. A single packet is a message with one segment.
type message struct {
	to         netip.AddrPort
	start, end int // in the arena
	size       int // bytes of each segment but the last
	segments   int
	shut       bool // its last packet was shorter: it takes no more
}

// NewBatch returns an empty batch.
func NewBatch() *Batch {
	return &Batch{arena: make([]byte, batchPackets*maxPacket)}
}

// Len is the number of packets that wait for Flush.
func (b *Batch) Len() int { return b.packets }

// add copies packet into the batch; a full batch is flushed first.
func (b *Batch) add(s *socket, to netip.AddrPort, packet []byte) (int, error) {
	n := len(packet)
	if n > maxPacket {
		s.counters.dropLarge.Add(1)
		return 0, fmt.Errorf("batch RTP packet of %d bytes: larger than %d", n, maxPacket)
	}
	to = unmap(to)
	if err := s.takes(to); err != nil {
		s.counters.dropError.Add(1)
		return 0, fmt.Errorf("batch RTP packet: %w", err)
	}
	if b.packets == batchPackets || b.used+n > len(b.arena) {
		b.Flush()
	}
	start := b.used
	copy(b.arena[start:], packet)
	b.used += n
	b.packets++

	q := b.queue(s)
	if last := len(q.messages) - 1; last >= 0 && q.messages[last].extend(to, start, n) {
		return n, nil
	}
	q.messages = append(q.messages, message{to: to, start: start, end: start + n, size: n, segments: 1})
	return n, nil
}

// extend appends the packet of n bytes at start to the run if it continues it.
func (m *message) extend(to netip.AddrPort, start, n int) bool {
	if m.shut || m.end != start || m.to != to || n > m.size ||
		m.segments == maxSegments || m.end-m.start+n > maxMessage {
		return false
	}
	m.end += n
	m.segments++
	m.shut = n < m.size
	return true
}

// queue finds or makes the socket's queue. There are one or two sockets: a scan beats a map.
func (b *Batch) queue(s *socket) *queue {
	for _, q := range b.queues {
		if q.socket == s {
			return q
		}
	}
	q := &queue{socket: s, messages: make([]message, 0, batchPackets), sender: newSender(batchPackets)}
	b.queues = append(b.queues, q)
	return q
}

// Flush sends what the batch holds: one system call per socket, more only when the kernel stops at a
// message. It does not wait: packets that the kernel does not take now are dropped and counted.
func (b *Batch) Flush() {
	if b.packets == 0 {
		return
	}
	open := b.queues[:0]
	for _, q := range b.queues {
		if len(q.messages) > 0 {
			q.socket.counters.batches.Add(1)
			q.sender.sendAll(q.socket, b.arena, q.messages)
			q.messages = q.messages[:0]
		}
		if !q.socket.closed.Load() {
			open = append(open, q)
		}
	}
	clear(b.queues[len(open):])
	b.queues = open
	b.used, b.packets = 0, 0
}
