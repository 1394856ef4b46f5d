package signal

import (
	"errors"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/internal/auth"
)

// refreshInterval is how often a client gets a new token, so that it can come back after the one it joined with has expired. It is half of
// the least time for which a refreshed token is valid.
const refreshInterval = 5 * time.Minute

// refreshToken returns the message with a new token, nil when none can be made: the client then goes on with the one it has.
func (s *Session) refreshToken() *livekit.SignalResponse {
	claims := *s.claims
	claims.Grants = s.presentGrants()
	token, err := s.handler.minter.Load().Refresh(&claims, s.handler.cfg.Auth.MaxLifetime())
	if errors.Is(err, auth.ErrLifetimeOver) {
		s.logger.Debug("token not refreshed any more", "reason", err)
		return nil
	}
	if err != nil {
		s.logger.Warn("a token could not be refreshed", "error", err)
		return nil
	}
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_RefreshToken{RefreshToken: token}}
}

// presentGrants is what the token that the client joined with would say now: a server may have changed the participant's permission.
func (s *Session) presentGrants() *lkauth.ClaimGrants {
	may := s.participant.Permission()
	if may == nil || s.claims.Video == nil || proto.Equal(may, permission(s.claims.Video)) {
		return s.claims.Grants
	}
	grants := *s.claims.Grants
	video := *s.claims.Video
	video.SetCanSubscribe(may.CanSubscribe)
	video.SetCanPublish(may.CanPublish)
	video.SetCanPublishData(may.CanPublishData)
	video.SetCanPublishSources(may.CanPublishSources)
	video.SetCanUpdateOwnMetadata(may.CanUpdateMetadata)
	video.SetCanSubscribeMetrics(may.CanSubscribeMetrics)
	video.Hidden, video.Recorder, video.Agent = may.Hidden, may.Recorder, may.Agent
	grants.Video = &video
	return &grants
}
