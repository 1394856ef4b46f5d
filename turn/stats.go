package turn

import "sync/atomic"

// counters are what Stats is read from.
type counters struct {
	allocated, revoked, quotaRefused, peersRefused, badCredentials atomic.Uint64
	connections, connectionsRefused                                atomic.Uint64
	packetsUp, packetsDown, bytesUp, bytesDown                     atomic.Uint64
	malformed, unpermitted, overRate, sendFailed, repliesHeld      atomic.Uint64
}

// Stats are counts since the start, but for the first two.
type Stats struct {
	Allocations int // now
	Connections int // TCP and TLS, now

	Allocated          uint64 // allocations made
	Revoked            uint64 // of them, ended because their session had
	QuotaRefused       uint64 // allocations refused with 486
	PeersRefused       uint64 // permissions and channels refused with 403
	BadCredentials     uint64 // requests with a wrong, expired or dead username or password
	ConnectionsTaken   uint64
	ConnectionsRefused uint64 // for there were too many

	PacketsUp, BytesUp     uint64 // from clients to peers
	PacketsDown, BytesDown uint64 // from peers to clients

	// Packets that were dropped, by reason.
	Malformed, Unpermitted, OverRate, SendFailed uint64
	RepliesHeld                                  uint64 // answers to an address that had enough of them
}

// Stats returns what has happened so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	allocations, connections := len(s.allocations), len(s.streams)
	s.mu.Unlock()
	c := &s.counters
	return Stats{
		Allocations:        allocations,
		Connections:        connections,
		Allocated:          c.allocated.Load(),
		Revoked:            c.revoked.Load(),
		QuotaRefused:       c.quotaRefused.Load(),
		PeersRefused:       c.peersRefused.Load(),
		BadCredentials:     c.badCredentials.Load(),
		ConnectionsTaken:   c.connections.Load(),
		ConnectionsRefused: c.connectionsRefused.Load(),
		PacketsUp:          c.packetsUp.Load(),
		BytesUp:            c.bytesUp.Load(),
		PacketsDown:        c.packetsDown.Load(),
		BytesDown:          c.bytesDown.Load(),
		Malformed:          c.malformed.Load(),
		Unpermitted:        c.unpermitted.Load(),
		OverRate:           c.overRate.Load(),
		SendFailed:         c.sendFailed.Load(),
		RepliesHeld:        c.repliesHeld.Load(),
	}
}
