package sfu

import (
	"fmt"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

// Header extensions that we negotiate, by URI.
const (
	extDependencyDescriptor = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
	extAbsCaptureTime       = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
)

type codecEntry struct {
	mime   string
	clock  uint32
	chans  uint16
	fmtp   string
	pt, rt webrtc.PayloadType // rt: its retransmission payload type, 0 without
}

// The payload types are ours to choose only where we offer; where we answer, the client's are used.
var audioCodecs = []codecEntry{
	{mime: webrtc.MimeTypeOpus, clock: 48000, chans: 2, fmtp: "minptime=10;useinbandfec=1", pt: 111},
	{mime: "audio/red", clock: 48000, chans: 2, fmtp: "111/111", pt: 63},
}

var videoCodecs = []codecEntry{
	{mime: webrtc.MimeTypeVP8, clock: 90000, pt: 96, rt: 97},
	{mime: webrtc.MimeTypeVP9, clock: 90000, fmtp: "profile-id=0", pt: 98, rt: 99},
	{mime: webrtc.MimeTypeVP9, clock: 90000, fmtp: "profile-id=2", pt: 100, rt: 101},
	{mime: webrtc.MimeTypeH264, clock: 90000, fmtp: h264("42e01f", 1), pt: 125, rt: 126},
	{mime: webrtc.MimeTypeH264, clock: 90000, fmtp: h264("42e01f", 0), pt: 108, rt: 109},
	{mime: webrtc.MimeTypeH264, clock: 90000, fmtp: h264("42001f", 1), pt: 102, rt: 103},
	{mime: webrtc.MimeTypeH264, clock: 90000, fmtp: h264("42001f", 0), pt: 104, rt: 105},
	{mime: webrtc.MimeTypeH264, clock: 90000, fmtp: h264("4d001f", 1), pt: 106, rt: 107},
	{mime: webrtc.MimeTypeH264, clock: 90000, fmtp: h264("64001f", 1), pt: 112, rt: 113},
	{mime: webrtc.MimeTypeAV1, clock: 90000, fmtp: "level-idx=5;profile=0;tier=0", pt: 35, rt: 36},
}

func h264(profile string, mode int) string {
	return fmt.Sprintf("level-asymmetry-allowed=1;packetization-mode=%d;profile-level-id=%s", mode, profile)
}

// publishCodecs are the codecs that clients may publish, video first: clients take the first video codec when theirs is missing.
func publishCodecs() []*livekit.Codec {
	return []*livekit.Codec{
		{Mime: "video/VP8"}, {Mime: "video/H264"}, {Mime: "video/VP9"}, {Mime: "video/AV1"},
		{Mime: "audio/opus"}, {Mime: "audio/red"},
	}
}

// newMediaEngine registers what one connection may negotiate. It is not shared: pion writes the negotiated state into it.
func newMediaEngine() (*webrtc.MediaEngine, error) {
	e := &webrtc.MediaEngine{}
	audioFeedback := []webrtc.RTCPFeedback{{Type: "nack"}}
	videoFeedback := []webrtc.RTCPFeedback{
		{Type: "transport-cc"}, {Type: "goog-remb"}, {Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"},
	}
	for _, c := range audioCodecs {
		if err := e.RegisterCodec(c.parameters(audioFeedback), webrtc.RTPCodecTypeAudio); err != nil {
			return nil, fmt.Errorf("register %s: %w", c.mime, err)
		}
	}
	for _, c := range videoCodecs {
		if err := e.RegisterCodec(c.parameters(videoFeedback), webrtc.RTPCodecTypeVideo); err != nil {
			return nil, fmt.Errorf("register %s: %w", c.mime, err)
		}
		rtx := codecEntry{mime: webrtc.MimeTypeRTX, clock: c.clock, fmtp: fmt.Sprintf("apt=%d", c.pt), pt: c.rt}
		if err := e.RegisterCodec(rtx.parameters(nil), webrtc.RTPCodecTypeVideo); err != nil {
			return nil, fmt.Errorf("register retransmission of %s: %w", c.mime, err)
		}
	}
	receive := webrtc.RTPTransceiverDirectionRecvonly
	for _, x := range []struct {
		uri  string
		kind webrtc.RTPCodecType
		dirs []webrtc.RTPTransceiverDirection
	}{
		{sdp.SDESMidURI, webrtc.RTPCodecTypeAudio, nil},
		{sdp.SDESRTPStreamIDURI, webrtc.RTPCodecTypeAudio, nil},
		{sdp.AudioLevelURI, webrtc.RTPCodecTypeAudio, []webrtc.RTPTransceiverDirection{receive}},
		{extAbsCaptureTime, webrtc.RTPCodecTypeAudio, nil},
		{sdp.SDESMidURI, webrtc.RTPCodecTypeVideo, nil},
		{sdp.SDESRTPStreamIDURI, webrtc.RTPCodecTypeVideo, nil},
		{sdp.SDESRepairRTPStreamIDURI, webrtc.RTPCodecTypeVideo, nil},
		{sdp.TransportCCURI, webrtc.RTPCodecTypeVideo, nil},
		{extDependencyDescriptor, webrtc.RTPCodecTypeVideo, nil},
		{extAbsCaptureTime, webrtc.RTPCodecTypeVideo, nil},
	} {
		if err := e.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: x.uri}, x.kind, x.dirs...); err != nil {
			return nil, fmt.Errorf("register header extension %s: %w", x.uri, err)
		}
	}
	return e, nil
}

func (c codecEntry) parameters(feedback []webrtc.RTCPFeedback) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: c.mime, ClockRate: c.clock, Channels: c.chans, SDPFmtpLine: c.fmtp, RTCPFeedback: feedback,
		},
		PayloadType: c.pt,
	}
}

// extensionIDs picks the negotiated ids of the extensions that we read.
func extensionIDs(negotiated []webrtc.RTPHeaderExtensionParameter) media.Extensions {
	var x media.Extensions
	for _, e := range negotiated {
		switch e.URI {
		case extDependencyDescriptor:
			x.DependencyDescriptor = uint8(e.ID)
		case extAbsCaptureTime:
			x.AbsCaptureTime = uint8(e.ID)
		case sdp.AudioLevelURI:
			x.AudioLevel = uint8(e.ID)
		case sdp.TransportCCURI:
			x.TransportCC = uint8(e.ID)
		}
	}
	return x
}
