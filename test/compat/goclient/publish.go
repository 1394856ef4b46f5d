package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	"github.com/pion/webrtc/v4/pkg/media"
)

// publish has publisher-0, publisher-1 ... send pictures and sound to a development server's room until interrupted.
func publish(url, name, people string) error {
	n, err := strconv.Atoi(people)
	if err != nil {
		return fmt.Errorf("number of people: %w", err)
	}
	var tracks []*lksdk.LocalTrack
	for i := range n {
		room, err := lksdk.ConnectToRoom(url, lksdk.ConnectInfo{
			APIKey: "devkey", APISecret: "secret", RoomName: name, ParticipantIdentity: "publisher-" + strconv.Itoa(i),
			ParticipantKind: lksdk.ParticipantStandard,
		}, &lksdk.RoomCallback{}, lksdk.WithAutoSubscribe(false))
		if err != nil {
			return fmt.Errorf("join: %w", err)
		}
		defer room.Disconnect()
		for _, c := range []webrtc.RTPCodecCapability{
			{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, {MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2},
		} {
			track, err := lksdk.NewLocalTrack(c)
			if err != nil {
				return fmt.Errorf("make track: %w", err)
			}
			options := &lksdk.TrackPublicationOptions{Source: livekit.TrackSource_MICROPHONE}
			if track.Kind() == webrtc.RTPCodecTypeVideo {
				options.Source = livekit.TrackSource_CAMERA
			}
			if _, err := room.LocalParticipant.PublishTrack(track, options); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			tracks = append(tracks, track)
		}
	}
	go send(tracks)
	fmt.Println("published")
	interrupted()
	return nil
}

// send writes what passes for pictures (RFC 6386: keyframes of 64 x 48) and sound, 25 times a second.
func send(tracks []*lksdk.LocalTrack) {
	picture := append([]byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x00, 0x30, 0x00}, make([]byte, 100)...)
	sound := []byte{0xf8, 0xff, 0xfe}
	const interval = 40 * time.Millisecond
	for range time.Tick(interval) {
		for _, track := range tracks {
			data := sound
			if track.Kind() == webrtc.RTPCodecTypeVideo {
				data = picture
			}
			// An error is that of a track whose connection is not up yet or no more.
			_ = track.WriteSample(media.Sample{Data: data, Duration: interval}, nil)
		}
	}
}
