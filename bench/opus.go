package main

import (
	"math/rand/v2"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// The synthetic microphone: 32 kbit/s in frames of 20 ms.
const (
	audioFrame   = 20 * time.Millisecond
	silentFrame  = 400 * time.Millisecond // of discontinuous transmission
	audioPayload = 80                     // bytes
	audioSamples = 960                    // of a frame
	audioType    = 111
)

var opus = webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2}

// microphone makes packets of sound.
type microphone struct {
	sequence  uint16
	timestamp uint32
}

func newMicrophone() *microphone {
	return &microphone{sequence: uint16(rand.Uint32()), timestamp: rand.Uint32()}
}

func (m *microphone) next(bool) []*rtp.Packet {
	payload := make([]byte, audioPayload)
	payload[0] = 0xfc // RFC 6716 section 3.1: CELT, full band, 20 ms, stereo
	m.sequence++
	m.timestamp += audioSamples
	return []*rtp.Packet{{
		Header:  rtp.Header{Version: 2, PayloadType: audioType, SequenceNumber: m.sequence, Timestamp: m.timestamp},
		Payload: payload,
	}}
}
