package signal

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/guid"
	"google.golang.org/protobuf/proto"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/sfu"
)

const (
	availabilityTimeout = 10 * time.Second // for a worker to say whether it takes a job
	agentTokenLife      = time.Hour        // to join; the session refreshes it
	agentNameAttribute  = "lk.agent_name"

	maxWorkers        = 1000
	maxDispatches     = 64 // of one room, the implicit one included
	maxJobsPerRoom    = 1000
	maxDispatchFields = 64 << 10 // bytes of metadata and attributes
)

// agents offers jobs to agent workers: programs that join rooms when they are wanted. A room wants the unnamed agents, and the named ones that a
// dispatch asks for. Who takes a job gets a token and joins as any client does.
type agents struct {
	// immutable
	minter  func() *auth.Minter
	rooms   *sfu.Manager
	clock   clock.Clock
	logger  *slog.Logger
	offers  sync.WaitGroup
	stopped chan struct{}

	mu sync.Mutex
	// guarded by mu
	workers map[string]*agentWorker
	live    map[string]*agentRoom // by name
	jobs    map[string]*agentJob
	closed  bool
}

// agentRoom is a room as far as agents are concerned.
type agentRoom struct {
	info       *livekit.Room
	dispatches []*agentDispatch
	joined     map[string]*livekit.ParticipantInfo // by sid, those that are no agents
	publishing map[string]bool                     // by sid
	jobs       int
}

type agentDispatch struct {
	info *livekit.AgentDispatch // without its jobs
	jobs []*agentJob
}

// agentJob is one piece of work: a room, a publisher or a participant for one agent. Its fields are guarded by agents.mu.
type agentJob struct {
	info     *livekit.Job
	dispatch *agentDispatch
	worker   *agentWorker // who took it
	offering bool
	over     bool
}

func newAgents(rooms *sfu.Manager, minter func() *auth.Minter, c clock.Clock, logger *slog.Logger) *agents {
	return &agents{
		minter: minter, rooms: rooms, clock: c, logger: logger, stopped: make(chan struct{}),
		workers: make(map[string]*agentWorker), live: make(map[string]*agentRoom), jobs: make(map[string]*agentJob),
	}
}

// census counts workers and their jobs.
func (a *agents) census() (workers, jobs int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.workers), len(a.jobs)
}

// Observe implements sfu.Observer. It calls nothing of the engine, whose locks may be held.
func (a *agents) Observe(e sfu.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	room := a.live[e.Room.GetName()]
	switch e.Kind {
	case sfu.EventRoomStarted:
		room = &agentRoom{info: e.Room, joined: make(map[string]*livekit.ParticipantInfo), publishing: make(map[string]bool)}
		a.live[e.Room.Name] = room
		a.dispatchLocked(room, &livekit.AgentDispatch{})
		a.offers.Go(func() { a.dispatchConfigured(e.Room) })
	case sfu.EventRoomFinished:
		if room != nil && room.info.Sid == e.Room.Sid {
			a.endRoomLocked(room)
		}
	case sfu.EventParticipantJoined:
		if room != nil && e.Participant.Kind != livekit.ParticipantInfo_AGENT {
			room.joined[e.Participant.Sid] = e.Participant
			a.wantLocked(room, livekit.JobType_JT_PARTICIPANT, e.Participant)
		}
	case sfu.EventTrackPublished:
		if room != nil && e.Participant.Kind != livekit.ParticipantInfo_AGENT && !room.publishing[e.Participant.Sid] {
			room.publishing[e.Participant.Sid] = true
			a.wantLocked(room, livekit.JobType_JT_PUBLISHER, e.Participant)
		}
	case sfu.EventParticipantLeft, sfu.EventConnectionAborted:
		if room != nil {
			delete(room.joined, e.Participant.Sid)
			delete(room.publishing, e.Participant.Sid)
			a.endJobsLocked(room, func(j *agentJob) bool { return j.info.Participant.GetSid() == e.Participant.Sid })
		}
	}
}

