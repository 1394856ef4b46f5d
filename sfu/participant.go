package sfu

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/guid"

	"careline/internal/clock"
)

const (
	inboxSize     = 512
	heldMessages  = 1000 // messages kept for a peer that is not there yet or not there any more
	answerTimeout = 15 * time.Second
	closedGrace   = 2 * time.Second // from a connection that the client closed to its word of leaving
)

// Participant is one client session. Its goroutine owns membership and negotiation; everybody else talks to it through its inbox.
type Participant struct {
	// immutable
	manager           *Manager
	room              *Room
	log               *slog.Logger
	sid               string
	identity          string
	kind              livekit.ParticipantInfo_Kind
	permission        atomic.Pointer[livekit.ParticipantPermission]
	verdict           atomic.Pointer[verdict] // on its connection, nil before the first
	viewers           atomic.Pointer[viewers] // who may receive its tracks, nil: everybody
	unseen            atomic.Bool             // by the audience that it is part of
	request           JoinRequest
	subscriberPrimary bool
	worker            *worker
	data              *dataLink
	inbox             chan command
	overflow          chan struct{} // closed when the inbox was full once
	overflowOnce      sync.Once
	sections          atomic.Int32  // media sections of its connections
	active            atomic.Bool   // media was connected once
	ended             atomic.Bool   // the session is over; it can no longer be resumed
	gone              chan struct{} // closed when everything that it owned has ended

	// owned by run, known and available filled by Room.enter before it starts
	info      *livekit.ParticipantInfo
	peer      Peer
	held      []Message
	known     map[string]uint32                    // participant sid -> version last sent
	available map[string]*Publication              // what the others publish
	started   bool                                 // a peer was attached once: connections exist
	told      map[string]livekit.ConnectionQuality // participant sid -> what the client was last told
	connected bool                                 // media was connected once
	over      bool
	publish   publishState
	subscribe subscribeState
	publisher *transport // nil until the first publisher offer; the only one of a single-connection client
	viewer    *transport // the subscriber connection of a dual client, else publisher

	candidates   int // remote ones seen
	joinTimer    clock.Timer
	resumeTimer  clock.Timer
	answerTimer  clock.Timer
	demandTimer  clock.Timer
	missingTimer clock.Timer
	silenceTimer clock.Timer
	children     sync.WaitGroup // readers of tracks, feedback and data
	leave        Leave
	awaitingPeer bool // between a resume and the attachment of its peer
	usage        usage
	took         *Usage // all of it, at the end
}

func newParticipant(m *Manager, room *Room, r JoinRequest) *Participant {
	if r.Client == nil {
		r.Client = &livekit.ClientInfo{}
	}
	if r.Permission == nil {
		r.Permission = &livekit.ParticipantPermission{}
	}
	p := &Participant{
		manager:   m,
		room:      room,
		sid:       guid.New("PA_"),
		identity:  r.Identity,
		kind:      r.Kind,
		request:   r,
		inbox:     make(chan command, inboxSize),
		overflow:  make(chan struct{}),
		gone:      make(chan struct{}),
		known:     make(map[string]uint32),
		told:      make(map[string]livekit.ConnectionQuality),
		available: make(map[string]*Publication),
	}
	p.permission.Store(r.Permission)
	p.unseen.Store(r.Audience && !r.Permission.CanPublish)
	p.log = m.log.With("room", room.name, "participant", p.identity, "participant_sid", p.sid)
	p.subscriberPrimary = !r.SinglePC && r.Permission.CanSubscribe && r.Client.Protocol >= 3
	p.worker = m.workerFor(p.sid)
	p.data = newDataLink(p)
	p.subscribe = newSubscribeState(r.AutoSubscribe)
	return p
}

// SID is the session's id, "PA_...".
func (p *Participant) SID() string { return p.sid }

// Identity is who it is, by its token.
func (p *Participant) Identity() string { return p.identity }

// MediaSections is how many media sections its connections have now.
func (p *Participant) MediaSections() int { return int(p.sections.Load()) }

// Active tells whether media was connected once.
func (p *Participant) Active() bool { return p.active.Load() }

// RoomName is the room it is in.
func (p *Participant) RoomName() string { return p.room.name }

// RoomSID is that room's id: another room may have the same name later.
func (p *Participant) RoomSID() string { return p.room.sid }

