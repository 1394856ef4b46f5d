package sfu

import (
	"fmt"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// startConnections makes what can be made before the client's first word: its subscriber connection, or the answer to the offer that came
// with the join. It reports whether the session goes on.
func (p *Participant) startConnections() bool {
	for _, r := range p.request.AddTracks {
		p.addTrack(r)
	}
	p.request.AddTracks = nil
	if p.request.Offer != "" {
		offer := p.request.Offer
		p.request.Offer = ""
		p.acceptOffer(offer, p.request.OfferID)
		return !p.over
	}
	if p.subscriberPrimary {
		return p.openViewer() == nil
	}
	return true
}

// openViewer makes the subscriber connection of a dual client.
func (p *Participant) openViewer() error {
	t, err := p.newTransport(transportOptions{target: livekit.SignalTarget_SUBSCRIBER})
	if err == nil && p.subscriberPrimary {
		if err = p.data.open(t.pc); err != nil {
			t.close()
		}
	}
	if err != nil {
		p.fail("open subscriber connection", err)
		return err
	}
	p.viewer = t
	t.dirty = true
	return nil
}

// fail ends a session whose state the client and we no longer share; the client starts over.
func (p *Participant) fail(doing string, err error) {
	p.log.Warn("negotiation failed", "doing", doing, "error", err)
	p.end(livekit.DisconnectReason_STATE_MISMATCH, livekit.LeaveRequest_RECONNECT)
}

// acceptOffer answers the client: publisher connection of a dual client, or the only one.
func (p *Participant) acceptOffer(text string, id uint32) {
	offer, err := parseOffer(text, p.manager.cfg.Limits.SectionsPerOffer)
	if err != nil {
		p.fail("read offer", err)
		return
	}
	text, dropped := p.manager.withoutForeignCandidates(text)
	p.manager.counters.candidatesRefused.Add(uint64(dropped))
	if p.publisher == nil {
		t, err := p.newTransport(transportOptions{target: livekit.SignalTarget_PUBLISHER, receives: true, clientRole: offer.role})
		if err != nil {
			p.fail("open publisher connection", err)
			return
		}
		p.publisher = t
		for _, c := range p.publish.early {
			_ = t.addRemoteCandidate(c)
		}
		p.publish.early = nil
		if p.request.SinglePC {
			p.viewer = t
		}
	}
	t := p.publisher
	if t.closed {
		return
	}
	t.awaitICE()
	text = idleSections(text, t.withoutSender)
	if err := t.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}); err != nil {
		p.fail("apply offer", err)
		return
	}
	t.remoteDescriptionSet()
	p.publish.sections = offer.sections
	p.countSections()
	for _, s := range offer.sections {
		if tr := t.transceiver(s.mid); tr != nil && s.sends() {
			p.preferCodecs(tr, s)
		}
	}
	if p.request.SinglePC {
		p.offerSections(offer.sections)
		p.reconcile()
	}
	answer, err := p.answer(t)
	if err != nil {
		p.fail("answer", err)
		return
	}
	if p.request.SinglePC {
		p.sectionsAnswered()
	}
	p.matchSections()
	answer = withStrange(shapeAnswer(answer, p.opusWishes()), offer.strange)
	p.send(Answer{SDP: answer, ID: id, MidToTrackID: p.midToTrackID()})
	if p.request.SinglePC {
		time.AfterFunc(answerGrace, func() { p.post(startCommand{}) })
		return
	}
	p.startBound()
}

func (p *Participant) answer(t *transport) (string, error) {
	d, err := t.pc.CreateAnswer(nil)
	if err != nil {
		return "", fmt.Errorf("create answer: %w", err)
	}
	if err := t.pc.SetLocalDescription(d); err != nil {
		return "", fmt.Errorf("set local answer: %w", err)
	}
	return d.SDP, nil
}

// answerGrace is what a connected client gets to apply an answer before media comes that the answer announces: browsers drop what they do
// not know, the first keyframe with it, and pion guesses.
const answerGrace = 100 * time.Millisecond

// negotiate opens a negotiation of the subscriber connection when one is due: an offer to a dual client, a hint to a single-connection one.
func (p *Participant) negotiate() {
	if p.over {
		return
	}
	if p.request.SinglePC {
		p.askForSections()
		return
	}
	t := p.viewer
	if t == nil || !t.dirty || t.awaiting || t.closed {
		return
	}
	text, err := t.offer()
	if err != nil {
		p.fail("offer", err)
		return
	}
	t.offerID++
	p.countSections()
	p.sectionsOffered()
	t.dirty, t.restartICE, t.awaiting = false, false, true
	if t.connected { // before that, the join time-out counts
		p.answerTimer.Reset(answerTimeout)
	}
	p.send(Offer{SDP: text, ID: t.offerID, MidToTrackID: p.midToTrackID()})
}

// acceptAnswer ends the negotiation that we opened. An answer to an older offer is ignored.
func (p *Participant) acceptAnswer(text string, id uint32) {
	t := p.viewer
	if t == nil || t == p.publisher || !t.awaiting || t.closed || (id != 0 && id != t.offerID) {
		p.log.Debug("answer to no open offer ignored", "id", id)
		return
	}
	text, dropped := p.manager.withoutForeignCandidates(text)
	p.manager.counters.candidatesRefused.Add(uint64(dropped))
	if err := t.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: text}); err != nil {
		p.fail("apply answer", err)
		return
	}
	p.answerTimer.Stop()
	t.awaiting = false
	t.remoteDescriptionSet()
	p.freeAnswered()
	p.startBound()
}

