package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// descriptor is the socket outside of package net. In package net it would be in the runtime's epoll
// set for reading and writing, and the kernel would wake the runtime's poller for each message that
// leaves the send buffer, although nobody waits to write: a third of the CPU of sending, where it was
// measured. So the socket stands alone in an epoll set of its own, for reading, and that set is what
// the runtime's poller waits for. (Waiting in recvfrom itself, on a thread, costs more: the scheduler
// then takes the processor back from each wait.)
type descriptor struct {
	// immutable
	file     *os.File // the socket, in blocking mode, which keeps it out of the poller
	raw      syscall.RawConn
	readable *os.File // the epoll set
	wait     syscall.RawConn

	zones zones

	// owned by the reading goroutine
	attempt func(uintptr) bool // receives unless there is nothing yet; bound once
	receive func(fd uintptr)   // recvfrom, bound once
	buf     []byte
	from    unix.RawSockaddrInet6
	length  uint32 // of from
	n       int
	errno   syscall.Errno
	err     error // the socket was closed
}

// open takes the socket over from conn, which is closed.
func (d *descriptor) open(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("reach the descriptor: %w", err)
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return fmt.Errorf("reach the descriptor: %w", err)
	}
	if dupErr != nil {
		return fmt.Errorf("duplicate the descriptor: %w", dupErr)
	}
	if err := conn.Close(); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("take over the descriptor: %w", err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("make the descriptor blocking: %w", err)
	}
	d.file = os.NewFile(uintptr(fd), "udp")
	if err := d.watch(fd); err != nil {
		return errors.Join(err, d.file.Close())
	}
	if d.raw, err = d.file.SyscallConn(); err != nil {
		return fmt.Errorf("reach the descriptor: %w", errors.Join(err, d.close()))
	}
	if d.wait, err = d.readable.SyscallConn(); err != nil {
		return fmt.Errorf("reach the epoll set: %w", errors.Join(err, d.close()))
	}
	d.receive = d.recvfrom
	d.attempt = func(uintptr) bool {
		d.err = d.raw.Control(d.receive)
		return d.err != nil || d.errno != unix.EAGAIN
	}
	return nil
}

// watch puts the socket into an epoll set and that into the runtime's poller.
func (d *descriptor) watch(fd int) error {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make an epoll set: %w", err)
	}
	if err := unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		_ = unix.Close(set)
		return fmt.Errorf("watch the socket: %w", err)
	}
	if err := unix.SetNonblock(set, true); err != nil { // what makes os.NewFile hand it to the poller
		_ = unix.Close(set)
		return fmt.Errorf("watch the socket: %w", err)
	}
	d.readable = os.NewFile(uintptr(set), "epoll")
	return nil
}

// read waits for a datagram. Closing the descriptor ends it with an error.
func (d *descriptor) read(b []byte) (int, netip.AddrPort, error) {
	d.buf = b
	err := d.wait.Read(d.attempt)
	d.buf = nil
	switch {
	case err != nil:
		return 0, netip.AddrPort{}, err
	case d.err != nil:
		return 0, netip.AddrPort{}, d.err
	case d.errno != 0:
		return 0, netip.AddrPort{}, fmt.Errorf("recvfrom: %w", d.errno)
	}
	return d.n, d.sender(), nil
}

func (d *descriptor) recvfrom(fd uintptr) {
	for {
		d.length = unix.SizeofSockaddrInet6
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(d.buf))),
			uintptr(len(d.buf)), unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&d.from)), uintptr(unsafe.Pointer(&d.length)))
		if errno != unix.EINTR {
			d.n, d.errno = int(n), errno
			return
		}
	}
}

// sender is the address of the datagram just read.
func (d *descriptor) sender() netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&d.from.Port))[:])
	if d.from.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&d.from))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	addr := netip.AddrFrom16(d.from.Addr)
	if d.from.Scope_id != 0 {
		addr = addr.WithZone(strconv.FormatUint(uint64(d.from.Scope_id), 10))
	}
	return netip.AddrPortFrom(addr, port)
}

// close ends the reader's wait and closes the descriptor once nobody uses it.
func (d *descriptor) close() error {
	return errors.Join(d.readable.Close(), d.file.Close())
}
