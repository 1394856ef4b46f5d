package sfu

import (
	"fmt"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

// subscribeState is what a participant wants to receive and does. Owned by its goroutine.
type subscribeState struct {
	auto      bool
	refused   map[string]bool          // track sid -> the client was told that its publisher does not let it have the track
	missing   map[string]time.Time     // track sid wished for that does not exist -> when the client is told so
	wishes    map[string]bool          // track sid -> wanted; absent: auto
	settings  map[string]trackSettings // track sid -> what is wanted of it; absent: everything
	active    map[string]*subscription // track sid -> has a section, or gets one
	slots     []*slot                  // our table of receive sections
	requested sectionCount             // of a single-connection client, until its next offer
	asked     bool                     // a new offer was asked for, until it comes
	dirty     bool                     // wishes, rights or publications changed
}

type sectionCount struct{ audio, video uint32 }

// slot is a media section that carries, or may carry, a subscription.
type slot struct {
	transceiver *webrtc.RTPTransceiver
	kind        media.Kind
	user        *subscription // nil: free, or about to be
	ending      bool          // emptied: the client has to see it inactive before it is used again
	offered     bool          // it was inactive in the offer that is under way
}

func newSubscribeState(auto bool) subscribeState {
	return subscribeState{
		auto:     auto,
		refused:  make(map[string]bool),
		missing:  make(map[string]time.Time),
		wishes:   make(map[string]bool),
		settings: make(map[string]trackSettings),
		active:   make(map[string]*subscription),
		dirty:    true,
	}
}

// updateSubscription changes wishes. Both lists of the request count, the same track may be in both.
func (p *Participant) updateSubscription(u *livekit.UpdateSubscription) {
	wish := func(sid string) {
		if len(p.subscribe.wishes) < maxWishes || p.available[sid] != nil {
			p.subscribe.wishes[sid] = u.Subscribe
		}
	}
	for _, sid := range u.TrackSids {
		wish(sid)
	}
	for _, t := range u.ParticipantTracks {
		for _, sid := range t.GetTrackSids() {
			wish(sid)
		}
	}
	p.subscribe.dirty = true
}

// maxWishes bounds what a client can make us remember of tracks that do not exist.
const maxWishes = 1024

// wants tells whether the participant is to receive a publication now.
func (p *Participant) wants(pub *Publication) bool {
	return p.wishes(pub) && p.mayReceive(pub)
}

// wishes tells whether the participant would receive a publication if it were let.
func (p *Participant) wishes(pub *Publication) bool {
	if wanted, said := p.subscribe.wishes[pub.sid]; said {
		return wanted
	}
	return p.subscribe.auto
}

// tellRefused lets the client know which of the tracks that it wishes for their publishers withhold. What is allowed again is told when it
// is attached.
func (p *Participant) tellRefused() {
	for sid, pub := range p.available {
		switch refused := p.wishes(pub) && p.Permission().CanSubscribe && !p.mayReceive(pub); {
		case refused && !p.subscribe.refused[sid]:
			p.subscribe.refused[sid] = true
			p.send(SubscriptionPermission{PublisherSID: pub.publisher.sid, TrackSID: sid})
		case !refused:
			delete(p.subscribe.refused, sid)
		}
	}
	for sid := range p.subscribe.refused {
		if p.available[sid] == nil {
			delete(p.subscribe.refused, sid)
		}
	}
}

// missingAfter is how long a wish for a track that does not exist is kept before the client is told so.
const missingAfter = time.Minute

// followMissing notes wishes for tracks that do not exist, and gives up those whose time is over.
func (p *Participant) followMissing() {
	now := p.manager.clock.Now()
	var next time.Time
	for sid, wanted := range p.subscribe.wishes {
		due, noted := p.subscribe.missing[sid]
		switch {
		case !wanted || p.available[sid] != nil:
			delete(p.subscribe.missing, sid)
			continue
		case !noted:
			due = now.Add(missingAfter)
			p.subscribe.missing[sid] = due
		case !now.Before(due):
			delete(p.subscribe.missing, sid)
			delete(p.subscribe.wishes, sid)
			p.send(SubscriptionFailed{TrackSID: sid, Err: livekit.SubscriptionError_SE_TRACK_NOTFOUND})
			continue
		}
		if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	for sid := range p.subscribe.missing {
		if !p.subscribe.wishes[sid] {
			delete(p.subscribe.missing, sid)
		}
	}
	p.missingTimer.Stop()
	if !next.IsZero() {
		p.missingTimer.Reset(max(next.Sub(now), 0))
	}
}

// hears tells whether the participant receives audio of another.
func (p *Participant) hears(sid string) bool {
	for _, s := range p.subscribe.active {
		if s.publication.publisher.sid == sid && s.publication.isAudio() {
			return true
		}
	}
	return false
}

// reconcile brings the subscriptions to what is wanted and there. What it attaches and removes takes effect with the next negotiation.
func (p *Participant) reconcile() {
	if !p.subscribe.dirty || p.over || p.viewer != nil && p.viewer.closed {
		return
	}
	p.subscribe.dirty = false
	p.followMissing()
	p.tellRefused()
	for sid, s := range p.subscribe.active {
		pub := p.available[sid]
		rebind := s.bound && !s.failed && !s.publication.isAudio() && s.codec != s.publication.codecFor(s.accepts)
		if pub != s.publication || !p.wants(pub) || rebind {
			p.unsubscribe(s)
		}
	}
	for sid := range p.subscribe.wishes {
		if p.available[sid] == nil && len(p.subscribe.wishes) > maxWishes/2 {
			delete(p.subscribe.wishes, sid)
		}
	}
	var wanted []*Publication
	for sid, pub := range p.available {
		if p.subscribe.active[sid] == nil && p.wants(pub) && pub.subscribable() {
			wanted = append(wanted, pub)
		}
	}
	slices.SortFunc(wanted, compareTracks)
	ending := make(map[media.Kind]int)
	for _, f := range p.subscribe.slots {
		if f.ending {
			ending[f.kind]++
		}
	}
	for _, pub := range wanted {
		if p.freeSlot(pub.kind) < 0 && ending[pub.kind] > 0 {
			ending[pub.kind]-- // its turn comes when the client has seen that section inactive
			continue
		}
		if err := p.attachTrack(pub); err != nil {
			p.fail("subscribe", err)
			return
		}
	}
}

// compareTracks puts audio first, because it matters first, and keeps the order stable.
func compareTracks(a, b *Publication) int {
	if a.isAudio() != b.isAudio() {
		if a.isAudio() {
			return -1
		}
		return 1
	}
	if a.sid < b.sid {
		return -1
	}
	return 1
}

// freeSlot is the index of a section that can carry a new subscription, -1 without one.
func (p *Participant) freeSlot(kind media.Kind) int {
	return slices.IndexFunc(p.subscribe.slots, func(f *slot) bool { return f.user == nil && !f.ending && f.kind == kind })
}

// attachTrack gives a publication a section. A single-connection client may have to offer more first: the publication then waits.
func (p *Participant) attachTrack(pub *Publication) error {
	if p.viewer == nil {
		if p.request.SinglePC {
			return nil // its first offer is still to come
		}
		if err := p.openViewer(); err != nil {
			return nil // the session is over
		}
	}
	s := newSubscription(pub, p, p.viewer)
	track := &egressTrack{s}
	free := p.freeSlot(pub.kind)
	switch {
	case free >= 0:
		f := p.subscribe.slots[free]
		sender, err := p.viewer.api.NewRTPSender(track, p.viewer.pc.SCTP().Transport())
		if err != nil {
			return fmt.Errorf("make sender: %w", err)
		}
		if err := f.transceiver.SetSender(sender, track); err != nil {
			return fmt.Errorf("set sender: %w", err)
		}
		s.sender, s.transceiver, f.user = sender, f.transceiver, s
	case p.request.SinglePC:
		return nil
	default:
		t, err := p.viewer.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			return fmt.Errorf("add section: %w", err)
		}
		s.sender, s.transceiver = t.Sender(), t
		p.subscribe.slots = append(p.subscribe.slots, &slot{transceiver: t, kind: pub.kind, user: s})
	}
	p.subscribe.active[pub.sid] = s
	p.applyWish(s)
	p.viewer.dirty = true
	p.children.Go(s.readFeedback)
	p.send(SubscriptionPermission{PublisherSID: pub.publisher.sid, TrackSID: pub.sid, Allowed: true})
	if pub.isAudio() {
		p.introduceSpeaker(pub.publisher.sid)
	}
	if !pub.hasViews.Swap(true) {
		pub.publisher.post(viewerCommand{pub})
	}
	now := monotonic()
	if l := pub.bestLayer(s.wish, now); l != nil && !pub.isAudio() {
		l.requestKeyframe(now) // it is there by the time that the viewer is ready
	}
	return nil
}

// unsubscribe takes a subscription back from the worker, stops its sender and frees its section.
func (p *Participant) unsubscribe(s *subscription) {
	delete(p.subscribe.active, s.publication.sid)
	p.stopSubscription(s)
	if err := p.viewer.pc.RemoveTrack(s.sender); err != nil {
		p.log.Debug("remove track", "error", err)
	}
	for _, f := range p.subscribe.slots {
		if f.user == s {
			f.user, f.ending = nil, true
		}
	}
	p.viewer.dirty = true
	p.subscribe.asked = false
}

func (p *Participant) stopSubscription(s *subscription) {
	s.replaceShare(noShare)
	if !s.added {
		return
	}
	s.added = false
	done := make(chan struct{})
	s.worker.post(removeCommand{s, done})
	<-done
}

// endSubscriptions gives everything back at the end of the session; the connections are closed next.
func (p *Participant) endSubscriptions() {
	for _, s := range p.subscribe.active {
		p.stopSubscription(s)
		if err := s.sender.Stop(); err != nil {
			p.log.Debug("stop sender", "error", err)
		}
	}
	clear(p.subscribe.active)
}

// startBound hands to the worker what is negotiated on a connection that carries media. Earlier packets would be lost in pion.
func (p *Participant) startBound() {
	if p.viewer == nil || !p.viewer.connected || p.over {
		return
	}
	for sid, s := range p.subscribe.active {
		switch {
		case s.added || !s.bound:
		case s.failed:
			p.subscribe.wishes[sid] = false
			p.subscribe.dirty = true
			p.send(SubscriptionFailed{TrackSID: sid, Err: livekit.SubscriptionError_SE_CODEC_UNSUPPORTED})
		default:
			p.applyWish(s) // which codec it is, is known since its binding
			s.added = true
			p.usage.viewed(s)
			s.worker.post(addCommand{s, s.wish})
		}
	}
}

// sectionsOffered and freeAnswered make the sections usable again that a dual client saw inactive.
func (p *Participant) sectionsOffered() {
	for _, f := range p.subscribe.slots {
		f.offered = f.ending
	}
}

func (p *Participant) freeAnswered() {
	for _, f := range p.subscribe.slots {
		if f.ending && f.offered {
			f.ending = false
			p.subscribe.dirty = true // somebody may wait for one
		}
	}
}

// offerSections takes note of the receive sections of a single-connection client's offer.
func (p *Participant) offerSections(sections []section) {
	p.subscribe.requested, p.subscribe.asked = sectionCount{}, false
	for _, s := range sections {
		if s.direction != webrtc.RTPTransceiverDirectionRecvonly {
			continue
		}
		t := p.viewer.transceiver(s.mid)
		known := slices.ContainsFunc(p.subscribe.slots, func(f *slot) bool { return f.transceiver == t })
		if t != nil && !known {
			p.subscribe.slots = append(p.subscribe.slots, &slot{transceiver: t, kind: s.kind})
		}
	}
	p.subscribe.dirty = true
}

// sectionsAnswered says that the client is about to see the emptied sections inactive.
func (p *Participant) sectionsAnswered() {
	p.viewer.dirty = false
	for _, f := range p.subscribe.slots {
		if f.ending {
			f.ending = false
			p.subscribe.dirty = true
		}
	}
}

// askForSections makes a single-connection client offer: with more sections when they are short, as it is when an answer is due.
func (p *Participant) askForSections() {
	if p.viewer == nil || p.viewer.closed {
		return
	}
	var missing sectionCount
	for sid, pub := range p.available {
		if p.subscribe.active[sid] == nil && p.wants(pub) && pub.subscribable() {
			if pub.isAudio() {
				missing.audio++
			} else {
				missing.video++
			}
		}
	}
	for _, f := range p.subscribe.slots {
		if f.ending { // free after the next answer
			if f.kind == media.KindAudio && missing.audio > 0 {
				missing.audio--
			} else if f.kind == media.KindVideo && missing.video > 0 {
				missing.video--
			}
		}
	}
	more := sectionCount{
		audio: missing.audio - min(missing.audio, p.subscribe.requested.audio),
		video: missing.video - min(missing.video, p.subscribe.requested.video),
	}
	switch {
	case more.audio+more.video > 0:
		p.subscribe.requested.audio += more.audio
		p.subscribe.requested.video += more.video
		p.subscribe.asked = true
		p.send(SectionsRequired{Audio: more.audio, Video: more.video})
	case p.viewer.dirty && !p.subscribe.asked:
		p.subscribe.asked = true
		p.send(SectionsRequired{})
	}
}
