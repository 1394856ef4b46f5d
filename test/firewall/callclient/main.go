// Command callclient is two participants on LiveKit's Go SDK: one publishes video until the program is told to stop, the other says how it
// comes. It prints "media" once it flows, and after each line on standard input, once it flows again, "media" again; it ends with its input.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	samples "github.com/pion/webrtc/v4/pkg/media"
)

const (
	patience = 40 * time.Second
	enough   = 30 // packets
)

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: callclient URL TOKEN TOKEN single|dual")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "callclient:", err)
		os.Exit(1)
	}
}

func run(url, viewer, publisher, mode string) error {
	options := []lksdk.ConnectOption{lksdk.WithConnectTimeout(patience)}
	if mode == "single" {
		options = append(options, lksdk.WithSinglePeerConnection())
	}
	var packets atomic.Int64
	watching, err := lksdk.ConnectToRoomWithToken(url, viewer, &lksdk.RoomCallback{ParticipantCallback: lksdk.ParticipantCallback{
		OnTrackSubscribed: func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
			go func() {
				for {
					if _, _, err := track.ReadRTP(); err != nil {
						return
					}
					packets.Add(1)
				}
			}()
		},
	}}, options...)
	if err != nil {
		return fmt.Errorf("join as viewer: %w", err)
	}
	defer watching.Disconnect()
	sending, err := lksdk.ConnectToRoomWithToken(url, publisher, &lksdk.RoomCallback{}, options...)
	if err != nil {
		return fmt.Errorf("join as publisher: %w", err)
	}
	defer sending.Disconnect()
	if err := publish(sending); err != nil {
		return err
	}
	input := bufio.NewScanner(os.Stdin)
	for {
		if err := flows(&packets); err != nil {
			return err
		}
		fmt.Println("media")
		if !input.Scan() {
			return nil
		}
	}
}

func flows(packets *atomic.Int64) error {
	before := packets.Load()
	for deadline := time.Now().Add(patience); packets.Load() < before+enough; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New("no media comes")
		}
	}
	return nil
}

func publish(room *lksdk.Room) error {
	track, err := lksdk.NewLocalSampleTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000})
	if err != nil {
		return fmt.Errorf("make a track: %w", err)
	}
	if _, err := room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{}); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	go func() {
		for n := 0; ; n++ {
			frame := append([]byte{0x31, 0x02, 0x00}, make([]byte, 600)...)
			if n%30 == 0 { // keyframe header of RFC 6386: 64 x 48
				frame = append([]byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x00, 0x30, 0x00}, make([]byte, 900)...)
			}
			_ = track.WriteSample(samples.Sample{Data: frame, Duration: time.Second / 30}, nil) // it may not be bound
			time.Sleep(time.Second / 30)
		}
	}()
	return nil
}
