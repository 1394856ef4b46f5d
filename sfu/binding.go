package sfu

import (
	"strconv"
	"strings"

	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

// egressTrack is a subscription as pion sees it: something to bind to a sender.
type egressTrack struct{ *subscription }

func (t *egressTrack) ID() string       { return t.publication.sid }
func (t *egressTrack) RID() string      { return "" }
func (t *egressTrack) StreamID() string { return t.publication.publisher.sid + "|" + t.publication.sid }

func (t *egressTrack) Kind() webrtc.RTPCodecType {
	if t.publication.isAudio() {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}

// Bind takes what was negotiated: where to write, under which numbers. It runs on the viewer's goroutine, inside a description being set,
// and never fails: an error would undo the whole negotiation. A client without the codec is told so afterwards.
func (t *egressTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	s := t.subscription
	s.bound = true
	s.stream = c.WriteStream()
	s.ssrc, s.rtx = uint32(c.SSRC()), uint32(c.SSRCRetransmission())
	s.extensions = extensionIDs(c.HeaderExtensions())
	codecs := c.CodecParameters()
	var best [media.CodecAV1 + 1]webrtc.RTPCodecParameters
	for _, codec := range codecs {
		kind := media.ParseCodec(codec.MimeType)
		if kind != media.CodecUnknown && (best[kind].PayloadType == 0 || s.publication.matchesBetter(kind, codec, best[kind])) {
			best[kind] = codec
			s.payloadTypes[kind] = uint8(codec.PayloadType)
		}
	}
	for _, codec := range codecs {
		if s.rtx == 0 || !strings.EqualFold(codec.MimeType, webrtc.MimeTypeRTX) {
			continue
		}
		for kind, pt := range s.payloadTypes {
			if pt != 0 && fmtpValue(codec.SDPFmtpLine, "apt") == strconv.Itoa(int(pt)) {
				s.rtxTypes[kind] = uint8(codec.PayloadType)
			}
		}
	}
	s.codec = s.publication.mediaCodec()
	if !s.publication.isAudio() {
		s.codec = s.publication.codecFor(s.accepts)
	}
	chosen := best[s.codec]
	if chosen.PayloadType == 0 && s.publication.isAudio() { // RED and Opus stand in for one another
		chosen = best[media.CodecOpus]
	}
	s.failed = chosen.PayloadType == 0
	if s.failed && len(codecs) > 0 {
		return codecs[0], nil
	}
	return chosen, nil
}

// accepts tells whether the client negotiated a codec. Before that every codec counts as accepted.
func (s *subscription) accepts(c media.Codec) bool { return !s.bound || s.payloadTypes[c] != 0 }

// Unbind has nothing to do: the worker gave the subscription back before its sender is stopped.
func (t *egressTrack) Unbind(webrtc.TrackLocalContext) error { return nil }

// matchesBetter prefers the parameters that are the publisher's own, then the same packetization mode and profile family. Of a codec that
// is not the publication's first, the one that the client prefers is taken.
func (pub *Publication) matchesBetter(kind media.Codec, candidate, chosen webrtc.RTPCodecParameters) bool {
	want := pub.fmtp.Load()
	return kind == pub.mediaCodec() && want != nil && fmtpScore(*want, candidate.SDPFmtpLine) > fmtpScore(*want, chosen.SDPFmtpLine)
}

func fmtpScore(want, have string) int {
	score := 0
	for _, key := range []string{"packetization-mode", "profile-id", "profile"} {
		if fmtpValue(want, key) == fmtpValue(have, key) {
			score += 4
		}
	}
	w, h := fmtpValue(want, "profile-level-id"), fmtpValue(have, "profile-level-id")
	for i := 0; i < 4 && i < len(w) && i < len(h) && w[i] == h[i]; i++ {
		score++
	}
	return score
}

func fmtpValue(line, key string) string {
	for part := range strings.SplitSeq(line, ";") {
		if k, v, _ := strings.Cut(strings.TrimSpace(part), "="); strings.EqualFold(k, key) {
			return strings.ToLower(v)
		}
	}
	return ""
}
