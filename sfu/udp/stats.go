package udp

import "sync/atomic"

// Stats counts what went through a port since it was opened.
type Stats struct {
	Datagrams   uint64 // sent, as the peer receives them
	Bytes       uint64 // UDP payload of Datagrams
	Batches     uint64 // flushes of a batch that reached a socket
	Calls       uint64 // send system calls, those refused included
	GSOMessages uint64 // messages that the kernel cut into datagrams
	GSOSegments uint64 // datagrams cut from GSOMessages, part of Datagrams
	GSORefused  uint64 // messages the kernel would not cut, sent plainly instead

	DroppedFull     uint64 // datagrams dropped: socket buffer full (EAGAIN, ENOBUFS)
	DroppedTooLarge uint64 // datagrams dropped: larger than the batch or the path takes
	DroppedError    uint64 // datagrams dropped: any other error (no route, port closed, ...)

	Received      uint64 // datagrams
	ReceivedBytes uint64 // UDP payload of Received
	ReadErrors    uint64 // reads that failed while the socket was open

	Unchecked      uint64 // datagrams dropped: from an address without a valid check
	Unsound        uint64 // datagrams dropped: broken DTLS records, or in the clear and of no handshake
	WithoutConsent uint64 // datagrams not sent: the address was not checked for too long
	ForeignChecks  uint64 // own checks not sent: the address belongs to another connection
}

type counters struct {
	datagrams, bytes, batches, calls     atomic.Uint64
	gsoMessages, gsoSegments, gsoRefused atomic.Uint64
	dropFull, dropLarge, dropError       atomic.Uint64
	received, receivedBytes, readErrors  atomic.Uint64
}

// Stats sums the counters of the port's sockets.
func (p *Port) Stats() Stats {
	sum := Stats{Unchecked: p.unchecked.Load(), Unsound: p.unsound.Load(), WithoutConsent: p.withoutConsent.Load(), ForeignChecks: p.foreignChecks.Load()}
	for _, s := range p.sockets {
		c := &s.counters
		sum.Datagrams += c.datagrams.Load()
		sum.Bytes += c.bytes.Load()
		sum.Batches += c.batches.Load()
		sum.Calls += c.calls.Load()
		sum.GSOMessages += c.gsoMessages.Load()
		sum.GSOSegments += c.gsoSegments.Load()
		sum.GSORefused += c.gsoRefused.Load()
		sum.DroppedFull += c.dropFull.Load()
		sum.DroppedTooLarge += c.dropLarge.Load()
		sum.DroppedError += c.dropError.Load()
		sum.Received += c.received.Load()
		sum.ReceivedBytes += c.receivedBytes.Load()
		sum.ReadErrors += c.readErrors.Load()
	}
	return sum
}