// newInfo is the first version of what others see.
func (p *Participant) newInfo(now time.Time) *livekit.ParticipantInfo {
	p.info = &livekit.ParticipantInfo{
		Sid:            p.sid,
		Identity:       p.identity,
		State:          livekit.ParticipantInfo_JOINING,
		Metadata:       p.request.Metadata,
		JoinedAt:       now.Unix(),
		JoinedAtMs:     now.UnixMilli(),
		Name:           p.request.Name,
		Version:        1,
		Permission:     p.Permission(),
		Attributes:     p.request.Attributes,
		Kind:           p.kind,
		ClientProtocol: p.request.Client.ClientProtocol,
		Capabilities:   p.request.Client.Capabilities,
	}
	return p.info
}

// post hands a command to the participant's goroutine. It never blocks; an inbox that is full ends the session.
func (p *Participant) post(c command) {
	select {
	case p.inbox <- c:
	default:
		p.overflowOnce.Do(func() {
			p.manager.counters.inboxOverflows.Add(1)
			close(p.overflow)
		})
	}
}

// run is the participant's goroutine: it ends when the session is over and everything it owned is gone.
func (p *Participant) run() {
	c := p.manager.clock
	p.joinTimer = c.NewTimer(p.manager.cfg.Room.JoinTimeout)
	p.resumeTimer = stoppedTimer(c)
	p.answerTimer = stoppedTimer(c)
	p.demandTimer = stoppedTimer(c)
	p.missingTimer = stoppedTimer(c)
	p.silenceTimer = stoppedTimer(c)
	for !p.over {
		select {
		case cmd := <-p.inbox:
			p.handle(cmd)
			for more := true; more && !p.over; {
				select {
				case cmd := <-p.inbox:
					p.handle(cmd)
				default:
					more = false
				}
			}
			if !p.over {
				p.settle()
			}
		case <-p.joinTimer.C():
			p.timeOut(livekit.DisconnectReason_JOIN_FAILURE, livekit.LeaveRequest_DISCONNECT)
		case <-p.resumeTimer.C():
			p.timeOut(livekit.DisconnectReason_CONNECTION_TIMEOUT, livekit.LeaveRequest_DISCONNECT)
		case <-p.answerTimer.C():
			p.timeOut(livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT)
		case <-p.demandTimer.C():
			p.followAllDemand()
		case <-p.silenceTimer.C():
			p.leaveSilence()
		case <-p.missingTimer.C():
			p.followMissing()
		case <-p.overflow:
			p.end(livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT)
		}
	}
	p.finish()
}

func stoppedTimer(c clock.Clock) clock.Timer {
	t := c.NewTimer(time.Hour)
	t.Stop()
	return t
}

func (p *Participant) handle(c command) {
	switch c := c.(type) {
	case attachCommand:
		p.attach(c.peer)
	case detachCommand:
		p.detach(c.peer)
	case resumeCommand:
		p.resume(c.reason)
	case leaveCommand:
		p.end(clientReason(c.reason), livekit.LeaveRequest_DISCONNECT)
	case endCommand:
		p.end(c.reason, c.action)
	case syncStateCommand:
		p.syncState(c.state)
	case askCommand:
		c.do()
		close(c.done)
	case profileCommand:
		p.updateOwnProfile(c.request)

	case addTrackCommand:
		p.addTrack(c.request)
	case muteCommand:
		p.muteTrack(c.trackSID, c.muted)
	case audioTrackCommand:
		p.updateAudioTrack(c.request)
	case videoTrackCommand:
		p.updateVideoTrack(c.request)
	case setViewersCommand:
		p.setViewers(c.request)
	case remoteTrackCommand:
		p.remoteTrack(c)
	case layerCommand:
		p.layerKnown(c.layer)
	case viewerCommand:
		p.firstViewer(c.publication)

	case offerCommand:
		p.acceptOffer(c.sdp, c.id)
	case answerCommand:
		p.acceptAnswer(c.sdp, c.id)
	case trickleCommand:
		p.addCandidate(c.target, c.candidate)
	case gatheredCommand:
		p.gathered(c)
	case connectionCommand:
		p.connectionChanged(c.transport, c.state)
	case startCommand:
		p.startBound()

	case subscriptionCommand:
		p.updateSubscription(c.update)
	case trackSettingsCommand:
		p.updateTrackSettings(c.update)
	case changeCommand:
		p.otherChanged(c)
	case viewersCommand:
		p.subscribe.dirty = true
	case roomCommand:
		p.send(RoomUpdate{Room: c.room})
	case codecCommand:
		p.recodec(c.publication)
	case demandCommand:
		p.followDemand(c.publication)
	case streamStateCommand:
		p.tellStreamState(c.publication, c.paused)
	case qualityCommand:
		p.followQuality()
	case speakersCommand:
		p.tellSpeakers(c.speakers)
	}
}