// dispatchConfigured makes the dispatches that a room was created with.
func (a *agents) dispatchConfigured(info *livekit.Room) {
	config, err := a.rooms.RoomConfiguration(info.Name)
	if err != nil {
		return // it is over already
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	room := a.live[info.Name]
	if room == nil || room.info.Sid != info.Sid {
		return
	}
	for _, d := range config.Agents {
		a.dispatchLocked(room, &livekit.AgentDispatch{
			AgentName: d.AgentName, Metadata: d.Metadata, Attributes: d.Attributes, Deployment: d.Deployment, RestartPolicy: d.RestartPolicy,
		})
	}
}

// dispatchLocked wants an agent in a room, for all that is in it already. It returns nil when the room has too many dispatches.
func (a *agents) dispatchLocked(room *agentRoom, info *livekit.AgentDispatch) *agentDispatch {
	if len(room.dispatches) >= maxDispatches {
		a.logger.Warn("too many agent dispatches in a room", "room", room.info.Name)
		return nil
	}
	info.Id, info.Room = guid.New("AD_"), room.info.Name
	info.State = &livekit.AgentDispatchState{CreatedAt: a.clock.Now().UnixNano()}
	d := &agentDispatch{info: info}
	room.dispatches = append(room.dispatches, d)
	a.addJobLocked(room, d, livekit.JobType_JT_ROOM, nil)
	for sid, p := range room.joined {
		a.addJobLocked(room, d, livekit.JobType_JT_PARTICIPANT, p)
		if room.publishing[sid] {
			a.addJobLocked(room, d, livekit.JobType_JT_PUBLISHER, p)
		}
	}
	return d
}

func (a *agents) wantLocked(room *agentRoom, t livekit.JobType, p *livekit.ParticipantInfo) {
	for _, d := range room.dispatches {
		a.addJobLocked(room, d, t, p)
	}
}

// addJobLocked adds a job that waits until a worker of its kind takes it.
func (a *agents) addJobLocked(room *agentRoom, d *agentDispatch, t livekit.JobType, p *livekit.ParticipantInfo) {
	if room.jobs >= maxJobsPerRoom {
		a.logger.Warn("too many agent jobs in a room", "room", room.info.Name)
		return
	}
	room.jobs++
	j := &agentJob{dispatch: d, info: &livekit.Job{
		Id: guid.New("AJ_"), DispatchId: d.info.Id, Type: t, Room: room.info, Participant: p, AgentName: d.info.AgentName,
		Metadata: d.info.Metadata, Attributes: d.info.Attributes, Deployment: d.info.Deployment, State: &livekit.JobState{},
	}}
	d.jobs = append(d.jobs, j)
	a.jobs[j.info.Id] = j
	a.offerLocked(j, nil)
}

// fits tells whether a worker does jobs of this kind.
func (w *agentWorker) fits(j *agentJob) bool {
	return w.info.GetType() == j.info.Type && w.info.GetAgentName() == j.info.AgentName && w.info.GetDeployment() == j.info.Deployment
}

// offerLocked looks for a worker for a job, unless somebody does already.
func (a *agents) offerLocked(j *agentJob, tried map[*agentWorker]bool) {
	if j.offering || j.over || j.worker != nil || a.closed || a.chooseLocked(j, tried) == nil {
		return
	}
	j.offering = true
	a.offers.Go(func() { a.offer(j, tried) })
}

// chooseLocked picks a worker at random, the less loaded the likelier.
func (a *agents) chooseLocked(j *agentJob, tried map[*agentWorker]bool) *agentWorker {
	var fitting []*agentWorker
	total := 0.0
	for _, w := range a.workers {
		if w.fits(j) && !w.full && !tried[w] {
			fitting = append(fitting, w)
			total += w.weight()
		}
	}
	slices.SortFunc(fitting, func(a, b *agentWorker) int { return strings.Compare(a.id, b.id) })
	at := rand.Float64() * total
	for _, w := range fitting {
		if at -= w.weight(); at <= 0 {
			return w
		}
	}
	if len(fitting) > 0 {
		return fitting[len(fitting)-1]
	}
	return nil
}

// offer asks one worker after the other until one takes the job. When none does, the job waits for the next worker that registers.
func (a *agents) offer(j *agentJob, tried map[*agentWorker]bool) {
	if tried == nil {
		tried = make(map[*agentWorker]bool)
	}
	for {
		a.mu.Lock()
		w := a.chooseLocked(j, tried)
		if w == nil || j.over || a.closed {
			j.offering = false
			a.mu.Unlock()
			return
		}
		tried[w] = true
		answer := make(chan *livekit.AvailabilityResponse, 1)
		w.asked[j.info.Id] = answer
		request := proto.Clone(j.info).(*livekit.Job)
		a.mu.Unlock()

		w.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_Availability{Availability: &livekit.AvailabilityRequest{Job: request}}})
		timer := a.clock.NewTimer(availabilityTimeout)
		var r *livekit.AvailabilityResponse
		select {
		case r = <-answer:
		case <-timer.C():
		case <-w.done:
		case <-a.stopped:
		}
		timer.Stop()
		if a.assign(j, w, r) {
			return
		}
	}
}

