package sfu

import (
	"strings"

	"github.com/livekit/protocol/livekit"
)

// opusWish is how a client wants to encode one of its audio sections; our answer asks for it.
type opusWish struct{ stereo, dtx bool }

// opusWishes are those of the client's audio publications, by mid.
func (p *Participant) opusWishes() map[string]opusWish {
	wishes := make(map[string]opusWish)
	for mid, pub := range p.publish.live {
		if !pub.isAudio() {
			continue
		}
		w := opusWish{dtx: true}
		for _, f := range pub.info.AudioFeatures {
			switch f {
			case livekit.AudioTrackFeature_TF_STEREO:
				w.stereo = true
			case livekit.AudioTrackFeature_TF_NO_DTX:
				w.dtx = false
			}
		}
		wishes[mid] = w
	}
	return wishes
}

// shapeAnswer writes the wishes into the Opus parameters (RFC 7587 section 6.1) of the sections that the client sends. pion keeps the
// answer as it made it: the parameters concern the client's encoder only.
func shapeAnswer(text string, wishes map[string]opusWish) string {
	if len(wishes) == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 64*len(wishes))
	rest := text
	for rest != "" {
		end := len(rest)
		if i := strings.Index(rest, "\nm="); i >= 0 {
			end = i + 1
		}
		b.WriteString(shapeSection(rest[:end], wishes))
		rest = rest[end:]
	}
	return b.String()
}

// withStrange puts the sections that pion leaves out, because it does not know their kinds, back to their places.
func withStrange(text string, strange []strangeSection) string {
	for _, s := range strange { // in the order of the offer, so that those before are there
		at := len(text)
		for i, sections := 0, 0; ; sections++ {
			next := strings.Index(text[i:], "\nm=")
			if next < 0 {
				break
			}
			i += next + 1
			if sections == s.index {
				at = i
				break
			}
		}
		text = text[:at] + s.answer + text[at:]
	}
	return text
}

func shapeSection(text string, wishes map[string]opusWish) string {
	wish, ok := wishes[attributeOf(text, "a=mid:")]
	opus, _, _ := strings.Cut(attributeOf(text, "opus/48000/2"), " ")
	if !ok || opus == "" {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if parameters, found := strings.CutPrefix(line, "a=fmtp:"+opus+" "); found {
			line = "a=fmtp:" + opus + " " + withOpusWish(strings.TrimRight(parameters, "\r\n"), wish) + "\r\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// attributeOf returns what follows prefix in its line, or, for a codec name, the payload type of its rtpmap.
func attributeOf(section, what string) string {
	for line := range strings.Lines(section) {
		line = strings.TrimRight(line, "\r\n")
		if v, ok := strings.CutPrefix(line, what); ok {
			return v
		}
		if v, ok := strings.CutPrefix(line, "a=rtpmap:"); ok && strings.HasSuffix(v, " "+what) {
			return v
		}
	}
	return ""
}

func withOpusWish(parameters string, w opusWish) string {
	kept := make([]string, 0, 8)
	for part := range strings.SplitSeq(parameters, ";") {
		switch name, _, _ := strings.Cut(part, "="); name {
		case "usedtx", "stereo", "maxaveragebitrate":
		default:
			kept = append(kept, part)
		}
	}
	if w.dtx {
		kept = append(kept, "usedtx=1")
	}
	if w.stereo {
		kept = append(kept, "stereo=1", "maxaveragebitrate=510000")
	}
	return strings.Join(kept, ";")
}
