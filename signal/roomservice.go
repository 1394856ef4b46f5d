package signal

import (
	"context"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	"careline/internal/names"
	"careline/sfu"
)

const (
	// controlTimeout bounds how long a request waits for a participant or a room to do what was asked.
	controlTimeout = 10 * time.Second
	maxDataBytes   = 64_000 // of SendData, as clients may send
	nonceBytes     = 16
)

// roomService is livekit.RoomService.
type roomService struct {
	rooms  *sfu.Manager
	agents *agents
}

func mayCreate(g *lkauth.VideoGrant) bool { return g.RoomCreate }
func mayList(g *lkauth.VideoGrant) bool   { return g.RoomList }

func (s *roomService) CreateRoom(ctx context.Context, r *livekit.CreateRoomRequest) (*livekit.Room, error) {
	if err := may(ctx, mayCreate); err != nil {
		return nil, err
	}
	if r.Egress != nil {
		if err := may(ctx, func(g *lkauth.VideoGrant) bool { return g.RoomRecord }); err != nil {
			return nil, err
		}
	}
	if err := checkName("name", r.Name); err != nil {
		return nil, err
	}
	room, err := s.rooms.CreateRoom(r)
	return room, asTwirp(err)
}

func (s *roomService) ListRooms(ctx context.Context, r *livekit.ListRoomsRequest) (*livekit.ListRoomsResponse, error) {
	if err := may(ctx, mayList); err != nil {
		return nil, err
	}
	return &livekit.ListRoomsResponse{Rooms: s.rooms.ListRooms(r.Names)}, nil
}

func (s *roomService) DeleteRoom(ctx context.Context, r *livekit.DeleteRoomRequest) (*livekit.DeleteRoomResponse, error) {
	if err := may(ctx, mayCreate); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	if err := s.rooms.DeleteRoom(ctx, r.Room); err != nil {
		return nil, asTwirp(err)
	}
	return &livekit.DeleteRoomResponse{}, nil
}

func (s *roomService) ListParticipants(ctx context.Context, r *livekit.ListParticipantsRequest) (*livekit.ListParticipantsResponse, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	all, err := s.rooms.ListParticipants(r.Room)
	if err != nil {
		return nil, asTwirp(err)
	}
	return &livekit.ListParticipantsResponse{Participants: all}, nil
}

func (s *roomService) GetParticipant(ctx context.Context, r *livekit.RoomParticipantIdentity) (*livekit.ParticipantInfo, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	p, err := s.rooms.GetParticipant(r.Room, r.Identity)
	return p, asTwirp(err)
}

func (s *roomService) RemoveParticipant(ctx context.Context, r *livekit.RoomParticipantIdentity) (*livekit.RemoveParticipantResponse, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	if err := s.rooms.RemoveParticipant(ctx, r.Room, r.Identity); err != nil {
		return nil, asTwirp(err)
	}
	return &livekit.RemoveParticipantResponse{}, nil
}

func (s *roomService) MutePublishedTrack(ctx context.Context, r *livekit.MuteRoomTrackRequest) (*livekit.MuteRoomTrackResponse, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	track, err := s.rooms.MutePublishedTrack(ctx, r.Room, r.Identity, r.TrackSid, r.Muted)
	if err != nil {
		return nil, asTwirp(err)
	}
	return &livekit.MuteRoomTrackResponse{Track: track}, nil
}

func (s *roomService) UpdateParticipant(ctx context.Context, r *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	for _, text := range []string{r.Name, r.Metadata} {
		if !utf8.ValidString(text) {
			return nil, twirp.InvalidArgument.Error("text is not UTF-8")
		}
	}
	r.Name = names.Visible(r.Name)
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	p, err := s.rooms.UpdateParticipant(ctx, r)
	return p, asTwirp(err)
}

func (s *roomService) UpdateSubscriptions(ctx context.Context, r *livekit.UpdateSubscriptionsRequest) (*livekit.UpdateSubscriptionsResponse, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	if err := s.rooms.UpdateSubscriptions(ctx, r); err != nil {
		return nil, asTwirp(err)
	}
	return &livekit.UpdateSubscriptionsResponse{}, nil
}

func (s *roomService) SendData(ctx context.Context, r *livekit.SendDataRequest) (*livekit.SendDataResponse, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	switch {
	case len(r.Data) > maxDataBytes:
		return nil, twirp.InvalidArgumentError("data", "is larger than "+strconv.Itoa(maxDataBytes)+" bytes")
	case len(r.Nonce) != 0 && len(r.Nonce) != nonceBytes:
		return nil, twirp.InvalidArgumentError("nonce", "has to be "+strconv.Itoa(nonceBytes)+" bytes")
	}
	if err := s.rooms.SendData(r); err != nil {
		return nil, asTwirp(err)
	}
	return &livekit.SendDataResponse{}, nil
}

func (s *roomService) UpdateRoomMetadata(ctx context.Context, r *livekit.UpdateRoomMetadataRequest) (*livekit.Room, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	if !utf8.ValidString(r.Metadata) {
		return nil, twirp.InvalidArgument.Error("text is not UTF-8")
	}
	room, err := s.rooms.UpdateRoomMetadata(r.Room, r.Metadata)
	return room, asTwirp(err)
}

func (s *roomService) ForwardParticipant(ctx context.Context, r *livekit.ForwardParticipantRequest) (*livekit.ForwardParticipantResponse, error) {
	if err := mayMove(ctx, r.Room, r.DestinationRoom); err != nil {
		return nil, err
	}
	return nil, twirp.Unimplemented.Error("forwarding a participant into a second room is not offered: let it join there too, with a token for that room")
}

func (s *roomService) MoveParticipant(ctx context.Context, r *livekit.MoveParticipantRequest) (*livekit.MoveParticipantResponse, error) {
	if err := mayMove(ctx, r.Room, r.DestinationRoom); err != nil {
		return nil, err
	}
	return nil, twirp.Unimplemented.Error("moving a participant is not offered: give its client a token for the other room and remove it from this one")
}

func mayMove(ctx context.Context, room, destination string) error {
	if err := mayAdminister(ctx, room); err != nil {
		return err
	}
	return may(ctx, func(g *lkauth.VideoGrant) bool { return g.DestinationRoom == destination && destination != "" })
}

func (s *roomService) PerformRpc(ctx context.Context, r *livekit.PerformRpcRequest) (*livekit.PerformRpcResponse, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	if r.DestinationIdentity == "" {
		return nil, twirp.InvalidArgument.Error("destination identity is required")
	}
	response, err := s.rooms.PerformRPC(ctx, r)
	if e, ok := errors.AsType[*sfu.RPCError](err); ok {
		code := twirp.Unknown // the recipient's own error
		if t, ok := errors.AsType[twirp.Error](asTwirp(err)); ok && t.Code() != twirp.Internal {
			code = t.Code()
		}
		return nil, code.Error(e.Message).WithMeta("rpc_code", strconv.FormatUint(uint64(e.Code), 10)).WithMeta("rpc_data", e.Data)
	}
	return response, asTwirp(err)
}

// checkName bounds a name that a request gives to something new.
func checkName(argument, name string) error {
	switch {
	case name == "":
		return twirp.RequiredArgumentError(argument)
	case !names.Safe(name):
		return twirp.InvalidArgumentError(argument, "is too long, not UTF-8 or has control characters")
	}
	return nil
}