// assign gives a job to a worker that said it is available, with a token to join by.
func (a *agents) assign(j *agentJob, w *agentWorker, r *livekit.AvailabilityResponse) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(w.asked, j.info.Id)
	if !r.GetAvailable() || j.over || a.closed {
		return false
	}
	identity := r.ParticipantIdentity
	if identity == "" {
		identity = "agent-" + j.info.Id
	}
	token, err := a.token(j, w, identity, r)
	if err != nil {
		a.logger.Warn("an agent got no token", "worker", w.id, "error", err)
		return false
	}
	now := a.clock.Now().UnixNano()
	j.worker, j.offering = w, false
	j.info.State = &livekit.JobState{
		Status: livekit.JobStatus_JS_RUNNING, StartedAt: now, UpdatedAt: now, ParticipantIdentity: identity, WorkerId: w.id,
	}
	w.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_Assignment{Assignment: &livekit.JobAssignment{
		Job: proto.Clone(j.info).(*livekit.Job), Token: token,
	}}})
	a.logger.Info("agent job assigned", "room", j.info.Room.GetName(), "job", j.info.Id, "worker", w.id, "identity", identity)
	return true
}

func (a *agents) token(j *agentJob, w *agentWorker, identity string, r *livekit.AvailabilityResponse) (string, error) {
	may := w.info.GetAllowedPermissions()
	if may == nil {
		may = &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishData: true, CanUpdateMetadata: true}
	}
	video := &lkauth.VideoGrant{RoomJoin: true, Room: j.info.Room.GetName(), Agent: true, Hidden: may.Hidden}
	video.SetCanSubscribe(may.CanSubscribe)
	video.SetCanPublish(may.CanPublish)
	video.SetCanPublishData(may.CanPublishData)
	video.SetCanPublishSources(may.CanPublishSources)
	video.SetCanUpdateOwnMetadata(may.CanUpdateMetadata)
	video.SetCanSubscribeMetrics(may.CanSubscribeMetrics)
	attributes := map[string]string{agentNameAttribute: j.info.AgentName}
	for k, v := range r.ParticipantAttributes {
		attributes[k] = v
	}
	grants := &lkauth.ClaimGrants{
		Identity: identity, Name: r.ParticipantName, Metadata: r.ParticipantMetadata, Attributes: attributes, Video: video,
	}
	grants.SetParticipantKind(livekit.ParticipantInfo_AGENT)
	return a.minter().Mint(w.apiKey, grants, agentTokenLife)
}

