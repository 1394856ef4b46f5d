package signal

import (
	"context"
	"slices"

	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"
	"google.golang.org/protobuf/proto"

	"careline/internal/names"
	"careline/sfu"
)

// dispatchService is livekit.AgentDispatchService.
type dispatchService struct {
	rooms  *sfu.Manager
	agents *agents
}

// CreateDispatch wants a named agent in a room, which is made if it is not there.
func (s *dispatchService) CreateDispatch(ctx context.Context, r *livekit.CreateAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	if err := checkName("room", r.Room); err != nil {
		return nil, err
	}
	size := len(r.Metadata)
	for k, v := range r.Attributes {
		size += len(k) + len(v)
	}
	if size > maxDispatchFields || len(r.AgentName) > names.Max {
		return nil, twirp.InvalidArgument.Error("agent name, metadata or attributes are too large")
	}
	if _, err := s.rooms.CreateRoom(&livekit.CreateRoomRequest{Name: r.Room}); err != nil {
		return nil, asTwirp(err)
	}
	info := s.agents.dispatch(r)
	if info == nil {
		return nil, twirp.ResourceExhausted.Error("the room has too many dispatches or is over")
	}
	return info, nil
}

func (s *dispatchService) DeleteDispatch(ctx context.Context, r *livekit.DeleteAgentDispatchRequest) (*livekit.AgentDispatch, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	if info := s.agents.undispatch(r.Room, r.DispatchId); info != nil {
		return info, nil
	}
	return nil, twirp.NotFound.Error("dispatch does not exist")
}

func (s *dispatchService) ListDispatch(ctx context.Context, r *livekit.ListAgentDispatchRequest) (*livekit.ListAgentDispatchResponse, error) {
	if err := mayAdminister(ctx, r.Room); err != nil {
		return nil, err
	}
	return &livekit.ListAgentDispatchResponse{AgentDispatches: s.agents.list(r.Room, r.DispatchId)}, nil
}

func (a *agents) dispatch(r *livekit.CreateAgentDispatchRequest) *livekit.AgentDispatch {
	a.mu.Lock()
	defer a.mu.Unlock()
	room := a.live[r.Room]
	if room == nil || a.closed {
		return nil
	}
	d := a.dispatchLocked(room, &livekit.AgentDispatch{
		AgentName: r.AgentName, Metadata: r.Metadata, Attributes: r.Attributes, Deployment: r.Deployment, RestartPolicy: r.RestartPolicy,
	})
	if d == nil {
		return nil
	}
	return d.show()
}

// undispatch ends a dispatch and its jobs. The implicit one, of the unnamed agents, is nobody's to end.
func (a *agents) undispatch(name, id string) *livekit.AgentDispatch {
	a.mu.Lock()
	defer a.mu.Unlock()
	room := a.live[name]
	if room == nil {
		return nil
	}
	for i, d := range room.dispatches {
		if i > 0 && d.info.Id == id {
			info := d.show()
			info.State.DeletedAt = a.clock.Now().UnixNano()
			for _, j := range d.jobs {
				a.endJobLocked(room, j)
			}
			room.dispatches = slices.Delete(room.dispatches, i, i+1)
			return info
		}
	}
	return nil
}

func (a *agents) list(name, id string) []*livekit.AgentDispatch {
	a.mu.Lock()
	defer a.mu.Unlock()
	room := a.live[name]
	if room == nil {
		return nil
	}
	var all []*livekit.AgentDispatch
	for _, d := range room.dispatches[1:] {
		if id == "" || d.info.Id == id {
			all = append(all, d.show())
		}
	}
	return all
}

// show is a dispatch with its jobs as they are now. agents.mu is held.
func (d *agentDispatch) show() *livekit.AgentDispatch {
	info := proto.Clone(d.info).(*livekit.AgentDispatch)
	for _, j := range d.jobs {
		info.State.Jobs = append(info.State.Jobs, proto.Clone(j.info).(*livekit.Job))
	}
	return info
}
