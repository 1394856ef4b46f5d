package media

import "strings"

// Kind tells audio from video.
type Kind uint8

// The two kinds of media that are forwarded.
const (
	KindAudio Kind = iota
	KindVideo
)

// String returns "audio" or "video".
func (k Kind) String() string {
	if k == KindVideo {
		return "video"
	}
	return "audio"
}

// Codec is the payload format of a packet.
type Codec uint8

// The codecs whose headers the package can read. CodecUnknown is never forwarded.
const (
	CodecUnknown Codec = iota
	CodecOpus
	CodecRED
	CodecVP8
	CodecVP9
	CodecH264
	CodecAV1
	codecCount
)

// mimeTypes holds the spelling that SDP and LiveKit's clients use.
var mimeTypes = [codecCount]string{"", "audio/opus", "audio/red", "video/VP8", "video/VP9", "video/H264", "video/AV1"}

// ParseCodec reads a media type ("video/VP8") or a bare name ("vp8") in any case.
// Anything else, a known name under the wrong type included, is CodecUnknown.
func ParseCodec(mime string) Codec {
	for c := CodecOpus; c < codecCount; c++ {
		full := mimeTypes[c]
		_, bare, _ := strings.Cut(full, "/")
		if strings.EqualFold(mime, full) || strings.EqualFold(mime, bare) {
			return c
		}
	}
	return CodecUnknown
}

// MimeType returns the media type as SDP writes it, "" for CodecUnknown.
func (c Codec) MimeType() string {
	if c >= codecCount {
		return ""
	}
	return mimeTypes[c]
}

// String returns the media type, or "unknown".
func (c Codec) String() string {
	if m := c.MimeType(); m != "" {
		return m
	}
	return "unknown"
}

// Kind returns the kind of media that the codec carries; CodecUnknown counts as audio.
func (c Codec) Kind() Kind {
	if c >= CodecVP8 && c < codecCount {
		return KindVideo
	}
	return KindAudio
}

// ClockRate returns the RTP clock rate in Hz: 48000 for Opus and RED (RFC 7587), 90000 for video, 0 when unknown.
func (c Codec) ClockRate() uint32 {
	switch {
	case c == CodecUnknown || c >= codecCount:
		return 0
	case c.Kind() == KindVideo:
		return 90000
	default:
		return 48000
	}
}
