package udp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	sent uint32
}

// segmentControl is the control message that carries UDP_SEGMENT, see udp(7).
type segmentControl struct {
	unix.Cmsghdr
	size uint16
	_    [6]byte // CMSG_ALIGN
}

// sender holds the structures of one sendmmsg(2). It talks to the descriptor through RawConn.Control,
// which only holds it open: package net's own writes, and those of x/net's WriteBatch, take the
// descriptor's write lock, so that workers sharing the socket would send one after the other.
type sender struct {
	headers  []mmsghdr
	names    []unix.RawSockaddrInet6 // room for a RawSockaddrInet4 too
	vectors  []unix.Iovec
	controls []segmentControl
	entries  []entry
	used     int

	// arguments and results of call
	from  int
	sent  int
	errno syscall.Errno
	call  func(fd uintptr) // sendmmsg, bound once: a closure per call would be an allocation per call
}

// entry says what a header sends.
type entry struct {
	message  int // index of the message it comes from
	bytes    int
	segments int
}

func newSender(capacity int) *sender {
	k := &sender{
		headers:  make([]mmsghdr, capacity),
		names:    make([]unix.RawSockaddrInet6, capacity),
		vectors:  make([]unix.Iovec, capacity),
		controls: make([]segmentControl, capacity),
		entries:  make([]entry, capacity),
	}
	for i := range k.headers {
		h := &k.headers[i]
		h.Name = (*byte)(unsafe.Pointer(&k.names[i]))
		h.Iov = &k.vectors[i]
		h.SetIovlen(1)
		c := &k.controls[i]
		c.Level, c.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
	}
	k.call = k.sendmmsg
	return k
}

func (k *sender) sendmmsg(fd uintptr) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&k.headers[k.from])),
		uintptr(k.used-k.from), unix.MSG_DONTWAIT, 0, 0)
	k.sent, k.errno = int(n), errno
	if errno != 0 {
		k.sent = 0
	}
}

// sendAll sends messages, whose bytes are in arena. At most capacity packets.
func (k *sender) sendAll(s *socket, arena []byte, messages []message) {
	next, plain := 0, false
	for next < len(messages) {
		k.prepare(s, arena, messages, next, plain)
		next, plain = k.transmit(s, len(messages))
	}
	runtime.KeepAlive(arena)
}

// prepare fills the headers with the messages from first on; plain keeps the first one from being cut
// by the kernel.
func (k *sender) prepare(s *socket, arena []byte, messages []message, first int, plain bool) {
	k.used = 0
	segmentation := s.segmentation.on()
	for i := first; i < len(messages); i++ {
		m := &messages[i]
		if m.segments == 1 || segmentation && !(plain && i == first) {
			k.append(s, arena[m.start:m.end], m.to, entry{i, m.end - m.start, m.segments}, m.size)
			continue
		}
		for at := m.start; at < m.end; at += m.size {
			end := min(at+m.size, m.end)
			k.append(s, arena[at:end], m.to, entry{i, end - at, 1}, m.size)
		}
	}
}

// append fills one header.
func (k *sender) append(s *socket, payload []byte, to netip.AddrPort, e entry, size int) {
	i := k.used
	k.used++
	k.entries[i] = e
	h, v := &k.headers[i], &k.vectors[i]
	h.Namelen = s.name(&k.names[i], to)
	v.Base = unsafe.SliceData(payload)
	v.SetLen(len(payload))
	if e.segments > 1 {
		k.controls[i].size = uint16(size)
		h.Control = (*byte)(unsafe.Pointer(&k.controls[i]))
		h.SetControllen(unix.CmsgSpace(2))
	} else {
		h.Control = nil
		h.SetControllen(0)
	}
}

// transmit sends the prepared headers. It returns total when it is done with all of them, or the
// message to go on with, plainly, which the kernel would not cut.
func (k *sender) transmit(s *socket, total int) (next int, plain bool) {
	for k.from = 0; k.from < k.used; {
		s.counters.calls.Add(1)
		if err := s.raw.Control(k.call); err != nil {
			k.drop(&s.counters.dropError, k.used)
			return total, false
		}
		if k.sent > 0 {
			k.account(s, k.from+k.sent)
			continue
		}
		e := k.entries[k.from]
		switch k.errno {
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			k.drop(&s.counters.dropFull, k.used)
		case unix.EIO, unix.EINVAL, unix.ENOPROTOOPT, unix.EMSGSIZE:
			if e.segments > 1 {
				s.counters.gsoRefused.Add(1)
				s.segmentation.refused(s.logger, k.errno)
				return e.message, true
			}
			if k.errno == unix.EMSGSIZE {
				k.drop(&s.counters.dropLarge, k.from+1)
			} else {
				k.drop(&s.counters.dropError, k.from+1)
			}
		default:
			k.drop(&s.counters.dropError, k.from+1)
		}
	}
	return total, false
}

// account counts the headers up to the given one as sent and goes on behind them.
func (k *sender) account(s *socket, to int) {
	var datagrams, bytes, messages, segments int
	for _, e := range k.entries[k.from:to] {
		datagrams += e.segments
		bytes += e.bytes
		if e.segments > 1 {
			messages++
			segments += e.segments
		}
	}
	s.counters.datagrams.Add(uint64(datagrams))
	s.counters.bytes.Add(uint64(bytes))
	if messages > 0 {
		s.counters.gsoMessages.Add(uint64(messages))
		s.counters.gsoSegments.Add(uint64(segments))
		s.segmentation.accepted()
	}
	k.from = to
}

// drop counts the headers up to the given one as dropped and goes on behind them.
func (k *sender) drop(counter *atomic.Uint64, to int) {
	segments := 0
	for _, e := range k.entries[k.from:to] {
		segments += e.segments
	}
	counter.Add(uint64(segments))
	k.from = to
}

// sendOne sends one datagram. A full socket buffer drops and counts it, without an error.
func (k *sender) sendOne(s *socket, b []byte, to netip.AddrPort) error {
	k.used, k.from = 0, 0
	k.append(s, b, to, entry{0, len(b), 1}, len(b))
	defer func() { k.vectors[0].Base = nil }()
	for {
		s.counters.calls.Add(1)
		if err := s.raw.Control(k.call); err != nil {
			k.drop(&s.counters.dropError, 1)
			return err
		}
		switch {
		case k.sent > 0:
			k.account(s, 1)
			return nil
		case k.errno == unix.EINTR:
		case k.errno == unix.EAGAIN, k.errno == unix.ENOBUFS:
			k.drop(&s.counters.dropFull, 1)
			return nil
		case k.errno == unix.EMSGSIZE:
			k.drop(&s.counters.dropLarge, 1)
			return fmt.Errorf("sendmmsg: %w", k.errno)
		default:
			k.drop(&s.counters.dropError, 1)
			return fmt.Errorf("sendmmsg: %w", k.errno)
		}
	}
}

// name writes the socket address of a destination that the socket takes and returns its length.
func (s *socket) name(out *unix.RawSockaddrInet6, to netip.AddrPort) uint32 {
	if !s.ipv6 {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(out))
		v4.Family = unix.AF_INET
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&v4.Port))[:], to.Port())
		v4.Addr = to.Addr().As4()
		return unix.SizeofSockaddrInet4
	}
	out.Family = unix.AF_INET6
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&out.Port))[:], to.Port())
	out.Flowinfo = 0
	out.Addr = to.Addr().As16()
	out.Scope_id = 0
	if zone := to.Addr().Zone(); zone != "" {
		out.Scope_id = s.zones.index(zone)
	}
	return unix.SizeofSockaddrInet6
}
