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

// descriptor is the socket outside of package net, in blocking mode: the mux's reader waits for
// datagrams in the kernel, on a thread of its own.
//
// In package net the socket would be in the runtime's epoll set, for reading and writing, and the
// kernel would wake the runtime's poller for each message that leaves the send buffer, although nobody
// waits to write. On the machine it was measured on, that was a quarter of the price of a segmented
// message and more of a single packet (BenchmarkFrameTo50Viewers).
type descriptor struct {
	// immutable
	file *os.File
	raw  syscall.RawConn

	// owned by the reading goroutine
	receive func(fd uintptr) // recvfrom, bound once
	buf     []byte
	from    unix.RawSockaddrInet6
	length  uint32 // of from
	n       int
	errno   syscall.Errno
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
	d.file = os.NewFile(uintptr(fd), "udp") // a blocking descriptor stays out of the poller
	if d.raw, err = d.file.SyscallConn(); err != nil {
		return fmt.Errorf("reach the descriptor: %w", errors.Join(err, d.file.Close()))
	}
	d.receive = d.recvfrom
	return nil
}

// read waits for a datagram. Closing the descriptor ends it with an error.
func (d *descriptor) read(b []byte) (int, netip.AddrPort, error) {
	d.buf = b
	err := d.raw.Control(d.receive)
	d.buf = nil
	switch {
	case err != nil:
		return 0, netip.AddrPort{}, err
	case d.errno != 0:
		return 0, netip.AddrPort{}, fmt.Errorf("recvfrom: %w", d.errno)
	case d.length == 0: // what a socket shut down returns
		return 0, netip.AddrPort{}, net.ErrClosed
	}
	return d.n, d.sender(), nil
}

func (d *descriptor) recvfrom(fd uintptr) {
	for {
		d.length = unix.SizeofSockaddrInet6
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(d.buf))),
			uintptr(len(d.buf)), 0, uintptr(unsafe.Pointer(&d.from)), uintptr(unsafe.Pointer(&d.length)))
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

// close wakes the reader and closes the descriptor once nobody uses it.
func (d *descriptor) close() error {
	if err := d.raw.Control(func(fd uintptr) {
		// It says ENOTCONN, and wakes whoever waits all the same.
		_ = unix.Shutdown(int(fd), unix.SHUT_RDWR)
	}); err != nil {
		return err
	}
	return d.file.Close()
}
