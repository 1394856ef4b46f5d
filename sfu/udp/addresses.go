package udp

import (
	"net"
	"sync"
	"time"
)

// addressesLast is how long a list of interface addresses is good for: asking the kernel costs more
// than everything else in setting up a PeerConnection's candidates, and addresses change rarely.
const addressesLast = 5 * time.Second

// addressCache remembers the addresses that the port announces.
type addressCache struct {
	// immutable
	list func() []net.Addr
	now  func() time.Time

	mu    sync.Mutex
	known []net.Addr // guarded by mu
	until time.Time  // guarded by mu
}

// get returns a list the caller may keep and change.
func (c *addressCache) get() []net.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); c.known == nil || !now.Before(c.until) {
		c.known = c.list()
		c.until = now.Add(addressesLast)
	}
	return append([]net.Addr(nil), c.known...)
}

// listenAddresses lists where the port can be reached: the address of each socket bound to one, and
// the host's addresses for a socket bound to all.
func (p *Port) listenAddresses() []net.Addr {
	var out []net.Addr
	seen := make(map[string]bool)
	add := func(addr *net.UDPAddr) {
		if key := addr.String(); !seen[key] {
			seen[key] = true
			out = append(out, addr)
		}
	}
	var host []net.IP
	for _, s := range p.sockets {
		if !s.local.IP.IsUnspecified() {
			add(s.local)
			continue
		}
		if host == nil {
			host = hostAddresses(p.options)
		}
		for _, ip := range host {
			if s.reaches(ip) {
				add(&net.UDPAddr{IP: ip, Port: s.local.Port})
			}
		}
	}
	return out
}

// hostAddresses lists the addresses of the interfaces that are up, as options choose them. Link-local
// IPv6 is left out: it needs a zone, which a candidate line cannot carry (RFC 8445 section 5.1.1.1).
func hostAddresses(options Options) []net.IP {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var out []net.IP
	for _, iface := range interfaces {
		if iface.Flags&net.FlagUp == 0 || iface.Flags&net.FlagLoopback != 0 && !options.IncludeLoopback {
			continue
		}
		if options.InterfaceFilter != nil && !options.InterfaceFilter(iface.Name) {
			continue
		}
		addrs, err := iface.Addrs()
		if err != nil {
			continue
		}
		for _, addr := range addrs {
			network, ok := addr.(*net.IPNet)
			if !ok {
				continue
			}
			ip := network.IP
			if v4 := ip.To4(); v4 != nil {
				ip = v4
			}
			switch {
			case ip.IsLoopback() && !options.IncludeLoopback:
			case !isIPv4(ip) && ip.IsLinkLocalUnicast():
			case options.IPFilter != nil && !options.IPFilter(ip):
			default:
				out = append(out, ip)
			}
		}
	}
	return out
}

// Addresses returns where the port can be reached: what its ICE candidates are made of.
func (p *Port) Addresses() []net.Addr { return p.addresses.get() }
