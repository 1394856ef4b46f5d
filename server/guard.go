package server

import (
	"careline/internal/auth"
	"careline/internal/clock"
)

// newAuthenticator makes what tells every edge who a request comes from.
func (s *Server) newAuthenticator(keys *auth.Keys, clock clock.Clock) *auth.Authenticator {
	s.revoked = auth.NewRevocationList(maxRevocations, clock)
	return auth.NewAuthenticator(auth.AuthenticatorConfig{
		Verifier: auth.NewVerifier(keys, clock).LimitLifetime(s.cfg.Tokens.MaxLifetime),
		Clock:    clock,
		Sessions: auth.NewSessions(s.tls != nil || !s.cfg.Development, clock),
		Origins:  s.cfg.HTTP.AllowedOrigins,
		Proxies:  s.cfg.HTTP.TrustedProxies,

		Revocations: s.revoked,
		BadTokens:   s.cfg.Limits.BadTokensPerAddress,
	})
}