// settle brings subscriptions and negotiation to where the commands handled so far want them.
func (p *Participant) settle() {
	if !p.started {
		return
	}
	p.reconcile()
	p.negotiate()
}

// send tells the client, or keeps the message for when it can be told.
func (p *Participant) send(m Message) {
	if p.peer != nil {
		p.peer.Send(m)
		return
	}
	if len(p.held) == heldMessages {
		p.overflowOnce.Do(func() {
			p.manager.counters.inboxOverflows.Add(1)
			close(p.overflow)
		})
		return
	}
	p.held = append(p.held, m)
}

func (p *Participant) attach(peer Peer) {
	p.resumeTimer.Stop()
	p.peer = peer
	first := !p.started
	if first {
		p.started = true
		if !p.startConnections() {
			return
		}
		p.setState(livekit.ParticipantInfo_JOINED)
	}
	held := p.held
	p.held = nil
	for _, m := range held {
		peer.Send(m)
	}
	if p.awaitingPeer {
		p.awaitingPeer = false
		p.tellResumed()
	}
}

func (p *Participant) detach(peer Peer) {
	if p.peer != peer {
		return
	}
	p.peer = nil
	if !p.connected {
		p.end(livekit.DisconnectReason_SIGNAL_CLOSE, livekit.LeaveRequest_DISCONNECT)
		return
	}
	p.log.Info("signalling lost, session kept")
	p.resumeTimer.Reset(p.manager.cfg.Room.ResumeTimeout)
}

// resume prepares for the peer of a client that came back: the old one is forgotten, what it has not been told yet is told in full.
func (p *Participant) resume(reason livekit.ReconnectReason) {
	p.log.Info("session resumed", "reason", reason)
	p.peer = nil
	p.held = nil
	p.awaitingPeer = true
	p.resumeTimer.Reset(p.manager.cfg.Room.ResumeTimeout)
}

// tellResumed follows the reconnect answer: everybody visible, those who left in between, the room, and a fresh offer.
func (p *Participant) tellResumed() {
	s := p.room.snapshot(p)
	var gone []*livekit.ParticipantInfo
	here := make(map[string]bool, len(s.others))
	for _, o := range s.others {
		here[o.Sid] = true
	}
	for sid := range p.known {
		if !here[sid] {
			gone = append(gone, &livekit.ParticipantInfo{Sid: sid, State: livekit.ParticipantInfo_DISCONNECTED})
			delete(p.known, sid)
		}
	}
	all := append(gone, p.info)
	for _, o := range s.others {
		if o.Version >= p.known[o.Sid] {
			p.known[o.Sid] = o.Version
			all = append(all, o)
		}
	}
	p.send(ParticipantUpdate{Participants: all})
	for _, o := range s.others {
		p.data.know(o.Sid)
	}
	p.send(RoomUpdate{Room: s.room})
	if p.viewer != nil && p.viewer != p.publisher {
		p.viewer.restartICE = true
		p.viewer.dirty = true
		p.viewer.awaiting = false // an offer that the old signalling lost will not be answered
		p.answerTimer.Stop()
	}
	if p.request.SinglePC {
		p.subscribe.requested = sectionCount{}
	}
	for _, pub := range p.publish.live {
		p.tellDemand(pub)
	}
}

// syncState compares what a resumed client believes with what is. A track that it publishes and we do not know needs a full reconnect.
func (p *Participant) syncState(s *livekit.SyncState) {
	for _, t := range s.GetPublishTracks() {
		if !p.publishes(t.GetTrack().GetSid()) {
			p.end(livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT)
			return
		}
	}
	for _, sid := range s.GetTrackSidsDisabled() {
		p.pauseTrack(sid, true)
	}
	if s.GetSubscription() != nil {
		p.updateSubscription(s.GetSubscription())
	}
}

// otherChanged tells the client of another participant and takes note of its tracks.
func (p *Participant) otherChanged(c changeCommand) {
	if c.info != nil {
		p.tellParticipant(c.info)
	}
	if c.gone != "" {
		delete(p.known, c.gone)
		p.data.forget(c.gone)
	}
	for _, pub := range c.removed {
		delete(p.available, pub.sid)
		p.subscribe.dirty = true
	}
	for _, pub := range c.added {
		p.available[pub.sid] = pub
		p.subscribe.dirty = true
	}
}

