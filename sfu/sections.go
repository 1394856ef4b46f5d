package sfu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"careline/internal/errs"
	"careline/sfu/media"
)

// section is what we need to know of one media section of a client's offer.
type section struct {
	mid       string
	kind      media.Kind
	direction webrtc.RTPTransceiverDirection // the client's
	stream    string                         // msid, both parts; empty where the client sends nothing
	track     string
	rids      []string // simulcast, as offered, without the mark of pausing
	ssrcs     []uint32 // primary ones as declared; empty with rids
	repairs   []uint32 // those of their retransmissions
}

func (s section) sends() bool {
	return s.direction == webrtc.RTPTransceiverDirectionSendonly || s.direction == webrtc.RTPTransceiverDirectionSendrecv
}

// offerSummary is a client's offer, parsed once.
type offerSummary struct {
	sections []section
	strange  []strangeSection
	role     webrtc.DTLSRole // that the client insists on; auto when it leaves the choice
}

// strangeSection is one of a kind that we do not know. It has to be in the answer, rejected, or the client finds sections missing.
type strangeSection struct {
	index  int    // in the offer
	answer string // whole, with its line ends
}

// parseOffer reads a client's offer and refuses what could not be served: sections without mid, the same mid twice, too many, sources that
// collide.
func parseOffer(text string, limit int) (offerSummary, error) {
	var o offerSummary
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return o, errs.With(errs.Invalid, fmt.Errorf("parse session description: %w", err))
	}
	if len(d.MediaDescriptions) > limit {
		return o, ErrSectionLimit
	}
	if len(d.MediaDescriptions) == 0 {
		return o, errs.New(errs.Invalid, "session description has no media sections")
	}
	o.role = webrtc.DTLSRoleAuto
	seen := make(map[string]bool, len(d.MediaDescriptions))
	for i, m := range d.MediaDescriptions {
		mid, ok := m.Attribute(sdp.AttrKeyMID)
		if !ok || mid == "" || len(mid) > 16 || seen[mid] {
			return o, errs.New(errs.Invalid, "session description has a media section without a mid of its own")
		}
		seen[mid] = true
		switch setup, _ := m.Attribute(sdp.AttrKeyConnectionSetup); setup {
		case "passive":
			o.role = webrtc.DTLSRoleServer
		case "active":
			o.role = webrtc.DTLSRoleClient
		}
		s := section{mid: mid}
		switch m.MediaName.Media {
		case "audio":
			s.kind = media.KindAudio
		case "video":
			s.kind = media.KindVideo
		case "application":
			continue
		default:
			name := m.MediaName
			name.Port.Value = 0 // rejected, RFC 8829 section 5.3.1
			o.strange = append(o.strange, strangeSection{i, "m=" + name.String() + "\r\nc=IN IP4 0.0.0.0\r\na=mid:" + mid + "\r\na=inactive\r\n"})
			continue
		}
		readSection(&s, m)
		o.sections = append(o.sections, s)
	}
	return o, o.checkCollisions()
}

func readSection(s *section, m *sdp.MediaDescription) {
	s.direction = webrtc.RTPTransceiverDirectionSendrecv // RFC 8866 section 6.7
	for _, a := range m.Attributes {
		switch a.Key {
		case sdp.AttrKeySendRecv, sdp.AttrKeySendOnly, sdp.AttrKeyRecvOnly, sdp.AttrKeyInactive:
			s.direction = webrtc.NewRTPTransceiverDirection(a.Key)
		case sdp.AttrKeyMsid:
			stream, track, _ := strings.Cut(a.Value, " ")
			if stream != "-" {
				s.stream = stream
			}
			s.track = track
		case "rid":
			if rid, what, _ := strings.Cut(a.Value, " "); strings.HasPrefix(what, "send") {
				s.rids = append(s.rids, strings.TrimPrefix(rid, "~"))
			}
		case sdp.AttrKeySSRCGroup:
			if f := strings.Fields(a.Value); len(f) == 3 && f[0] == sdp.SemanticTokenFlowIdentification {
				if n, err := strconv.ParseUint(f[2], 10, 32); err == nil && len(s.repairs) <= maxSectionSources {
					s.repairs = append(s.repairs, uint32(n))
				}
			}
		case sdp.AttrKeySSRC:
			ssrc, attribute, _ := strings.Cut(a.Value, " ")
			if name, value, ok := strings.Cut(attribute, ":"); ok && name == "msid" && s.track == "" {
				s.stream, s.track, _ = strings.Cut(value, " ")
			}
			n, err := strconv.ParseUint(ssrc, 10, 32)
			if err == nil && len(s.ssrcs) <= maxSectionSources && !slices.Contains(s.repairs, uint32(n)) && !slices.Contains(s.ssrcs, uint32(n)) {
				s.ssrcs = append(s.ssrcs, uint32(n))
			}
		}
	}
}

// idleSections writes the inactive sections that idle names as recvonly, in a description that pion is to apply. pion stops a
// transceiver at each inactive section that it sees, also one that it made ready to be used again, which then never receives; towards
// recvonly it goes inactive just the same and stays usable.
func idleSections(text string, idle func(mid string) bool) string {
	if !strings.Contains(text, "a=inactive") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for rest := text; rest != ""; {
		end := len(rest)
		if i := strings.Index(rest, "\nm="); i >= 0 {
			end = i + 1
		}
		part := rest[:end]
		if mid := attributeOf(part, "a=mid:"); mid != "" && idle(mid) {
			part = strings.Replace(part, "a=inactive", "a=recvonly", 1)
		}
		b.WriteString(part)
		rest = rest[end:]
	}
	return b.String()
}
