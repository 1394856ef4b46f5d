package turn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v3"
)

func TestAllocationQuotas(t *testing.T) {
	for what, limits := range map[string]Limits{
		"session": {AllocationsPerSession: 3},
		"address": {AllocationsPerAddress: 3, AllocationsPerSession: 100},
		"all":     {Allocations: 3, AllocationsPerSession: 100},
	} {
		t.Run(what, func(t *testing.T) {
			r := start(t, setup{change: func(c *Config) { c.Limits = limits }})
			var got []int
			var first *caller
			for range 5 {
				c := r.dial("tcp").as(r, "PA_ann")
				if first == nil {
					first = c
				}
				got = append(got, codeOf(c.ask(stun.MethodAllocate, udpTransport)))
			}
			for i, code := range got {
				if want := map[bool]int{true: 0, false: codeQuotaReached}[i < 3]; code != want {
					t.Errorf("allocation %d: %d, want %d", i, code, want)
				}
			}
			other := codeOf(r.dial("tcp").as(r, "PA_ben").ask(stun.MethodAllocate, udpTransport))
			if want := map[bool]int{true: 0, false: codeQuotaReached}[what == "session"]; other != want {
				t.Errorf("another session: %d, want %d", other, want)
			}
			first.ask(stun.MethodRefresh, lifetime(0))
			if code := r.dial("tcp").as(r, "PA_ann"); codeOf(code.ask(stun.MethodAllocate, udpTransport)) != 0 {
				t.Errorf("what was freed is not given again")
			}
		})
	}
}

func TestPermissionQuota(t *testing.T) {
	r := start(t, setup{fake: true, change: func(c *Config) {
		c.Peers = NewPeerFilter(Peers{Networks: everywhere()})
		c.Limits.Permissions = 64
	}})
	c := r.dial("tcp").as(r, "PA_ann")
	c.allocate()
	to := func(i int) peer {
		return peer(netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, 9, byte(i >> 8), byte(i)}), 9))
	}
	granted := 0
	for i := range 600 {
		switch code := codeOf(c.ask(stun.MethodCreatePermission, to(i))); code {
		case 0:
			granted++
		case codeInsufficientCapacity:
		default:
			t.Fatalf("permission %d: %d", i, code)
		}
	}
	if granted != 64 {
		t.Errorf("%d permissions", granted)
	}
	if code := codeOf(c.ask(stun.MethodCreatePermission, to(0))); code != 0 {
		t.Errorf("renewal: %d", code)
	}
	if code := codeOf(c.ask(stun.MethodChannelBind, channelNumber(0x4000), to(700))); code != codeInsufficientCapacity {
		t.Errorf("a channel beyond: %d", code)
	}
	if code := codeOf(c.ask(stun.MethodCreatePermission, to(0), to(1), to(800))); code != codeInsufficientCapacity {
		t.Errorf("a list of which one is too much: %d", code)
	}
	r.clock.Advance(permissionLife - sweepEvery)
	c.ask(stun.MethodCreatePermission, to(0))
	eventually(t, "permissions expire", func() bool {
		r.clock.Advance(sweepEvery)
		for _, a := range r.server.all() {
			return len(a.bindings.Load().permissions) == 1
		}
		return false
	})
	if code := codeOf(c.ask(stun.MethodCreatePermission, to(900))); code != 0 {
		t.Errorf("after they expired: %d", code)
	}
}

// A channel that is not renewed ends, and with it what came through it.
func TestChannelExpires(t *testing.T) {
	to := echo(t, "127.0.0.1:0")
	r := start(t, setup{fake: true, change: func(c *Config) { c.Peers = media(to) }})
	c := r.dial("udp").as(r, "PA_ann")
	c.allocate()
	c.ask(stun.MethodRefresh, lifetime(3600))
	c.ask(stun.MethodChannelBind, channelNumber(0x4000), peer(to))
	eventually(t, "the channel expires", func() bool {
		r.clock.Advance(time.Minute)
		for _, a := range r.server.all() {
			b := a.bindings.Load()
			return len(b.channels) == 0 && len(b.permissions) == 0
		}
		t.Fatal("the allocation ended before its channel")
		return false
	})
	c.send(channelFrame(0x4000, []byte("late"), false))
	if !c.silence() {
		t.Error("it still carries")
	}
}

