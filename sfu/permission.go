package sfu

import (
	"slices"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// Permission is what the participant may do now. The value is never changed: another takes its place.
func (p *Participant) Permission() *livekit.ParticipantPermission { return p.permission.Load() }

func (p *Participant) hidden() bool { return p.Permission().Hidden }

// sees tells whether the client is told of another participant. The audience of a broadcast does not see itself: a join of one more is told
// to those who publish, not to thousands.
func (p *Participant) sees(other *Participant) bool {
	return !other.hidden() && !(p.request.Audience && other.unseen.Load())
}

func (p *Participant) mayPublish(source livekit.TrackSource) bool {
	may := p.Permission()
	return may.CanPublish && (len(may.CanPublishSources) == 0 || slices.Contains(may.CanPublishSources, source))
}

// setPermission replaces all rights at once. What is not allowed any more ends now: published tracks, received tracks, data.
func (p *Participant) setPermission(may *livekit.ParticipantPermission) {
	before := p.Permission()
	if proto.Equal(before, may) {
		return
	}
	p.permission.Store(clone(may))
	unseen := p.request.Audience && !may.CanPublish
	if was := p.unseen.Swap(unseen); unseen && !was || may.Hidden && !before.Hidden {
		p.room.vanish(p, p.info)
	}
	p.retractForbidden()
	p.subscribe.dirty = true
	p.change(func(i *livekit.ParticipantInfo) { i.Permission = p.Permission() }, nil, nil)
	if before.Recorder != may.Recorder {
		p.room.changed()
	}
}

// retractForbidden takes back the tracks that the participant may not publish any more and tells its client to stop sending them.
func (p *Participant) retractForbidden() {
	var removed []*Publication
	for mid, pub := range p.publish.live {
		if !p.mayPublish(pub.source) {
			delete(p.publish.live, mid)
			removed = append(removed, pub)
			p.send(TrackUnpublished{TrackSID: pub.sid})
		}
	}
	p.publish.announced = slices.DeleteFunc(p.publish.announced, func(a *announcement) bool {
		if p.mayPublish(a.info.Source) {
			return false
		}
		p.send(TrackUnpublished{TrackSID: a.info.Sid})
		return true
	})
	p.publish.queued = slices.DeleteFunc(p.publish.queued, func(r *livekit.AddTrackRequest) bool { return !p.mayPublish(r.Source) })
	if len(removed) > 0 {
		for mid, pub := range p.publish.backups {
			if !p.owns(pub) {
				p.endBackup(mid)
			}
		}
		p.changeTracks(nil, removed)
	}
}

// viewers says who may receive a participant's tracks. A nil table: everybody. It is replaced as a whole.
type viewers struct {
	byIdentity, bySID map[string]trackSet
}

// trackSet holds the tracks that one viewer may receive; all: every one.
type trackSet struct {
	all  bool
	sids map[string]bool
}

// newViewers reads a publisher's table. Identity counts where both are given.
func newViewers(r *livekit.SubscriptionPermission) *viewers {
	if r.AllParticipants {
		return nil
	}
	v := &viewers{byIdentity: make(map[string]trackSet), bySID: make(map[string]trackSet)}
	for _, t := range r.TrackPermissions {
		set := trackSet{all: t.GetAllTracks(), sids: make(map[string]bool, len(t.GetTrackSids()))}
		for _, sid := range t.GetTrackSids() {
			set.sids[sid] = true
		}
		if t.GetParticipantIdentity() != "" {
			v.byIdentity[t.ParticipantIdentity] = set
		} else {
			v.bySID[t.GetParticipantSid()] = set
		}
	}
	return v
}

func (v *viewers) allow(p *Participant, track string) bool {
	if v == nil {
		return true
	}
	set, ok := v.byIdentity[p.identity]
	if !ok {
		set = v.bySID[p.sid]
	}
	return set.all || set.sids[track]
}

// maxTrackPermissions bounds a publisher's table.
const maxTrackPermissions = 4096

// setViewers replaces who may receive the participant's tracks.
func (p *Participant) setViewers(r *livekit.SubscriptionPermission) {
	n := 0
	for _, t := range r.TrackPermissions {
		n += 1 + len(t.GetTrackSids())
	}
	if n > maxTrackPermissions {
		p.send(RequestAnswered{&livekit.RequestResponse{
			Reason: livekit.RequestResponse_LIMIT_EXCEEDED, Message: "too many track permissions",
		}})
		return
	}
	v := newViewers(r)
	if old := p.viewers.Swap(v); old == nil && v == nil {
		return
	}
	for _, other := range p.room.others(p) {
		other.post(viewersCommand{})
	}
}

// mayReceive tells whether publisher and server let the participant have a track. A recorder is exempt from the publisher's table.
func (p *Participant) mayReceive(pub *Publication) bool {
	may := p.Permission()
	return may.CanSubscribe && (may.Recorder || p.kind == livekit.ParticipantInfo_EGRESS || pub.publisher.viewers.Load().allow(p, pub.sid))
}
