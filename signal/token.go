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
	minter, limit := s.handler.minter.Load(), s.handler.cfg.Auth.MaxLifetime()
	token, err := minter.Refresh(&claims, limit)
	if errors.Is(err, auth.ErrLifetimeOver) || errors.Is(err, auth.ErrPublicOnly) {
		s.logger.Debug("token not refreshed any more", "reason", err)
		return nil
	}
	if err != nil {
		s.logger.Warn("a token could not be refreshed", "error", err)
		return nil
	}
	s.validFor = s.clock.Now().Sub(s.started) + minter.RefreshedFor(&claims, limit)
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

// expire ends a session whose newest token has expired: it could not be refreshed any more. The time is counted since the session began,
// not by the wall clock, so that setting this does not throw everybody out.
func (s *Session) expire() {
	if s.clock.Now().Sub(s.started) > s.validFor+auth.Leeway && !s.expired {
		s.expired = true
		s.handler.counters.expired.Add(1)
		s.logger.Info("the session's token has expired")
		s.participant.Leave(livekit.DisconnectReason_PARTICIPANT_REMOVED)
	}
}
