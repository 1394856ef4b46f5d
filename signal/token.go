package signal

import (
	"time"

	"github.com/livekit/protocol/livekit"
)

// refreshInterval is how often a client gets a new token, so that it can come back after the one it joined with has expired. It is half of
// the least time for which a refreshed token is valid.
const refreshInterval = 5 * time.Minute

// refreshToken returns the message with a new token, nil when none can be made: the client then goes on with the one it has.
func (s *Session) refreshToken() *livekit.SignalResponse {
	token, err := s.handler.minter.Refresh(s.claims)
	if err != nil {
		s.logger.Warn("a token could not be refreshed", "error", err)
		return nil
	}
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_RefreshToken{RefreshToken: token}}
}
