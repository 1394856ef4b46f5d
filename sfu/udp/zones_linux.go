package udp

import (
	"net"
	"strconv"
	"sync"
)

// zones remembers the interface index of IPv6 zones, which the kernel names on every datagram from a
// link-local peer. Interfaces are few, so it needs no bound.
type zones struct{ known sync.Map } // zone string -> uint32

// index returns the zone's interface index, 0 when there is no such interface.
func (z *zones) index(zone string) uint32 {
	if known, ok := z.known.Load(zone); ok {
		return known.(uint32)
	}
	var index uint32
	if iface, err := net.InterfaceByName(zone); err == nil {
		index = uint32(iface.Index)
	} else if number, err := strconv.ParseUint(zone, 10, 32); err == nil {
		index = uint32(number)
	}
	z.known.Store(zone, index)
	return index
}
