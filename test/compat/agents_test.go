package compat

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// agentProbe is an agent worker of which a test sees every message.
type agentProbe struct {
	t    *testing.T
	conn *websocket.Conn
	text bool

	mu    sync.Mutex
	heard []*livekit.ServerMessage // guarded by mu
}

func (r *rig) worker(text bool, register *livekit.RegisterWorkerRequest) *agentProbe {
	r.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + token(r.t, "worker", &lkauth.VideoGrant{Agent: true})}}
	conn, _, err := websocket.DefaultDialer.Dial(r.ws()+"/agent?protocol=1", header)
	if err != nil {
		r.t.Fatal(err)
	}
	w := &agentProbe{t: r.t, conn: conn, text: text}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			kind, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			m := &livekit.ServerMessage{}
			if kind == websocket.TextMessage {
				err = protojson.Unmarshal(data, m)
			} else {
				err = proto.Unmarshal(data, m)
			}
			if err != nil || (kind == websocket.TextMessage) != text {
				r.t.Errorf("a message of kind %d: %v", kind, err)
			}
			w.mu.Lock()
			w.heard = append(w.heard, m)
			w.mu.Unlock()
		}
	}()
	r.t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	w.send(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Register{Register: register}})
	registered := w.expect("a registration", func(m *livekit.ServerMessage) bool { return m.GetRegister() != nil }).GetRegister()
	if registered.WorkerId == "" || registered.ServerInfo.GetVersion() == "" {
		r.t.Errorf("registered as %v", registered)
	}
	return w
}

func (w *agentProbe) send(m *livekit.WorkerMessage) {
	w.t.Helper()
	kind, data, err := websocket.BinaryMessage, []byte(nil), error(nil)
	if w.text {
		kind = websocket.TextMessage
		data, err = protojson.Marshal(m)
	} else {
		data, err = proto.Marshal(m)
	}
	if err == nil {
		err = w.conn.WriteMessage(kind, data)
	}
	if err != nil {
		w.t.Error(err)
	}
}

func (w *agentProbe) expect(what string, match func(*livekit.ServerMessage) bool) (found *livekit.ServerMessage) {
	w.t.Helper()
	eventually(w.t, what, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, m := range w.heard {
			if match(m) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

func (w *agentProbe) offered() *livekit.Job {
	w.t.Helper()
	return w.expect("an offer", func(m *livekit.ServerMessage) bool { return m.GetAvailability() != nil }).GetAvailability().Job
}

func (w *agentProbe) answer(job *livekit.Job, available bool) {
	w.t.Helper()
	w.send(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Availability{Availability: &livekit.AvailabilityResponse{
		JobId: job.Id, Available: available, ParticipantIdentity: "helper", ParticipantName: "Helper", ParticipantAttributes: map[string]string{"a": "b"},
	}}})
}

// TestCheck43Agents: a worker registers, is offered a new room, joins with its token, appears as kind AGENT and is ended with the room.
func TestCheck43Agents(t *testing.T) {
	for _, text := range []bool{false, true} {
		r := start(t, setup{})
		api := lksdk.NewRoomServiceClient(r.http(), devKey, devSecret)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		w := r.worker(text, &livekit.RegisterWorkerRequest{Type: livekit.JobType_JT_ROOM})
		w.send(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_Ping{Ping: &livekit.WorkerPing{Timestamp: 42}}})
		w.expect("a pong", func(m *livekit.ServerMessage) bool { return m.GetPong().GetLastTimestamp() == 42 })

		ann := r.connect(t, dual, "ward", "ann", newInbox().callback())
		job := w.offered()
		if job.Room.GetName() != "ward" || job.Type != livekit.JobType_JT_ROOM {
			t.Fatalf("offered %v", job)
		}
		w.answer(job, true)
		assignment := w.expect("an assignment", func(m *livekit.ServerMessage) bool { return m.GetAssignment() != nil }).GetAssignment()
		agent, err := lksdk.ConnectToRoomWithToken(r.ws(), assignment.Token, newInbox().callback())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(agent.Disconnect)
		w.send(&livekit.WorkerMessage{Message: &livekit.WorkerMessage_UpdateJob{UpdateJob: &livekit.UpdateJobStatus{JobId: job.Id, Status: livekit.JobStatus_JS_RUNNING}}})
		eventually(t, "the agent to be seen", func() bool {
			p := ann.GetParticipantByIdentity("helper")
			return p != nil && p.Kind() == lksdk.ParticipantAgent && p.Attributes()["a"] == "b" && p.Name() == "Helper"
		})
		rooms, err := api.ListRooms(ctx, &livekit.ListRoomsRequest{})
		if err != nil || rooms.Rooms[0].NumParticipants != 1 {
			t.Errorf("an agent counts: %v, %v", rooms, err)
		}
		if _, err := api.DeleteRoom(ctx, &livekit.DeleteRoomRequest{Room: "ward"}); err != nil {
			t.Error(err)
		}
		w.expect("the termination", func(m *livekit.ServerMessage) bool { return m.GetTermination().GetJobId() == job.Id })
	}
}

// TestAgentDispatch wants a named agent: unnamed workers are not asked, one that declines is followed by the next, a job waits for a worker that
// comes later, and a publisher is a job of its own.
func TestAgentDispatch(t *testing.T) {
	r := start(t, setup{})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	api := lksdk.NewAgentDispatchServiceClient(r.http(), devKey, devSecret)
	unnamed := r.worker(false, &livekit.RegisterWorkerRequest{Type: livekit.JobType_JT_PUBLISHER})
	made, err := api.CreateDispatch(ctx, &livekit.CreateAgentDispatchRequest{Room: "ward", AgentName: "scribe", Metadata: "m"})
	if err != nil || made.AgentName != "scribe" || made.Id == "" {
		t.Fatalf("%v, %v", made, err)
	}
	first := r.worker(false, &livekit.RegisterWorkerRequest{Type: livekit.JobType_JT_ROOM, AgentName: "scribe"})
	job := first.offered()
	if job.Metadata != "m" || job.DispatchId != made.Id {
		t.Errorf("offered %v", job)
	}
	first.answer(job, false)
	second := r.worker(false, &livekit.RegisterWorkerRequest{Type: livekit.JobType_JT_ROOM, AgentName: "scribe"})
	second.answer(second.offered(), true)
	second.expect("an assignment", func(m *livekit.ServerMessage) bool { return m.GetAssignment() != nil })
	list, err := api.ListDispatch(ctx, &livekit.ListAgentDispatchRequest{Room: "ward"})
	if err != nil || len(list.AgentDispatches) != 1 || list.AgentDispatches[0].State.Jobs[0].State.Status != livekit.JobStatus_JS_RUNNING {
		t.Errorf("%v, %v", list, err)
	}
	ann := r.connect(t, dual, "ward", "ann", newInbox().callback())
	publish(t, ann, webrtc.MimeTypeOpus)
	if job := unnamed.offered(); job.Type != livekit.JobType_JT_PUBLISHER || job.Participant.GetIdentity() != "ann" {
		t.Errorf("offered %v", job)
	}
	if _, err := api.DeleteDispatch(ctx, &livekit.DeleteAgentDispatchRequest{Room: "ward", DispatchId: made.Id}); err != nil {
		t.Error(err)
	}
	second.expect("the termination", func(m *livekit.ServerMessage) bool { return m.GetTermination() != nil })
	if _, response, err := websocket.DefaultDialer.Dial(r.ws()+"/agent", http.Header{"Authorization": {"Bearer " + token(t, "x", grant("ward"))}}); err == nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("a worker without the grant: %v", err)
	}
}