// endRoomLocked ends the jobs of a room that is over.
func (a *agents) endRoomLocked(room *agentRoom) {
	delete(a.live, room.info.Name)
	a.endJobsLocked(room, func(*agentJob) bool { return true })
}

func (a *agents) endJobsLocked(room *agentRoom, which func(*agentJob) bool) {
	for _, d := range room.dispatches {
		for _, j := range d.jobs {
			if which(j) {
				a.endJobLocked(room, j)
			}
		}
		d.jobs = slices.DeleteFunc(d.jobs, which)
	}
}

func (a *agents) endJobLocked(room *agentRoom, j *agentJob) {
	delete(a.jobs, j.info.Id)
	room.jobs--
	if j.over {
		return
	}
	j.over = true
	if j.worker != nil {
		j.worker.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_Termination{Termination: &livekit.JobTermination{JobId: j.info.Id}}})
	}
}

// register takes a worker in and offers it what waits.
func (a *agents) register(w *agentWorker) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || len(a.workers) >= maxWorkers {
		return false
	}
	a.workers[w.id] = w
	a.logger.Info("agent worker registered", "worker", w.id, "agent_name", w.info.GetAgentName(), "type", w.info.GetType().String())
	for _, j := range a.jobs {
		if w.fits(j) {
			a.offerLocked(j, nil)
		}
	}
	return true
}

// unregister takes a worker out. What it had taken has failed.
func (a *agents) unregister(w *agentWorker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.workers[w.id] != w {
		return
	}
	delete(a.workers, w.id)
	for _, j := range a.jobs {
		if j.worker == w {
			a.reportLocked(j, livekit.JobStatus_JS_FAILED, "worker left")
		}
	}
	a.logger.Info("agent worker left", "worker", w.id)
}

// answered takes a worker's word on an offer.
func (a *agents) answered(w *agentWorker, r *livekit.AvailabilityResponse) {
	a.mu.Lock()
	answer := w.asked[r.JobId]
	delete(w.asked, r.JobId)
	a.mu.Unlock()
	if answer != nil {
		answer <- r // has room for the one answer
	}
}

// reported takes a worker's word on a job that it has.
func (a *agents) reported(w *agentWorker, u *livekit.UpdateJobStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if j := a.jobs[u.JobId]; j != nil && j.worker == w {
		a.reportLocked(j, u.Status, u.Error)
	}
}

func (a *agents) reportLocked(j *agentJob, status livekit.JobStatus, problem string) {
	now := a.clock.Now().UnixNano()
	j.info.State.Status, j.info.State.Error, j.info.State.UpdatedAt = status, problem, now
	if status == livekit.JobStatus_JS_SUCCESS || status == livekit.JobStatus_JS_FAILED {
		j.over = true
		j.info.State.EndedAt = now
	}
}

// migrated offers jobs again that a worker has to give up.
func (a *agents) migrated(w *agentWorker, ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		if j := a.jobs[id]; j != nil && j.worker == w && !j.over {
			j.worker = nil
			j.info.State = &livekit.JobState{}
			a.offerLocked(j, map[*agentWorker]bool{w: true})
		}
	}
}

// status takes a worker's word on itself.
func (a *agents) status(w *agentWorker, u *livekit.UpdateWorkerStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.load = min(max(u.Load, 0), 1)
	wasFull := w.full
	if u.Status != nil {
		w.full = u.GetStatus() == livekit.WorkerStatus_WS_FULL
	}
	if wasFull && !w.full {
		for _, j := range a.jobs {
			if w.fits(j) {
				a.offerLocked(j, nil)
			}
		}
	}
}

// close ends all workers and returns when nobody is asked any more.
func (a *agents) close() {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return
	}
	a.closed = true
	close(a.stopped)
	workers := make([]*agentWorker, 0, len(a.workers))
	for _, w := range a.workers {
		workers = append(workers, w)
	}
	a.mu.Unlock()
	for _, w := range workers {
		w.end()
	}
	a.offers.Wait()
}
