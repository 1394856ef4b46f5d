package server

import (
	"net"
	"net/netip"

	"careline/sfu"
)

// mediaConfig translates the configuration for the engine.
func (s *Server) mediaConfig(opts Options) sfu.Config {
	rtc, room, limits := s.cfg.RTC, s.cfg.Room, s.cfg.Limits
	return sfu.Config{
		UDPConns:        s.sockets.udp,
		TCPListener:     s.sockets.tcp,
		PublicAddresses: rtc.PublicAddresses,
		InterfaceFilter: rtc.Interfaces.Allow,
		IPFilter: func(ip net.IP) bool {
			addr, ok := netip.AddrFromSlice(ip)
			return ok && (rtc.IPv6 || addr.Unmap().Is4()) && rtc.Addresses.Allow(addr)
		},
		ICEServers: s.ICEServers,
		Relays: func(sid string, port uint16) bool {
			return s.relay != nil && s.relay.server.Relays(sid, port)
		},
		Loopback: rtc.LoopbackCandidates,
		ICELite:  rtc.Lite(),
		Room: sfu.RoomDefaults{
			AutoCreate:        room.AutoCreate,
			EmptyTimeout:      room.EmptyTimeout,
			DepartureTimeout:  room.DepartureTimeout,
			JoinTimeout:       room.JoinTimeout,
			ResumeTimeout:     room.ResumeTimeout,
			MaxParticipants:   room.MaxParticipants,
			AllowRemoteUnmute: room.AllowRemoteUnmute,
		},
		Limits: sfu.Limits{
			TracksPerParticipant: limits.TracksPerParticipant,
			SectionsPerOffer:     limits.SectionsPerOffer,
			CandidatesPerSession: limits.CandidatesPerSession,
			MetadataBytes:        int(limits.Metadata),
		},
		Logger: opts.Logger,
		Clock:  opts.Clock,
	}
}
