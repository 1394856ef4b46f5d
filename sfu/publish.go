package sfu

import (
	"slices"
	"strings"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

// publishState is what a participant announced and publishes. Owned by its goroutine.
type publishState struct {
	announced []*announcement
	queued    []*livekit.AddTrackRequest // same cid as one that still lives
	live      map[string]*Publication    // by mid
	backups   map[string]*Publication    // by the mid of a further codec
	sections  []section                  // of the newest offer
	orphans   []remoteTrackCommand       // tracks whose announcement has not come yet
	early     []webrtc.ICECandidateInit  // candidates that came before any offer
	nextLayer uint8
}

// announcement is an AddTrackRequest that was answered and waits for its media section.
type announcement struct {
	cid      string
	request  *livekit.AddTrackRequest
	info     *livekit.TrackInfo
	backupOf *Publication // announces a further codec of it, nil: a track of its own
}

// addTrack answers at once: the media follows by an offer, before or after.
func (p *Participant) addTrack(r *livekit.AddTrackRequest) {
	refuse := func(reason livekit.RequestResponse_Reason, text string) {
		p.send(RequestAnswered{&livekit.RequestResponse{
			Reason: reason, Message: text, Request: &livekit.RequestResponse_AddTrack{AddTrack: r},
		}})
	}
	switch {
	case r.Type != livekit.TrackType_AUDIO && r.Type != livekit.TrackType_VIDEO:
		refuse(livekit.RequestResponse_UNSUPPORTED_TYPE, "track is neither audio nor video")
	case !p.mayPublish(r.Source):
		refuse(livekit.RequestResponse_NOT_ALLOWED, "does not have permission to publish this source")
	case !withinBounds(r):
		refuse(livekit.RequestResponse_LIMIT_EXCEEDED, "the track declares too much")
	case p.trackCount() >= p.manager.cfg.Limits.TracksPerParticipant:
		refuse(livekit.RequestResponse_LIMIT_EXCEEDED, "too many tracks")
	case p.usesCID(r.Cid):
		p.publish.queued = append(p.publish.queued, r)
		refuse(livekit.RequestResponse_QUEUED, "a track with this cid is still published")
	case r.Sid != "":
		p.addCodec(r, refuse)
	default:
		p.announce(r)
	}
}

func (p *Participant) announce(r *livekit.AddTrackRequest) {
	info := newTrackInfo(r)
	p.publish.announced = append(p.publish.announced, &announcement{cid: r.Cid, request: r, info: info})
	p.send(TrackPublished{CID: r.Cid, Track: clone(info)})
	p.matchSections()
}

func (p *Participant) trackCount() int {
	return len(p.publish.announced) + len(p.publish.queued) + len(p.publish.live)
}

func (p *Participant) usesCID(cid string) bool {
	for _, a := range p.publish.announced {
		if a.cid == cid {
			return true
		}
	}
	for _, pub := range p.publish.live {
		if pub.cid == cid {
			return true
		}
	}
	return false
}

func newTrackInfo(r *livekit.AddTrackRequest) *livekit.TrackInfo {
	kind := media.KindAudio
	if r.Type == livekit.TrackType_VIDEO {
		kind = media.KindVideo
	}
	info := &livekit.TrackInfo{
		Sid:                   newTrackSID(kind, r.Source),
		Type:                  r.Type,
		Name:                  r.Name,
		Muted:                 r.Muted,
		Width:                 r.Width,
		Height:                r.Height,
		Source:                r.Source,
		Layers:                sortedLayers(r.Layers),
		Encryption:            r.Encryption,
		Stream:                r.Stream,
		BackupCodecPolicy:     r.BackupCodecPolicy,
		AudioFeatures:         slices.Clone(r.AudioFeatures),
		DisableRed:            r.DisableRed,
		PacketTrailerFeatures: r.PacketTrailerFeatures,
	}
	addFeature := func(f livekit.AudioTrackFeature, wanted bool) {
		if wanted && !slices.Contains(info.AudioFeatures, f) {
			info.AudioFeatures = append(info.AudioFeatures, f)
		}
	}
	// Clients older than audio_features still send the two flags.
	addFeature(livekit.AudioTrackFeature_TF_STEREO, r.Stereo)
	addFeature(livekit.AudioTrackFeature_TF_NO_DTX, r.DisableDtx)
	info.Stereo = slices.Contains(info.AudioFeatures, livekit.AudioTrackFeature_TF_STEREO)
	info.DisableDtx = slices.Contains(info.AudioFeatures, livekit.AudioTrackFeature_TF_NO_DTX)
	if info.Stream == "" {
		info.Stream = streamOf(r.Source)
	}
	for _, c := range r.SimulcastCodecs {
		codec := &livekit.SimulcastCodecInfo{Cid: c.Cid, Layers: sortedLayers(c.Layers), VideoLayerMode: c.VideoLayerMode}
		if len(codec.Layers) == 0 {
			codec.Layers = sortedLayers(r.Layers)
		}
		if known := media.ParseCodec(c.Codec); known != media.CodecUnknown {
			codec.MimeType = known.MimeType()
		}
		if codec.VideoLayerMode == livekit.VideoLayer_MODE_UNUSED && kind == media.KindVideo {
			codec.VideoLayerMode = layerMode(codec.MimeType)
		}
		info.Codecs = append(info.Codecs, codec)
	}
	if len(info.Codecs) == 0 {
		info.Codecs = []*livekit.SimulcastCodecInfo{{Cid: r.Cid, Layers: sortedLayers(r.Layers)}}
	}
	info.MimeType = info.Codecs[0].MimeType
	info.Simulcast = kind == media.KindVideo && len(info.Layers) > 1 &&
		info.Codecs[0].VideoLayerMode != livekit.VideoLayer_MULTIPLE_SPATIAL_LAYERS_PER_STREAM
	return info
}

func layerMode(mime string) livekit.VideoLayer_Mode {
	switch media.ParseCodec(mime) {
	case media.CodecVP9, media.CodecAV1:
		return livekit.VideoLayer_MULTIPLE_SPATIAL_LAYERS_PER_STREAM
	}
	return livekit.VideoLayer_ONE_SPATIAL_LAYER_PER_STREAM
}

func streamOf(source livekit.TrackSource) string {
	switch source {
	case livekit.TrackSource_CAMERA, livekit.TrackSource_MICROPHONE:
		return "camera"
	case livekit.TrackSource_SCREEN_SHARE, livekit.TrackSource_SCREEN_SHARE_AUDIO:
		return "screen"
	}
	return "unknown"
}

func sortedLayers(layers []*livekit.VideoLayer) []*livekit.VideoLayer {
	sorted := make([]*livekit.VideoLayer, 0, len(layers))
	for _, l := range layers {
		if l != nil {
			sorted = append(sorted, clone(l))
		}
	}
	slices.SortStableFunc(sorted, func(a, b *livekit.VideoLayer) int { return int(a.Quality) - int(b.Quality) })
	return sorted
}

// matchSections brings together what the newest offer sends and what was announced, whichever came first, and takes back what is gone.
func (p *Participant) matchSections() {
	var added, removed []*Publication
	sending := make(map[string]section)
	for _, s := range p.publish.sections {
		if s.sends() {
			sending[s.mid] = s
		}
	}
	for mid, pub := range p.publish.live {
		if s, still := sending[mid]; !still || !pub.belongsTo(s) {
			delete(p.publish.live, mid)
			removed = append(removed, pub)
		}
	}
	changed := false
	for mid, pub := range p.publish.backups {
		if _, still := sending[mid]; !still || !p.owns(pub) {
			p.endBackup(mid)
			changed = true
		}
	}
	for _, byName := range []bool{true, false} {
		for _, s := range p.publish.sections {
			if !s.sends() || p.carries(s.mid) != nil {
				continue
			}
			if i := p.announcementOf(s, byName); i >= 0 {
				a := p.publish.announced[i]
				p.publish.announced = slices.Delete(p.publish.announced, i, i+1)
				if a.backupOf != nil {
					p.newBackup(a, s)
					changed = true
				} else {
					added = append(added, p.newLive(a, s))
				}
			}
		}
	}
	if changed || len(added)+len(removed) > 0 {
		p.changeTracks(added, removed)
	}
	for _, pub := range added {
		p.demandCodecs(pub)
	}
	orphans := p.publish.orphans
	p.publish.orphans = nil
	for _, o := range orphans {
		p.remoteTrack(o)
	}
	p.takeQueued()
}

// belongsTo tells whether a section still carries this publication: clients use sections again for other tracks.
func (pub *Publication) belongsTo(s section) bool {
	return s.track == "" || pub.info.GetCodecs()[0].SdpCid == s.track
}

// announcementOf finds what a sending section was announced as: by track id or codec id, or else the first of its kind, because some
// clients name the track differently in their descriptions. It returns -1 when there is none.
func (p *Participant) announcementOf(s section, byName bool) int {
	return slices.IndexFunc(p.publish.announced, func(a *announcement) bool {
		if (a.info.Type == livekit.TrackType_VIDEO) != (s.kind == media.KindVideo) {
			return false
		}
		return !byName || a.cid == s.track ||
			slices.ContainsFunc(a.request.SimulcastCodecs, func(c *livekit.SimulcastCodec) bool { return c.Cid != "" && c.Cid == s.track })
	})
}

func (p *Participant) newLive(a *announcement, s section) *Publication {
	info := a.info
	info.Mid = s.mid
	info.Codecs[0].Mid = s.mid
	info.Codecs[0].SdpCid = s.track
	if s.kind == media.KindAudio && info.MimeType == "" {
		info.MimeType = p.audioMime(a, s)
		info.Codecs[0].MimeType = info.MimeType
	}
	nameLayers(s.rids, info.Layers, info.Codecs[0].Layers)
	pub := newPublication(p, p.publisher, s.mid, a.cid, info)
	pub.muted.Store(info.Muted)
	if codec := media.ParseCodec(info.MimeType); codec != media.CodecUnknown && codec.Kind() == pub.kind {
		pub.codec.Store(uint32(codec))
	}
	pub.declareBackup()
	if p.publish.live == nil {
		p.publish.live = make(map[string]*Publication)
	}
	p.publish.live[s.mid] = pub
	p.log.Info("track published", "track", pub.sid, "source", info.Source.String(), "mime", info.MimeType)
	return pub
}

// audioMime tells RED apart from Opus by what was answered: RED goes first in our answers unless the client does not want it.
func (p *Participant) audioMime(a *announcement, s section) string {
	if p.answeredRED(s.mid) && !a.request.DisableRed {
		return media.CodecRED.MimeType()
	}
	return media.CodecOpus.MimeType()
}

// nameLayers writes the stream ids of a simulcast into the layers, lowest first; "q", "h", "f" as offered, or "2", "1", "0" of older clients.
func nameLayers(rids []string, lists ...[]*livekit.VideoLayer) {
	if len(rids) == 0 {
		return
	}
	ordered := orderedRIDs(rids)
	for _, layers := range lists {
		for i, l := range layers {
			l.SpatialLayer = int32(i)
			if i < len(ordered) {
				l.Rid = ordered[i]
			}
		}
	}
}

// orderedRIDs sorts the names of simulcast streams, lowest quality first.
func orderedRIDs(rids []string) []string {
	ordered := slices.Clone(rids)
	slices.SortStableFunc(ordered, func(a, b string) int { return ridRank(a) - ridRank(b) })
	return ordered
}

// ridRank orders simulcast streams by quality; unknown names keep the order in which they were offered.
func ridRank(rid string) int {
	switch strings.ToLower(rid) {
	case "q", "2", "":
		return 0
	case "h", "1":
		return 1
	case "f", "0":
		return 2
	}
	return 3
}

// changeTracks shows publications that came and went, to the others and to the publisher itself.
func (p *Participant) changeTracks(added, removed []*Publication) {
	for _, pub := range p.publish.live {
		pub.shape.Store(newShape(pub.info))
	}
	p.change(func(i *livekit.ParticipantInfo) {
		i.Tracks = p.trackInfos()
		i.IsPublisher = len(p.publish.live) > 0
	}, added, removed)
	p.usage.published(removed...)
	for _, pub := range removed {
		p.log.Info("track unpublished", "track", pub.sid)
	}
	if !p.connected {
		return // observers hear of tracks after they hear that the participant joined
	}
	for _, pub := range removed {
		p.room.tell(EventTrackUnpublished, p, p.info, clone(pub.info))
	}
	for _, pub := range added {
		p.room.tell(EventTrackPublished, p, p.info, clone(pub.info))
	}
}

// tellJoined reports the participant to the observers, and the tracks that it published while its media connected.
func (p *Participant) tellJoined() {
	p.room.tell(EventParticipantJoined, p, p.info, nil)
	for _, t := range p.trackInfos() {
		p.room.tell(EventTrackPublished, p, p.info, t)
	}
}

func (p *Participant) trackInfos() []*livekit.TrackInfo {
	infos := make([]*livekit.TrackInfo, 0, len(p.publish.live))
	for _, pub := range p.publish.live {
		infos = append(infos, clone(pub.info))
	}
	slices.SortFunc(infos, func(a, b *livekit.TrackInfo) int { return strings.Compare(a.Sid, b.Sid) })
	return infos
}

// takeQueued announces what waited for its cid to be free.
func (p *Participant) takeQueued() {
	queued := p.publish.queued
	p.publish.queued = nil
	for _, r := range queued {
		if p.usesCID(r.Cid) {
			p.publish.queued = append(p.publish.queued, r)
		} else {
			p.announce(r)
		}
	}
}

// takePublications empties the table at the end of the session.
func (p *Participant) takePublications() []*Publication {
	pubs := make([]*Publication, 0, len(p.publish.live))
	for _, pub := range p.publish.live {
		pubs = append(pubs, pub)
	}
	p.publish.live = nil
	return pubs
}

func (p *Participant) publishes(sid string) bool { return p.trackInfo(sid) != nil }

// owns tells whether a publication is live and the participant's.
func (p *Participant) owns(pub *Publication) bool { return p.publish.live[pub.mid] == pub }

// carries is the publication that a section sends for, in its first codec or a further one.
func (p *Participant) carries(mid string) *Publication {
	if pub := p.publish.live[mid]; pub != nil {
		return pub
	}
	return p.publish.backups[mid]
}

// trackInfo is what is known of a track that is published or announced, nil when it is neither.
func (p *Participant) trackInfo(sid string) *livekit.TrackInfo {
	for _, a := range p.publish.announced {
		if a.info.Sid == sid {
			return a.info
		}
	}
	if pub := p.publication(sid); pub != nil {
		return pub.info
	}
	return nil
}

func (p *Participant) publication(sid string) *Publication {
	for _, pub := range p.publish.live {
		if pub.sid == sid {
			return pub
		}
	}
	return nil
}

// remoteTrack gives an incoming encoding its reader. Which publication it belongs to is told by its section.
func (p *Participant) remoteTrack(c remoteTrackCommand) {
	mid := ""
	if t := c.receiver.RTPTransceiver(); t != nil {
		mid = t.Mid()
	}
	pub := p.carries(mid)
	if pub == nil {
		if slices.ContainsFunc(p.publish.sections, func(s section) bool { return s.mid == mid && s.sends() }) {
			p.publish.orphans = append(p.publish.orphans, c)
		}
		return
	}
	rid := c.track.RID()
	quality := ridRank(rid)
	for _, s := range p.publish.sections {
		if s.mid == mid && quality > qualityHigh {
			quality = min(max(slices.Index(orderedRIDs(s.rids), rid), qualityLow), qualityHigh)
		}
	}
	l := newLayer(pub, p.publish.nextLayer, quality, c.track, c.receiver)
	l.backup = p.publish.live[mid] != pub
	p.publish.nextLayer++
	pub.addLayer(l)
	p.children.Go(func() {
		l.read()
		pub.removeLayer(l)
	})
	p.children.Go(l.readReports)
}

// layerKnown fills in what the first packet of an encoding told: its codec and its source.
func (p *Participant) layerKnown(l *layer) {
	pub := l.publication
	if !p.owns(pub) {
		return
	}
	codec := pub.info.Codecs[0]
	changed := false
	if l.backup {
		if codec = codecEntryOf(pub.info, l.mediaCodec()); codec == nil {
			return
		}
		pub.backupFlows = true
	} else if mime := pub.mediaCodec().MimeType(); codec.MimeType == "" || !strings.EqualFold(codec.MimeType, mime) {
		codec.MimeType, pub.info.MimeType = mime, mime
		changed = true
	}
	ssrc := uint32(l.track.SSRC())
	for i, v := range codec.Layers {
		if v.Ssrc != ssrc && (v.Rid == l.rid && l.rid != "" || l.rid == "" && len(codec.Layers) == 1) {
			v.Ssrc = ssrc
			if i < len(pub.info.Layers) && !l.backup {
				pub.info.Layers[i].Ssrc = ssrc
			}
			changed = true
		}
	}
	if changed {
		p.changeTracks(nil, nil)
	}
	p.demandCodecs(pub)
	p.tellCodec(pub)
}

// muteTrack takes note of what the client muted; nobody is told twice.
func (p *Participant) muteTrack(sid string, muted bool) {
	pub := p.publication(sid)
	if pub == nil {
		for _, a := range p.publish.announced {
			if a.info.Sid == sid {
				a.info.Muted = muted
				return
			}
		}
		p.send(RequestAnswered{&livekit.RequestResponse{
			Reason:  livekit.RequestResponse_NOT_FOUND,
			Message: "track does not exist",
			Request: &livekit.RequestResponse_Mute{Mute: &livekit.MuteTrackRequest{Sid: sid, Muted: muted}},
		}})
		return
	}
	p.setMuted(pub, muted)
}

func (p *Participant) setMuted(pub *Publication, muted bool) {
	if pub.info.Muted == muted {
		return
	}
	pub.info.Muted = muted
	pub.muted.Store(muted)
	p.changeTracks(nil, nil)
	if !muted && !pub.isAudio() {
		p.tellDemand(pub)
		now := monotonic()
		for _, l := range *pub.layers.Load() {
			if l.flows(now) {
				l.requestKeyframe(now)
			}
		}
	}
}

// firstViewer tells the client, once per track, that somebody receives it.
func (p *Participant) firstViewer(pub *Publication) {
	if p.publish.live[pub.mid] == pub {
		p.send(TrackSubscribed{TrackSID: pub.sid})
	}
}

// preferCodecs orders what our answer lists for a section that the client sends: its announced codec first, RED before Opus where it wants RED.
func (p *Participant) preferCodecs(t *webrtc.RTPTransceiver, s section) {
	receiver := t.Receiver()
	if receiver == nil {
		return
	}
	wanted := media.CodecUnknown
	if a := p.findAnnouncement(s); a != nil {
		switch {
		case s.kind == media.KindVideo && len(a.request.SimulcastCodecs) > 0:
			wanted = media.ParseCodec(a.request.SimulcastCodecs[0].Codec)
		case s.kind == media.KindAudio && !a.request.DisableRed:
			wanted = media.CodecRED
		}
	}
	if wanted == media.CodecUnknown {
		return
	}
	codecs := receiver.GetParameters().Codecs
	first := func(c webrtc.RTPCodecParameters) bool { return media.ParseCodec(c.MimeType) == wanted }
	slices.SortStableFunc(codecs, func(a, b webrtc.RTPCodecParameters) int {
		switch {
		case first(a) == first(b):
			return 0
		case first(a):
			return -1
		default:
			return 1
		}
	})
	if err := t.SetCodecPreferences(codecs); err != nil {
		p.log.Debug("codec preference refused", "error", err)
	}
}

func (p *Participant) findAnnouncement(s section) *announcement {
	if p.carries(s.mid) != nil {
		return nil
	}
	for _, byName := range []bool{true, false} {
		if i := p.announcementOf(s, byName); i >= 0 {
			return p.publish.announced[i]
		}
	}
	return nil
}

// answeredRED tells whether our answer put RED first for a section that the client sends.
func (p *Participant) answeredRED(mid string) bool {
	t := p.publisher.transceiver(mid)
	if t == nil || t.Receiver() == nil {
		return false
	}
	codecs := t.Receiver().GetParameters().Codecs
	return len(codecs) > 0 && media.ParseCodec(codecs[0].MimeType) == media.CodecRED
}
