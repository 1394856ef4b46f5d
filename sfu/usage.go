package sfu

import (
	"net"
	"slices"
	"strconv"

	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

// Usage is what a session has taken: by which ways, with which codecs, how much. It is read from pion's counters when the session ends.
type Usage struct {
	Paths             []Path   // of its connections
	Sent, Received    []string // codecs, as seen from the client; in order, each once
	BytesIn, BytesOut uint64   // with RTCP, data messages and encryption, without the headers of UDP or TCP; from the client, and to it
}

// Path is by which way a connection goes.
type Path struct {
	Client   string // the type of the client's candidate: host, srflx, prflx or relay
	Protocol string // udp or tcp
}

// usage is kept while a session lasts, owned by the participant's goroutine.
type usage struct {
	sent, received [media.CodecAV1 + 1]bool // by codec
}

// published notes what flowed of publications that end.
func (u *usage) published(list ...*Publication) {
	for _, pub := range list {
		u.sent[pub.mediaCodec()] = true
		for _, l := range *pub.layers.Load() {
			u.sent[l.mediaCodec()] = true
		}
	}
}

// viewed notes what a subscription begins to carry.
func (u *usage) viewed(s *subscription) {
	codec := s.codec
	if s.publication.isAudio() {
		codec = s.publication.mediaCodec()
	}
	u.received[codec] = true
}

// report is called before the connections are closed.
func (u *usage) report(transports ...*transport) *Usage {
	total := &Usage{Sent: mimeTypes(u.sent[:]), Received: mimeTypes(u.received[:])}
	for i, t := range transports {
		if t == nil || slices.Contains(transports[:i], t) {
			continue
		}
		t.notePath() // it may have moved
		if t.path != (Path{}) && !slices.Contains(total.Paths, t.path) {
			total.Paths = append(total.Paths, t.path)
		}
		stats := t.pc.SCTP().Transport().ICETransport().Stats()
		total.BytesIn += stats.BytesReceived
		total.BytesOut += stats.BytesSent
	}
	return total
}

// notePath keeps by which way the connection goes, which pion forgets when the connection fails. Our own relay sends from another address than the
// client was told when both are on this machine; pion then knows nothing of the address, but the relay does, while the client uses it.
func (t *transport) notePath() {
	pair, err := t.pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Remote == nil {
		return
	}
	client, address := pair.Remote.Typ.String(), net.JoinHostPort(pair.Remote.Address, strconv.Itoa(int(pair.Remote.Port)))
	if pair.Remote.Typ == webrtc.ICECandidateTypePrflx {
		switch {
		case t.participant.manager.cfg.Relays(t.participant.sid, pair.Remote.Port):
			client = webrtc.ICECandidateTypeRelay.String()
		case address == t.pathTo:
			client = t.path.Client // as it was found before
		}
	}
	t.path, t.pathTo = Path{Client: client, Protocol: pair.Remote.Protocol.String()}, address
}

func mimeTypes(used []bool) (list []string) {
	for codec, is := range used {
		if name := media.Codec(codec).MimeType(); is && name != "" {
			list = append(list, name)
		}
	}
	return list
}