func TestBandwidth(t *testing.T) {
	to := echo(t, "127.0.0.1:0")
	const rate = 20_000
	r := start(t, setup{fake: true, change: func(c *Config) {
		c.Peers = media(to)
		c.Limits.Bandwidth = rate
	}})
	c := r.dial("tcp").as(r, "PA_ann")
	c.allocate()
	c.ask(stun.MethodChannelBind, channelNumber(0x4000), peer(to))
	const size, sent = 1000, 100
	frame := channelFrame(0x4000, make([]byte, size), true)
	flood := func() {
		before := r.server.Stats()
		for range sent {
			c.send(frame)
		}
		eventually(t, "all are handled", func() bool {
			s := r.server.Stats()
			return s.PacketsUp+s.OverRate-before.PacketsUp-before.OverRate >= sent
		})
	}
	flood()
	if up := r.server.Stats().PacketsUp; up != rate/2/size {
		t.Errorf("%d packets at once", up)
	}
	r.clock.Advance(250 * time.Millisecond)
	flood()
	if up := r.server.Stats().PacketsUp; up != rate/2/size+rate/4/size {
		t.Errorf("%d packets after a quarter of a second", up)
	}
}

func TestConnectionLimits(t *testing.T) {
	r := start(t, setup{change: func(c *Config) { c.Limits = Limits{ConnectionsPerAddress: 4} }})
	var kept []*caller
	for range 4 {
		c := r.dial("tcp").as(r, "PA_ann")
		c.allocate()
		kept = append(kept, c)
	}
	fifth := r.dial("tcp")
	if _, err := fifth.read(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection too many: %v", err)
	}
	if n := r.server.Stats().ConnectionsRefused; n != 1 {
		t.Errorf("%d refused", n)
	}
	_ = kept[0].Close()
	eventually(t, "its place is free", func() bool { return r.server.Stats().Connections == 3 })
	r.dial("tcp").as(r, "PA_ann").allocate()
}

// Connections on which nothing useful comes are closed: bare ones, TLS ones
// that stop in the handshake, those that only ask for their address.
func TestHalfOpenConnections(t *testing.T) {
	r := start(t, setup{change: func(c *Config) { c.Limits.Handshake = 200 * time.Millisecond }})
	var idle []net.Conn
	for _, l := range []net.Listener{r.server.cfg.TCP[0], r.server.cfg.TLS[0]} {
		for i := range 50 {
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if i%2 == 0 {
				_, _ = conn.Write([]byte{0x16, 0x03, 0x01}[:1+i%3])
			}
			idle = append(idle, conn)
		}
	}
	binding := r.dial("tls")
	binding.plain(stun.MethodBinding)
	used := r.dial("tls").as(r, "PA_ann")
	used.allocate()
	for _, conn := range append(idle, binding) {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a half-open connection stays")
		}
	}
	eventually(t, "only the used one is left", func() bool { return r.server.Stats().Connections == 1 })
	if code := codeOf(used.ask(stun.MethodRefresh)); code != 0 {
		t.Errorf("the used one: %d", code)
	}
}

// What is no TURN closes the connection, at once.
func TestStreamsOfOthers(t *testing.T) {
	r := start(t, setup{})
	for what, b := range map[string][]byte{
		"HTTP":                   []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"RTP":                    {0x80, 96, 0, 1, 0, 0, 0, 0},
		"STUN without cookie":    make([]byte, headerSize),
		"STUN of odd size":       append([]byte{0, 1, 0, 3}, make([]byte, 20)...),
		"STUN of enormous size":  append([]byte{0, 1, 0xFF, 0xFC, 0x21, 0x12, 0xA4, 0x42}, make([]byte, 20)...),
		"ChannelData of 64 KiB":  {0x40, 0, 0xFF, 0xFF},
		"ChannelData, no client": {0x40, 0, 0, 1, 0, 0, 0, 0},
	} {
		c := r.dial("tcp")
		c.send(b)
		if what == "ChannelData, no client" {
			for range streamChances {
				c.send(b)
			}
		}
		if b, err := c.read(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %x, %v", what, b, err)
		}
	}
	if conn, err := tls.Dial("tcp", r.server.cfg.TLS[0].Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}); err == nil {
		_ = conn.Close()
		t.Error("a handshake for HTTP succeeds")
	}
}
