package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// publisher sends a synthetic camera's video or a microphone's sound.
type publisher struct {
	// immutable
	pc          *webrtc.PeerConnection
	encodings   []*encoding // one without simulcast; the least first
	transceiver *webrtc.RTPTransceiver
	interval    time.Duration
	leave       func()

	sent atomic.Int64 // packets
}

// encoding is one stream of a publisher.
type encoding struct {
	// immutable
	rid   string
	track *webrtc.TrackLocalStaticRTP

	// owned by run
	frames frames
	key    time.Time // of the last keyframe

	keyframe atomic.Bool // somebody asked for one
}

// frames makes the packets of one frame after the other.
type frames interface {
	next(keyframe bool) []*rtp.Packet
}

// publish joins as a publisher; run then sends.
func publish(ctx context.Context, api *webrtc.API, join joiner, identity, kind string) (*publisher, error) {
	pc, err := newPeer(api)
	if err != nil {
		return nil, err
	}
	p := &publisher{pc: pc, interval: time.Second / framesPerSecond}
	if err := p.addTracks(kind); err != nil {
		_ = pc.Close()
		return nil, err
	}
	connected := make(chan struct{})
	onConnected(pc, connected)
	if p.leave, err = join(ctx, pc, identity, addTrack(kind)); err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := await(ctx, connected, "the connection"); err != nil {
		p.close()
		return nil, err
	}
	for _, e := range p.encodings {
		go p.listen(e)
	}
	return p, nil
}

func (p *publisher) addTracks(kind string) error {
	switch kind {
	case kindMicrophone, kindSilence:
		if p.interval = audioFrame; kind == kindSilence {
			p.interval = silentFrame
		}
		p.encodings = []*encoding{{frames: newMicrophone()}}
	case kindSimulcast:
		p.encodings = []*encoding{{rid: "q", frames: newCamera(lowShape)}, {rid: "h", frames: newCamera(mediumShape)}, {rid: "f", frames: newCamera(highShape)}}
	default:
		p.encodings = []*encoding{{frames: newCamera(highShape)}}
	}
	for i, e := range p.encodings {
		capability := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: clockRate}
		if isAudio(kind) {
			capability = opus
		}
		var options []func(*webrtc.TrackLocalStaticRTP)
		if e.rid != "" {
			options = append(options, webrtc.WithRTPStreamID(e.rid))
		}
		var err error
		if e.track, err = webrtc.NewTrackLocalStaticRTP(capability, kind, "bench", options...); err != nil {
			return fmt.Errorf("make track: %w", err)
		}
		if i > 0 {
			if err := p.transceiver.Sender().AddEncoding(e.track); err != nil {
				return fmt.Errorf("add encoding: %w", err)
			}
			continue
		}
		direction := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
		if p.transceiver, err = p.pc.AddTransceiverFromTrack(e.track, direction); err != nil {
			return fmt.Errorf("add track: %w", err)
		}
	}
	return nil
}

func isAudio(kind string) bool { return kind == kindMicrophone || kind == kindSilence }

// addTrack announces what publish sends.
func addTrack(kind string) *livekit.AddTrackRequest {
	if isAudio(kind) {
		return &livekit.AddTrackRequest{Cid: kind, Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE, DisableRed: true}
	}
	r := &livekit.AddTrackRequest{
		Cid: kind, Name: "camera", Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA, Width: 1280, Height: 720,
		SimulcastCodecs: []*livekit.SimulcastCodec{{Codec: "vp8", Cid: kind}},
	}
	if kind == kindSimulcast {
		r.Layers = []*livekit.VideoLayer{
			{Quality: livekit.VideoQuality_LOW, Width: 320, Height: 180, Bitrate: 160_000},
			{Quality: livekit.VideoQuality_MEDIUM, Width: 640, Height: 360, Bitrate: 450_000},
		}
	}
	r.Layers = append(r.Layers, &livekit.VideoLayer{Quality: livekit.VideoQuality_HIGH, Width: 1280, Height: 720, Bitrate: 2_000_000})
	return r
}

// listen notes who wants a keyframe, until the sender ends.
func (p *publisher) listen(e *encoding) {
	for {
		var packets []rtcp.Packet
		var err error
		if e.rid == "" {
			packets, _, err = p.transceiver.Sender().ReadRTCP()
		} else {
			packets, _, err = p.transceiver.Sender().ReadSimulcastRTCP(e.rid)
		}
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				e.keyframe.Store(true)
			}
		}
	}
}

// run sends a frame of each encoding, as a burst, at each tick.
func (p *publisher) run(ctx context.Context) error {
	ticker := time.NewTicker(p.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			for _, e := range p.encodings {
				if err := p.send(e, now); err != nil {
					return err
				}
			}
		}
	}
}

func (p *publisher) send(e *encoding, now time.Time) error {
	since := now.Sub(e.key)
	key := since >= keyframeInterval || since >= keyframePause && e.keyframe.Swap(false)
	if key {
		e.key = now
	}
	for _, packet := range e.frames.next(key) {
		if e.rid != "" {
			if err := p.name(e, packet); err != nil {
				return err
			}
		}
		stamp(packet.Payload, time.Now())
		if err := e.track.WriteRTP(packet); err != nil {
			return fmt.Errorf("send packet: %w", err)
		}
		p.sent.Add(1)
	}
	return nil
}

// name writes into a packet which section and which encoding it is of (RFC 8852), as browsers do at first.
func (p *publisher) name(e *encoding, packet *rtp.Packet) error {
	for _, x := range p.transceiver.Sender().GetParameters().HeaderExtensions {
		var value string
		switch x.URI {
		case sdp.SDESMidURI:
			value = p.transceiver.Mid()
		case sdp.SDESRTPStreamIDURI:
			value = e.rid
		default:
			continue
		}
		if err := packet.SetExtension(uint8(x.ID), []byte(value)); err != nil {
			return fmt.Errorf("set extension: %w", err)
		}
	}
	return nil
}

func (p *publisher) close() {
	p.leave()
	_ = p.pc.Close()
}
