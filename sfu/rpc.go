package sfu

import (
	"context"
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/guid"

	"careline/internal/errs"
)

// The codes of LiveKit's remote procedure calls that the server itself gives.
const (
	rpcNoRecipient     = 1401
	rpcRequestTooLarge = 1402
	rpcNoConnection    = 1501
	rpcNoResponse      = 1502
	rpcRecipientLeft   = 1503
)

const (
	rpcPayload        = 15 << 10 // bytes, of request and response
	rpcAckTimeout     = 7 * time.Second
	rpcDefaultTimeout = 15 * time.Second
	rpcLongest        = 5 * time.Minute
	rpcCallsPerRoom   = 256
	rpcVersion        = 1
)

// RPCError is a call that failed at the recipient or on the way to it. Code is one of the protocol's.
type RPCError struct {
	Code          uint32
	Message, Data string
}

func (e *RPCError) Error() string { return fmt.Sprintf("rpc error %d: %s", e.Code, e.Message) }

// rpcCall is a call of the server that waits for its answer.
type rpcCall struct {
	recipient *Participant
	acked     chan struct{}
	answer    chan *livekit.RpcResponse
}

// PerformRPC calls a method that a participant's client registered, and returns what it answers. The error of a call that was made and
// failed is an *RPCError.
func (m *Manager) PerformRPC(ctx context.Context, r *livekit.PerformRpcRequest) (*livekit.PerformRpcResponse, error) {
	room, err := m.room(r.Room)
	if err != nil {
		return nil, err
	}
	if len(r.Payload) > rpcPayload {
		return nil, errs.With(errs.Invalid, &RPCError{Code: rpcRequestTooLarge, Message: fmt.Sprintf("payload is larger than %d bytes", rpcPayload)})
	}
	p := room.participant(r.DestinationIdentity)
	if p == nil {
		return nil, errs.With(errs.NotFound, &RPCError{Code: rpcNoRecipient, Message: "recipient is not in the room"})
	}
	timeout := time.Duration(r.ResponseTimeoutMs) * time.Millisecond
	if timeout <= 0 {
		timeout = rpcDefaultTimeout
	}
	timeout = min(timeout, rpcLongest)
	id := guid.New("RPC_")
	call := &rpcCall{recipient: p, acked: make(chan struct{}, 1), answer: make(chan *livekit.RpcResponse, 1)}
	if !room.addCall(id, call) {
		return nil, errs.New(errs.Limit, "too many calls are waiting in this room")
	}
	defer room.removeCall(id)
	err = room.write(livekit.DataPacket_RELIABLE, &livekit.DataPacket{
		DestinationIdentities: []string{r.DestinationIdentity},
		Value: &livekit.DataPacket_RpcRequest{RpcRequest: &livekit.RpcRequest{
			Id: id, Method: r.Method, Payload: r.Payload, ResponseTimeoutMs: uint32(timeout / time.Millisecond), Version: rpcVersion,
		}},
	}, nil)
	if err != nil {
		return nil, err
	}
	return call.wait(ctx, m, timeout)
}

func (c *rpcCall) wait(ctx context.Context, m *Manager, timeout time.Duration) (*livekit.PerformRpcResponse, error) {
	ack, response := m.clock.NewTimer(rpcAckTimeout), m.clock.NewTimer(timeout)
	defer ack.Stop()
	defer response.Stop()
	for {
		select {
		case <-c.acked:
			ack.Stop()
		case a := <-c.answer:
			if e := a.GetError(); e != nil {
				return nil, &RPCError{Code: e.Code, Message: e.Message, Data: e.Data}
			}
			return &livekit.PerformRpcResponse{Payload: a.GetPayload()}, nil
		case <-ack.C():
			return nil, errs.With(errs.Unavailable, &RPCError{Code: rpcNoConnection, Message: "recipient did not take the call"})
		case <-response.C():
			return nil, errs.With(errs.Unavailable, &RPCError{Code: rpcNoResponse, Message: "recipient did not answer in time"})
		case <-c.recipient.gone:
			return nil, errs.With(errs.Unavailable, &RPCError{Code: rpcRecipientLeft, Message: "recipient left"})
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the answer to a call: %w", ctx.Err())
		}
	}
}

func (r *Room) addCall(id string, c *rpcCall) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.calls) >= rpcCallsPerRoom {
		return false
	}
	r.calls[id] = c
	return true
}

func (r *Room) removeCall(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.calls, id)
}

// takeRPC keeps what answers a call of the server; nobody else is to see it. A call is answered by its recipient only.
func (r *Room) takeRPC(from *Participant, packet *livekit.DataPacket) (taken bool) {
	ack, response := packet.GetRpcAck(), packet.GetRpcResponse()
	if ack == nil && response == nil {
		return false
	}
	r.mu.Lock()
	c := r.calls[ack.GetRequestId()+response.GetRequestId()] // one of them is empty
	r.mu.Unlock()
	if c == nil || c.recipient != from {
		return c != nil
	}
	if ack != nil {
		select {
		case c.acked <- struct{}{}:
		default:
		}
		return true
	}
	select {
	case c.answer <- response:
	default: // it was answered already
	}
	return true
}
