package udp

import (
	"net"

	"golang.org/x/sys/unix"
)

// family says whether the socket is an IPv6 one and whether IPv4 peers reach it as well.
func (d *descriptor) family(local *net.UDPAddr) (ipv6, dual bool) {
	ipv6 = !isIPv4(local.IP)
	_ = d.raw.Control(func(fd uintptr) {
		if domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN); err == nil {
			ipv6 = domain == unix.AF_INET6
		}
		if ipv6 {
			only, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
			dual = err == nil && only == 0
		}
	})
	return ipv6, dual
}

// growBuffers asks for large socket buffers: past net.core.rmem_max and wmem_max where the process may
// (CAP_NET_ADMIN), up to them where it may not.
func (d *descriptor) growBuffers() {
	_ = d.raw.Control(func(fd uintptr) {
		grow(int(fd), unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, receiveBuffer)
		grow(int(fd), unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, sendBuffer)
	})
}

func grow(fd, force, plain, size int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, size) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, size)
	}
}
