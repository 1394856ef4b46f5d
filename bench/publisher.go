package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

const cameraID = "camera"

// publisher sends the synthetic camera's video.
type publisher struct {
	// immutable
	pc    *webrtc.PeerConnection
	track *webrtc.TrackLocalStaticRTP
	leave func()

	sent     atomic.Int64 // packets
	keyframe atomic.Bool  // somebody asked for one
}

// publish joins as the publisher; run then sends.
func publish(ctx context.Context, api *webrtc.API, join joiner, identity string) (*publisher, error) {
	pc, err := newPeer(api)
	if err != nil {
		return nil, err
	}
	p := &publisher{pc: pc}
	p.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: clockRate}, cameraID, "bench")
	if err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("make track: %w", err)
	}
	transceiver, err := pc.AddTransceiverFromTrack(p.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("add track: %w", err)
	}
	connected := make(chan struct{})
	onConnected(pc, connected)
	if p.leave, err = join(ctx, pc, identity, cameraID); err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := await(ctx, connected, "the connection"); err != nil {
		p.close()
		return nil, err
	}
	go p.listen(transceiver.Sender())
	return p, nil
}

// listen notes who wants a keyframe, until the sender ends.
func (p *publisher) listen(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				p.keyframe.Store(true)
			}
		}
	}
}

// run sends a frame, as a burst, every 33 ms.
func (p *publisher) run(ctx context.Context) error {
	c := newCamera()
	ticker := time.NewTicker(time.Second / framesPerSecond)
	defer ticker.Stop()
	var last time.Time // of the last keyframe
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			since := now.Sub(last)
			key := since >= keyframeInterval || since >= keyframePause && p.keyframe.Swap(false)
			if key {
				last = now
			}
			for _, packet := range c.next(key) {
				stamp(packet.Payload, time.Now())
				if err := p.track.WriteRTP(packet); err != nil {
					return fmt.Errorf("send packet: %w", err)
				}
				p.sent.Add(1)
			}
		}
	}
}

func (p *publisher) close() {
	p.leave()
	_ = p.pc.Close()
}