func (p *Participant) tellParticipant(info *livekit.ParticipantInfo) {
	version, known := p.known[info.Sid]
	if known && info.Version <= version {
		return
	}
	if info.State == livekit.ParticipantInfo_DISCONNECTED {
		if !known {
			return
		}
		p.send(ParticipantUpdate{Participants: []*livekit.ParticipantInfo{info}})
		return
	}
	p.known[info.Sid] = info.Version
	p.send(ParticipantUpdate{Participants: []*livekit.ParticipantInfo{info}})
	p.data.know(info.Sid)
}

// change replaces what others see of the participant and tells everybody, itself included.
func (p *Participant) change(edit func(*livekit.ParticipantInfo), added, removed []*Publication) {
	info := clone(p.info)
	edit(info)
	info.Version++
	p.info = info
	p.send(ParticipantUpdate{Participants: []*livekit.ParticipantInfo{info}})
	p.room.show(p, info, added, removed)
}

func (p *Participant) setState(s livekit.ParticipantInfo_State) {
	if s <= p.info.State {
		return
	}
	p.change(func(i *livekit.ParticipantInfo) { i.State = s }, nil, nil)
}

func (p *Participant) timeOut(reason livekit.DisconnectReason, action livekit.LeaveRequest_Action) {
	p.manager.counters.timeouts.Add(1)
	p.end(reason, action)
}

// end tells the client and ends the session; finish does the rest.
func (p *Participant) end(reason livekit.DisconnectReason, action livekit.LeaveRequest_Action) {
	if p.over {
		return
	}
	p.over = true
	p.leave = Leave{Reason: reason, Action: action}
	p.ended.Store(true) // after leave, which Attach reads then
	if p.peer != nil {
		p.peer.Send(p.leave)
	}
}

// finish takes the session out of the room and ends what it owned: publications, subscriptions, connections, readers.
func (p *Participant) finish() {
	p.joinTimer.Stop()
	p.resumeTimer.Stop()
	p.answerTimer.Stop()
	p.demandTimer.Stop()
	p.missingTimer.Stop()
	p.silenceTimer.Stop()
	inside := p.room.exit(p)
	p.usage.published(slices.Collect(maps.Values(p.publish.live))...)
	p.took = p.usage.report(p.publisher, p.viewer)
	tracks := p.info.Tracks
	info := clone(p.info)
	info.State = livekit.ParticipantInfo_DISCONNECTED
	info.DisconnectReason = p.leave.Reason
	info.Version++
	info.Tracks = nil
	p.info = info
	p.room.dismiss(p, info, p.takePublications(), inside)
	p.data.close()
	p.endSubscriptions()
	for _, t := range []*transport{p.publisher, p.viewer} {
		if t != nil {
			t.close()
		}
	}
	p.children.Wait()
	p.log.Info("participant left", "reason", p.leave.Reason.String(), "replaced", !inside)
	kind := EventConnectionAborted
	if p.connected {
		kind = EventParticipantLeft
		for _, t := range tracks {
			p.room.tell(EventTrackUnpublished, p, info, t)
		}
	}
	p.room.tell(kind, p, info, nil)
	p.room.depart()
	close(p.gone)
}

// waitGone waits until everything that the participant owned has ended.
func (p *Participant) waitGone(ctx context.Context) error {
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for participant to end: %w", ctx.Err())
	}
}

// ask runs do on the participant's goroutine and waits until it has.
func (p *Participant) ask(ctx context.Context, do func()) error {
	done := make(chan struct{})
	p.post(askCommand{do, done})
	select {
	case <-done:
		return nil
	case <-p.gone:
		return ErrNoParticipant
	case <-ctx.Done():
		return fmt.Errorf("wait for participant: %w", ctx.Err())
	}
}

// clientReason lets a client name only reasons that are its own.
func clientReason(r livekit.DisconnectReason) livekit.DisconnectReason {
	switch r {
	case livekit.DisconnectReason_USER_UNAVAILABLE, livekit.DisconnectReason_USER_REJECTED, livekit.DisconnectReason_AGENT_ERROR:
		return r
	default:
		return livekit.DisconnectReason_CLIENT_INITIATED
	}
}
