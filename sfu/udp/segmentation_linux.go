package udp

import (
	"log/slog"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// segmentationRefusals is how many messages in a row the device may refuse to cut before the socket
// stops asking. One refusal says little: it may come from the route to one destination.
const segmentationRefusals = 16

// segmentation says whether a socket's messages may be cut by the kernel (UDP_SEGMENT).
type segmentation struct {
	enabled atomic.Bool
	inARow  atomic.Int32
}

// init asks the kernel whether it knows the option (Linux 4.18).
func (g *segmentation) init(raw syscall.RawConn) {
	_ = raw.Control(func(fd uintptr) {
		_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		g.enabled.Store(err == nil)
	})
}

func (g *segmentation) on() bool { return g.enabled.Load() }

func (g *segmentation) accepted() {
	if g.inARow.Load() != 0 {
		g.inARow.Store(0)
	}
}

// refused counts a refusal. EIO (a device without checksum offload, IPsec) and ENOPROTOOPT speak of the
// way out; EINVAL and EMSGSIZE of one destination, whose path takes only smaller packets.
func (g *segmentation) refused(logger *slog.Logger, why syscall.Errno) {
	if why != unix.EIO && why != unix.ENOPROTOOPT {
		return
	}
	if g.inARow.Add(1) >= segmentationRefusals && g.enabled.CompareAndSwap(true, false) {
		logger.Warn("kernel refuses UDP segmentation, sending packets one by one", "error", why)
	}
}
