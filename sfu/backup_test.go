package sfu

import (
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"careline/sfu/media"
)

// registerVP8 is what a client negotiates that decodes nothing else.
func registerVP8(e *webrtc.MediaEngine) error {
	for _, c := range []webrtc.RTPCodecParameters{
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, PayloadType: 96},
		{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: "apt=96"}, PayloadType: 97},
	} {
		if err := e.RegisterCodec(c, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	opus := webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}, PayloadType: 111}
	if err := e.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
		return err
	}
	return e.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.SDESMidURI}, webrtc.RTPCodecTypeVideo)
}

// TestBackupCodec publishes AV1 to a viewer that has it and one that has not: the publisher is asked for its backup, the second viewer gets it, and
// by the track's policy the first one keeps AV1 or is moved too.
func TestBackupCodec(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy livekit.BackupCodecPolicy
		sdk    livekit.ClientInfo_SDK
		moved  bool
	}{
		{"simulcast", livekit.BackupCodecPolicy_SIMULCAST, livekit.ClientInfo_JS, false},
		{"regression", livekit.BackupCodecPolicy_REGRESSION, livekit.ClientInfo_JS, true},
		{"regression preferred", livekit.BackupCodecPolicy_PREFER_REGRESSION, livekit.ClientInfo_GO, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, nil)
			alice := join(t, s, "alice", clientOptions{single: true})
			source := alice.publish(webrtc.MimeTypeAV1, sourceOptions{add: func(r *livekit.AddTrackRequest) {
				r.BackupCodecPolicy = c.policy
				r.SimulcastCodecs = append(r.SimulcastCodecs, &livekit.SimulcastCodec{Codec: "vp8"})
			}})
			sid := source.info.Sid
			both := join(t, s, "both", clientOptions{join: func(r *JoinRequest) { r.Client.Sdk = c.sdk }})
			both.receives(sid, 5)
			plain := join(t, s, "plain", clientOptions{media: registerVP8})
			eventually(t, "the backup to be asked for", func() bool {
				all := messages[SubscribedQuality](alice)
				if len(all) == 0 {
					return false
				}
				codecs := all[len(all)-1].Codecs
				return len(codecs) == 2 && codecs[1].Codec == "vp8" && codecs[1].Qualities[0].Enabled && codecs[0].Codec == "av1"
			})
			backup := alice.announce(webrtc.MimeTypeVP8, sourceOptions{add: func(r *livekit.AddTrackRequest) { r.Sid = sid }})
			if backup.info.Sid != sid || len(backup.info.Codecs) != 2 {
				t.Fatalf("the backup was announced as %v", backup.info)
			}
			backup.offer(nil)
			for _, e := range backup.encodings {
				e.play()
			}
			if p := plain.receives(sid, 5).all()[4]; p.PayloadType != 96 {
				t.Errorf("the viewer without AV1 gets payload type %d", p.PayloadType)
			}
			payload := func() uint8 {
				for _, r := range both.live() {
					if r.sid() == sid && r.count() > 0 {
						p := r.all()
						return p[len(p)-1].PayloadType
					}
				}
				return 0
			}
			if c.moved {
				eventually(t, "the other viewer to be moved", func() bool { return payload() == 96 })
				if n := len(messages[Offer](both)); (n > 2) == (c.sdk == livekit.ClientInfo_JS) {
					t.Errorf("%d offers to a client of kind %v", n, c.sdk)
				}
			} else {
				time.Sleep(300 * time.Millisecond)
				if payload() != 35 {
					t.Errorf("the viewer with AV1 gets payload type %d", payload())
				}
			}
			info := alice.participant("alice").GetTracks()[0]
			if len(info.Codecs) != 2 || !strings.EqualFold(info.Codecs[1].MimeType, webrtc.MimeTypeVP8) || info.Codecs[1].Mid == "" || info.Codecs[1].Mid == info.Codecs[0].Mid {
				t.Errorf("the track is shown as %v", info)
			}
			for _, e := range backup.encodings {
				e.pause()
			}
			alice.do(func() {
				alice.must("remove track", alice.publisher.RemoveTrack(backup.sender))
				alice.negotiate()
			})
			eventually(t, "the backup to end and the track to stay", func() bool {
				tracks := alice.participant("alice").GetTracks()
				return len(tracks) == 1 && len(tracks[0].Codecs) == 2 && tracks[0].Codecs[1].Mid == ""
			})
		})
	}
}

// TestNoCodecInCommon is a viewer that can decode nothing of a track: it is told, and nobody is disturbed.
func TestNoCodecInCommon(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeAV1, sourceOptions{})
	plain := join(t, s, "plain", clientOptions{media: registerVP8})
	eventually(t, "the viewer to be told", func() bool {
		for _, m := range messages[SubscriptionFailed](plain) {
			if m.TrackSID == source.info.Sid && m.Err == livekit.SubscriptionError_SE_CODEC_UNSUPPORTED {
				return true
			}
		}
		return false
	})
	join(t, s, "both", clientOptions{}).receives(source.info.Sid, 5)
}

func TestFurtherCodecsAreChecked(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	video := alice.publish(webrtc.MimeTypeVP8, sourceOptions{silent: true}).info.Sid
	audio := alice.publish(webrtc.MimeTypeOpus, sourceOptions{silent: true}).info.Sid
	for i, c := range []struct {
		sid, codec string
		want       livekit.RequestResponse_Reason
	}{
		{"TR_nobody", "h264", livekit.RequestResponse_NOT_FOUND},
		{audio, "opus", livekit.RequestResponse_UNSUPPORTED_TYPE},
		{video, "vp8", livekit.RequestResponse_UNSUPPORTED_TYPE},
		{video, "h9000", livekit.RequestResponse_UNSUPPORTED_TYPE},
		{video, "", livekit.RequestResponse_UNSUPPORTED_TYPE},
	} {
		alice.session.AddTrack(&livekit.AddTrackRequest{
			Sid: c.sid, Cid: "further", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA,
			SimulcastCodecs: []*livekit.SimulcastCodec{{Codec: c.codec, Cid: "further"}},
		})
		eventually(t, "an answer", func() bool { return len(messages[RequestAnswered](alice)) == i+1 })
		if got := messages[RequestAnswered](alice)[i].Response.Reason; got != c.want {
			t.Errorf("%s for %s: %v, want %v", c.codec, c.sid, got, c.want)
		}
	}
}

func TestCodecForViewer(t *testing.T) {
	pub := &Publication{}
	pub.codec.Store(uint32(media.CodecVP9))
	only := func(codecs ...media.Codec) func(media.Codec) bool {
		return func(c media.Codec) bool {
			for _, o := range codecs {
				if o == c {
					return true
				}
			}
			return false
		}
	}
	check := func(accepts func(media.Codec) bool, want media.Codec) {
		t.Helper()
		if got := pub.codecFor(accepts); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
	check(only(media.CodecVP9, media.CodecVP8), media.CodecVP9)
	check(only(media.CodecVP8), media.CodecUnknown)
	pub.backup.Store(uint32(media.CodecVP8))
	check(only(media.CodecVP9, media.CodecVP8), media.CodecVP9)
	check(only(media.CodecVP8), media.CodecVP8)
	pub.regressed.Store(true)
	check(only(media.CodecVP9, media.CodecVP8), media.CodecVP8)
	check(only(media.CodecVP9), media.CodecVP9)
}
