package sfu

import (
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/clock"
)

// Config is what a Manager is made of. Sockets are opened by the caller; the Manager closes them.
type Config struct {
	UDPConns        []*net.UDPConn // one per address family, same port
	TCPListener     net.Listener   // ICE/TCP (RFC 6544), nil: off
	PublicAddresses []netip.Addr   // one-to-one NAT: announced instead of the interfaces' own, same family
	InterfaceFilter func(string) bool
	IPFilter        func(net.IP) bool
	Loopback        bool // announce and accept loopback candidates
	ICELite         bool // answer checks only (RFC 8445 section 2.5): for a server whose address is known
	Room            RoomDefaults
	Limits          Limits
	Logger          *slog.Logger
	Clock           clock.Clock
	Data            DataHandler // nil: every data packet is forwarded
	Observers       []Observer
	ICEServers      func(sid string) []*livekit.ICEServer // what the session's client is told to reach us by; nil: nothing
	Relays          func(sid string, port uint16) bool    // whether a port is of our own relay's, for the session; nil: there is no relay
	Admission       Admission                             // nil: whoever has a token
	Workers         int                                   // egress workers; 0: GOMAXPROCS-1, at least 1
}

// RoomDefaults are the time-outs and bounds of rooms that do not set their own.
type RoomDefaults struct {
	AutoCreate        bool          // a join creates the room that it names
	EmptyTimeout      time.Duration // nobody ever joined
	DepartureTimeout  time.Duration // the last participant left
	JoinTimeout       time.Duration // from the join to connected media
	ResumeTimeout     time.Duration // a participant without signalling is kept this long
	MaxParticipants   uint32        // 0: no bound
	AllowRemoteUnmute bool          // a server may unmute what a participant published
}

// Limits bound what one client can make the server hold.
type Limits struct {
	TracksPerParticipant int // published tracks, announced ones included
	SectionsPerOffer     int // media sections of one session description
	CandidatesPerSession int // remote ICE candidates
	MetadataBytes        int // a participant's metadata, and its attributes together
}

// withDefaults fills what a caller left out, so that tests name only what they are about.
func (c Config) withDefaults() Config {
	fill := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	fill(&c.Room.EmptyTimeout, 300*time.Second)
	fill(&c.Room.DepartureTimeout, 20*time.Second)
	fill(&c.Room.JoinTimeout, 60*time.Second)
	fill(&c.Room.ResumeTimeout, 20*time.Second)
	count := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	count(&c.Limits.TracksPerParticipant, 32)
	count(&c.Limits.SectionsPerOffer, 256)
	count(&c.Limits.CandidatesPerSession, 256)
	count(&c.Limits.MetadataBytes, 64<<10)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.ICEServers == nil {
		c.ICEServers = func(string) []*livekit.ICEServer { return nil }
	}
	if c.Relays == nil {
		c.Relays = func(string, uint16) bool { return false }
	}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	return c
}
