package main

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/pion/rtp"
)

// The synthetic camera: about 2 Mbit/s as a browser sends 720p VP8, a frame being a burst of packets of one
// size and a shorter last one.
const (
	framesPerSecond  = 30
	payloadSize      = 1138 // bytes; 1150 with the RTP header
	lastPayloadSize  = 700
	keyframeInterval = 4 * time.Second
	keyframePause    = 500 * time.Millisecond // at least this between two keyframes asked for
	clockRate        = 90000                  // Hz
	payloadType      = 96
)

// shape is the size of an encoding.
type shape struct {
	packetsPerFrame, packetsPerKey int
	last                           int // bytes of the last payload
	width, height                  int
}

// The encodings of a camera with simulcast: about 140, 440 and 1800 kbit/s without keyframes.
var (
	lowShape    = shape{1, 4, 580, 320, 180}
	mediumShape = shape{2, 8, lastPayloadSize, 640, 360}
	highShape   = shape{7, 20, lastPayloadSize, 1280, 720}
)

// Each payload ends in a mark and the time it was sent at, so that a viewer can tell that it came through
// whole and how long it took.
const (
	mark     = 0xca2e11be0c4b3e57
	markSize = 16
)

// camera makes the packets of frames.
type camera struct {
	shape    shape
	sequence uint16
	picture  uint16 // 15 bits
	frame    uint32
	noise    [payloadSize]byte
}

func newCamera(s shape) *camera {
	c := &camera{shape: s, sequence: uint16(rand.Uint32()), picture: uint16(rand.Uint32()) & 0x7fff}
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(c.noise[:])
	return c
}

// next makes one frame's packets, payload descriptor after RFC 7741 section 4.2.
func (c *camera) next(keyframe bool) []*rtp.Packet {
	n := c.shape.packetsPerFrame
	if keyframe {
		n = c.shape.packetsPerKey
	}
	packets := make([]*rtp.Packet, n)
	for i := range packets {
		size := payloadSize
		if i == n-1 {
			size = c.shape.last
		}
		payload := append([]byte(nil), c.noise[:size]...)
		payload[0] = 0x80 // X
		if i == 0 {
			payload[0] |= 0x10 // S, partition 0
		}
		payload[1] = 0x80 // I
		binary.BigEndian.PutUint16(payload[2:], 0x8000|c.picture)
		if i == 0 {
			copy(payload[4:], c.shape.frameHeader(keyframe))
		}
		packets[i] = &rtp.Packet{
			Header: rtp.Header{
				Version:        2,
				Marker:         i == n-1,
				PayloadType:    payloadType,
				SequenceNumber: c.sequence,
				Timestamp:      c.frame * (clockRate / framesPerSecond),
			},
			Payload: payload,
		}
		c.sequence++
	}
	c.picture = (c.picture + 1) & 0x7fff
	c.frame++
	return packets
}

// frameHeader is the start of a VP8 frame, RFC 6386 section 9.1, with the size in a keyframe.
func (s shape) frameHeader(keyframe bool) []byte {
	const show, firstPartition = 1 << 4, 500 << 5 // bytes of the first partition
	tag := uint32(show | firstPartition)
	if !keyframe {
		tag |= 1
	}
	header := []byte{byte(tag), byte(tag >> 8), byte(tag >> 16)}
	if keyframe {
		header = append(header, 0x9d, 0x01, 0x2a, byte(s.width), byte(s.width>>8), byte(s.height), byte(s.height>>8))
	}
	return header
}

// stamp writes mark and time into the end of a payload.
func stamp(payload []byte, now time.Time) {
	end := payload[len(payload)-markSize:]
	binary.BigEndian.PutUint64(end, mark)
	binary.BigEndian.PutUint64(end[8:], uint64(now.UnixNano()))
}

// stamped reads them back; false for a payload that is not the camera's, such as padding.
func stamped(payload []byte) (time.Time, bool) {
	if len(payload) < markSize {
		return time.Time{}, false
	}
	end := payload[len(payload)-markSize:]
	if binary.BigEndian.Uint64(end) != mark {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(end[8:]))), true
}
