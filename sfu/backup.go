package sfu

import (
	"github.com/livekit/protocol/livekit"

	"careline/sfu/media"
)

const (
	codecsPerTrack = 4 // announced for one track
	// regressBelow is the size of a room in which the policy PREFER_REGRESSION moves everybody to the backup codec.
	regressBelow = 5
)

// backupCodec is the second codec of a track, announced or published, for viewers that cannot decode the first; CodecUnknown without one.
func (pub *Publication) backupCodec() media.Codec { return media.Codec(pub.backup.Load()) }

// codecFor picks the codec for a viewer: the track's own, or its backup where the viewer cannot decode that or everybody was moved.
// CodecUnknown: the viewer can decode neither.
func (pub *Publication) codecFor(accepts func(media.Codec) bool) media.Codec {
	primary, backup := pub.mediaCodec(), pub.backupCodec()
	if backup != media.CodecUnknown && accepts(backup) && (pub.regressed.Load() || !accepts(primary)) {
		return backup
	}
	if accepts(primary) {
		return primary
	}
	return media.CodecUnknown
}

// declareBackup takes note of the first further codec that was announced. An encrypted track has none: its keys are bound to one codec.
func (pub *Publication) declareBackup() {
	for i, c := range pub.info.Codecs {
		codec := media.ParseCodec(c.MimeType)
		if i > 0 && codec != pub.mediaCodec() && codec.Kind() == media.KindVideo && codec != media.CodecUnknown &&
			pub.info.Encryption == livekit.Encryption_NONE {
			pub.backup.Store(uint32(codec))
			return
		}
	}
}

// addCodec announces a further codec of a live track; a section of its own follows by an offer.
func (p *Participant) addCodec(r *livekit.AddTrackRequest, refuse func(livekit.RequestResponse_Reason, string)) {
	pub := p.publication(r.Sid)
	if pub == nil {
		refuse(livekit.RequestResponse_NOT_FOUND, "track does not exist")
		return
	}
	if pub.isAudio() || len(r.SimulcastCodecs) == 0 {
		refuse(livekit.RequestResponse_UNSUPPORTED_TYPE, "only a video track can have a further codec, which has to be named")
		return
	}
	c := r.SimulcastCodecs[0]
	codec := media.ParseCodec(c.Codec)
	if codec.Kind() != media.KindVideo || codec == media.CodecUnknown || codec == pub.mediaCodec() {
		refuse(livekit.RequestResponse_UNSUPPORTED_TYPE, "codec is not supported or the track has it already")
		return
	}
	entry := codecEntryOf(pub.info, codec)
	if entry == nil {
		if len(pub.info.Codecs) == codecsPerTrack {
			refuse(livekit.RequestResponse_LIMIT_EXCEEDED, "too many codecs for one track")
			return
		}
		entry = &livekit.SimulcastCodecInfo{MimeType: codec.MimeType()}
		pub.info.Codecs = append(pub.info.Codecs, entry)
	}
	entry.Cid = r.Cid
	if c.Cid != "" {
		entry.Cid = c.Cid
	}
	entry.Layers = sortedLayers(c.Layers)
	if len(entry.Layers) == 0 {
		entry.Layers = sortedLayers(r.Layers)
	}
	entry.VideoLayerMode = c.VideoLayerMode
	if entry.VideoLayerMode == livekit.VideoLayer_MODE_UNUSED {
		entry.VideoLayerMode = layerMode(entry.MimeType)
	}
	pub.declareBackup()
	p.demandCodecs(pub)
	p.publish.announced = append(p.publish.announced, &announcement{cid: r.Cid, request: r, info: pub.info, backupOf: pub})
	p.send(TrackPublished{CID: r.Cid, Track: clone(pub.info)})
	p.matchSections()
}

func codecEntryOf(info *livekit.TrackInfo, codec media.Codec) *livekit.SimulcastCodecInfo {
	for _, c := range info.Codecs {
		if media.ParseCodec(c.MimeType) == codec {
			return c
		}
	}
	return nil
}

// newBackup ties a section to a further codec of a live track.
func (p *Participant) newBackup(a *announcement, s section) {
	pub := a.backupOf
	if !p.owns(pub) {
		return // it ended meanwhile
	}
	entry := codecEntryOf(pub.info, media.ParseCodec(a.request.SimulcastCodecs[0].Codec))
	if entry == nil {
		return
	}
	entry.Mid, entry.SdpCid = s.mid, s.track
	nameLayers(s.rids, entry.Layers)
	if p.publish.backups == nil {
		p.publish.backups = make(map[string]*Publication)
	}
	p.publish.backups[s.mid] = pub
	p.log.Info("backup codec published", "track", pub.sid, "mime", entry.MimeType)
}

// endBackup forgets the section of a further codec. The codec stays announced, so that it can be asked for again.
func (p *Participant) endBackup(mid string) {
	pub := p.publish.backups[mid]
	delete(p.publish.backups, mid)
	for _, c := range pub.info.Codecs {
		if c.Mid == mid {
			c.Mid, c.SdpCid, c.Cid = "", "", ""
		}
	}
}

// regress moves all viewers of a track to its backup codec when one of them needs that and the track's policy prefers one encoder to two.
// It stays so for the life of the track: who needed the backup cannot be told any more from who was moved.
func (p *Participant) regress(pub *Publication) {
	if pub.regressed.Load() || !pub.backupFlows || pub.demand.highest(pub.backupCodec()) == qualityNone {
		return
	}
	switch pub.info.BackupCodecPolicy {
	case livekit.BackupCodecPolicy_REGRESSION:
	case livekit.BackupCodecPolicy_PREFER_REGRESSION:
		if len(p.room.members()) >= regressBelow {
			return
		}
	default:
		return
	}
	pub.regressed.Store(true)
	p.log.Info("viewers moved to the backup codec", "track", pub.sid)
	p.tellCodec(pub)
}

// tellCodec has the viewers look at the codecs of a track again.
func (p *Participant) tellCodec(pub *Publication) {
	for _, other := range p.room.others(p) {
		other.post(codecCommand{pub})
	}
}

// recodec moves a subscription to the codec that is now right for its viewer. Browsers take another payload type in the same section; other
// clients get the track in a new one.
func (p *Participant) recodec(pub *Publication) {
	p.subscribe.dirty = true
	s := p.subscribe.active[pub.sid]
	if s == nil || s.publication != pub || pub.isAudio() || !s.bound || s.failed {
		return
	}
	codec := pub.codecFor(s.accepts)
	if codec == s.codec || codec == media.CodecUnknown || !p.switchesCodecs() {
		return // reconcile gives it a new section where it must
	}
	s.codec = codec
	p.applyWish(s)
}

// switchesCodecs tells whether the client decodes whatever payload type comes in a section.
func (p *Participant) switchesCodecs() bool {
	switch p.request.Client.GetSdk() {
	case livekit.ClientInfo_GO, livekit.ClientInfo_UNKNOWN:
		return false
	}
	return true
}