// addCandidate gives one of the client's ICE candidates to its connection.
func (p *Participant) addCandidate(target livekit.SignalTarget, c webrtc.ICECandidateInit) {
	p.candidates++
	if c.Candidate == "" {
		return // end of candidates
	}
	if p.candidates > p.manager.cfg.Limits.CandidatesPerSession || !p.manager.acceptable(c.Candidate) {
		p.manager.counters.candidatesRefused.Add(1)
		return
	}
	t := p.publisher
	if target == livekit.SignalTarget_SUBSCRIBER && !p.request.SinglePC {
		t = p.viewer
	}
	if t == nil {
		p.publish.early = append(p.publish.early, c)
		return
	}
	if err := t.addRemoteCandidate(c); err != nil {
		p.log.Debug("remote candidate refused", "error", err)
	}
}

// gathered passes our candidates on, each when the next one or the end is known: the last one says that it is the last. A message of its
// own without a candidate would say it too, but LiveKit's Rust SDK, which those for Python, Node, Unity and C++ are made of, dies of it.
func (p *Participant) gathered(c gatheredCommand) {
	t := c.transport
	if t.held != nil {
		p.send(Candidate{Target: t.target, Init: t.held.ToJSON(), Final: c.candidate == nil})
	}
	t.held = c.candidate
}

// connectionChanged follows a connection's life: first media makes the participant active, a lost one makes the client resume.
func (p *Participant) connectionChanged(t *transport, s webrtc.PeerConnectionState) {
	if t.closed {
		return
	}
	p.log.Debug("connection state", "target", t.target.String(), "state", s.String())
	t.silent = s == webrtc.PeerConnectionStateDisconnected || s == webrtc.PeerConnectionStateFailed
	switch s {
	case webrtc.PeerConnectionStateConnected:
		t.connected = true
		t.notePath()
		if p.isPrimary(t) && !p.connected {
			p.connected = true
			p.active.Store(true)
			p.joinTimer.Stop()
			p.setState(livekit.ParticipantInfo_ACTIVE)
			p.tellJoined()
			p.log.Info("participant connected", "sdk", p.request.Client.Sdk.String(), "single", p.request.SinglePC)
		}
		p.startBound()
	case webrtc.PeerConnectionStateClosed:
		// The client closed it: it is leaving and will say so in a moment, or starts over.
		t.closed = true
		p.answerTimer.Reset(closedGrace)
	case webrtc.PeerConnectionStateDisconnected:
		p.silenceTimer.Reset(silencePatience)
	case webrtc.PeerConnectionStateFailed:
		if p.peer != nil { // otherwise it knows
			p.tellToResume(t)
		}
	}
}

// silencePatience is how long after iceDisconnected a connection may stay silent until its client is told. A client whose signalling still
// reaches us has lost its way for media only, to a firewall for example, and finds another one by restarting ICE; one that has lost both
// is told when its network is back, which then costs it a short restart.
const silencePatience = 2 * time.Second

// leaveSilence tells the client of a connection that is still silent to find another way.
func (p *Participant) leaveSilence() {
	for _, t := range []*transport{p.publisher, p.viewer} {
		if t != nil && t.silent && !t.closed && p.peer != nil {
			p.tellToResume(t)
			// Its network may be gone altogether: it has as long as if we had waited for ICE to give up.
			p.resumeTimer.Reset(p.manager.cfg.Room.ResumeTimeout + iceFailed)
			return
		}
	}
}

func (p *Participant) tellToResume(t *transport) {
	p.log.Info("connection failed, client told to resume", "target", t.target.String())
	p.send(Leave{Reason: livekit.DisconnectReason_CONNECTION_TIMEOUT, Action: livekit.LeaveRequest_RESUME})
	p.peer = nil
	p.resumeTimer.Reset(p.manager.cfg.Room.ResumeTimeout)
}

// countSections notes how much the client may have to say about its connections.
func (p *Participant) countSections() {
	n := len(p.publish.sections)
	if t := p.viewer; t != nil && t != p.publisher {
		n += len(t.pc.GetTransceivers())
	}
	p.sections.Store(int32(n))
}

// isPrimary tells whether a connection decides that the client is in: its subscriber connection where it has one from the start.
func (p *Participant) isPrimary(t *transport) bool {
	if p.subscriberPrimary {
		return t == p.viewer
	}
	return t == p.publisher
}

// midToTrackID tells a client which section carries which track: browsers invent track ids of their own.
func (p *Participant) midToTrackID() map[string]string {
	m := make(map[string]string)
	for sid, s := range p.subscribe.active {
		if s.transceiver != nil && s.transceiver.Mid() != "" {
			m[s.transceiver.Mid()] = sid
		}
	}
	return m
}

// withoutSender tells whether a section carries nothing of ours.
func (t *transport) withoutSender(mid string) bool {
	tr := t.transceiver(mid)
	return tr != nil && tr.Sender() == nil
}

func (t *transport) transceiver(mid string) *webrtc.RTPTransceiver {
	for _, tr := range t.pc.GetTransceivers() {
		if tr.Mid() == mid {
			return tr
		}
	}
	return nil
}
