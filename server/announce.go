package server

import "careline/configs"

// announce says what runs and where.
func (s *Server) announce() {
	for _, w := range s.cfg.Warnings {
		s.log.Warn("configuration", "warning", w)
	}
	if s.cfg.Development {
		s.log.Warn("DEVELOPMENT MODE: do not let others reach this server",
			"insecure_key", s.hasDevelopmentKey(), "loopback_candidates", s.cfg.RTC.LoopbackCandidates)
	}
	attrs := []any{"url", s.URL(), "udp_port", s.UDPPort()}
	if s.sockets.tcp != nil {
		attrs = append(attrs, "tcp_port", boundPort(s.sockets.tcp))
	}
	if a := s.AdminAddr(); a != nil {
		attrs = append(attrs, "admin", a.String())
	}
	if s.relay != nil {
		attrs = append(attrs, "turn", s.relayURLs())
	}
	if len(s.cfg.RTC.PublicAddresses) > 0 {
		attrs = append(attrs, "public_addresses", s.cfg.RTC.PublicAddresses)
	}
	s.log.Info("serving", append(attrs, "ice_lite", s.cfg.RTC.Lite())...)
}

func (s *Server) hasDevelopmentKey() bool {
	for _, k := range s.cfg.Keys {
		if k.Secret == configs.DevelopmentSecret {
			return true
		}
	}
	return false
}
