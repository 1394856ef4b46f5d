package signal

import (
	"github.com/livekit/protocol/livekit"

	"careline/sfu"
)

const (
	// protocolVersion is the highest client protocol whose effects we know.
	protocolVersion = 17
	// livekitVersion is the LiveKit server that clients should take us for: they switch behaviour by it, first of all the way VP9 and AV1
	// are sent.
	livekitVersion = "1.13.5"

	// What clients are told about their own keep-alive, in seconds.
	clientPingInterval = 5
	clientPingTimeout  = 15
)

func (h *Handler) serverInfo() *livekit.ServerInfo {
	info := &livekit.ServerInfo{
		Edition:  livekit.ServerInfo_Standard,
		Version:  livekitVersion,
		Protocol: protocolVersion,
		Region:   h.cfg.Region,
	}
	if h.cfg.Version != "" {
		info.DebugInfo = "careline " + h.cfg.Version
	}
	return info
}

// joined is the first message of a session.
func (h *Handler) joined(r *sfu.JoinResult) *livekit.SignalResponse {
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_Join{Join: &livekit.JoinResponse{
		Room:                 r.Room,
		Participant:          r.Self,
		OtherParticipants:    r.Others,
		ServerVersion:        livekitVersion, // for clients older than server_info
		ServerRegion:         h.cfg.Region,
		ServerInfo:           h.serverInfo(),
		IceServers:           r.ICEServers,
		SubscriberPrimary:    r.SubscriberPrimary,
		FastPublish:          r.FastPublish,
		PingInterval:         clientPingInterval,
		PingTimeout:          clientPingTimeout,
		SifTrailer:           r.SIFTrailer,
		EnabledPublishCodecs: r.PublishCodecs,
	}}}
}

// resumed is the first message of a session that goes on over a new WebSocket.
func (h *Handler) resumed(r *sfu.ResumeResult) *livekit.SignalResponse {
	return &livekit.SignalResponse{Message: &livekit.SignalResponse_Reconnect{Reconnect: &livekit.ReconnectResponse{
		IceServers:     r.ICEServers,
		ServerInfo:     h.serverInfo(),
		LastMessageSeq: r.LastMessageSeq,
	}}}
}
