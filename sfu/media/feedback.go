package media

import (
	"encoding/binary"
	"errors"
	"math"
)

// ErrRTCP is the error of ParseFeedback and ParseSenderReports: a packet that is not well-formed RTCP.
var ErrRTCP = errors.New("rtcp packet malformed")

// RTCP packet types and feedback formats (RFC 3550, 4585, 5104, draft-alvestrand-rmcat-remb).
const (
	rtcpSR    = 200
	rtcpRR    = 201
	rtcpRTPFB = 205
	rtcpPSFB  = 206

	formatNACK = 1  // of rtcpRTPFB
	formatPLI  = 1  // of rtcpPSFB
	formatFIR  = 4  // of rtcpPSFB
	formatREMB = 15 // of rtcpPSFB: application layer feedback

	rtcpHeaderSize  = 4
	reportBlockSize = 24
)

// What one compound packet may hold at most; what is beyond is left out and counted in Feedback.Dropped.
const (
	maxNacks   = 1024
	maxPLI     = 64
	maxReports = 128
)

// Nack names one packet that a viewer misses.
type Nack struct {
	SSRC uint32
	Seq  uint16
}

// ReceptionReport is a report block (RFC 3550 section 6.4.1).
type ReceptionReport struct {
	SSRC         uint32
	FractionLost uint8  // of 256, since the last report
	TotalLost    int32  // 24 bits, may be negative when there are duplicates
	HighestSeq   uint32 // extended
	Jitter       uint32 // in ticks of the clock
	LSR          uint32 // middle 32 bits of the NTP time of the last sender report, 0 = none
	DLSR         uint32 // delay since then in 1/65536 s
}

// Feedback is what a viewer's compound RTCP packet asks and reports. ParseFeedback reuses its slices.
type Feedback struct {
	Nacks   []Nack
	PLI     []uint32 // media SSRCs that need a keyframe; full intra requests included
	Reports []ReceptionReport
	REMB    uint64 // bit/s, valid when HasREMB
	HasREMB bool
	Dropped int // entries beyond the limits
}

func (fb *Feedback) reset() {
	*fb = Feedback{Nacks: fb.Nacks[:0], PLI: fb.PLI[:0], Reports: fb.Reports[:0]}
}

// ParseFeedback reads a compound or reduced-size (RFC 5506) RTCP packet into fb, replacing what it held. Packet types
// that it does not know are passed over. On ErrRTCP fb is empty: nothing of a broken packet is believed.
// It allocates only while fb's slices grow.
func ParseFeedback(b []byte, fb *Feedback) error {
	fb.reset()
	if len(b) == 0 {
		return ErrRTCP
	}
	for len(b) > 0 {
		p, rest, err := nextRTCP(b)
		if err == nil {
			err = fb.add(p)
		}
		if err != nil {
			fb.reset()
			return err
		}
		b = rest
	}
	return nil
}

// rtcpPacket is one packet of a compound, without header and padding.
type rtcpPacket struct {
	kind  uint8
	count uint8 // report count or feedback format
	body  []byte
}

// nextRTCP cuts the first packet off b and checks version, length and padding (RFC 3550 appendix A.2). Padding of one to
// three bytes, and before the end of a compound, is what browsers send with transport-wide feedback, so it is accepted.
func nextRTCP(b []byte) (p rtcpPacket, rest []byte, err error) {
	if len(b) < rtcpHeaderSize || b[0]>>6 != 2 {
		return p, nil, ErrRTCP
	}
	size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
	if size > len(b) {
		return p, nil, ErrRTCP
	}
	p = rtcpPacket{kind: b[1], count: b[0] & 0x1f, body: b[rtcpHeaderSize:size]}
	rest = b[size:]
	if b[0]&0x20 != 0 {
		if len(p.body) == 0 {
			return p, nil, ErrRTCP
		}
		padding := int(p.body[len(p.body)-1])
		if padding == 0 || padding > len(p.body) {
			return p, nil, ErrRTCP
		}
		p.body = p.body[:len(p.body)-padding]
	}
	return p, rest, nil
}

func (fb *Feedback) add(p rtcpPacket) error {
	switch {
	case p.kind == rtcpSR:
		return fb.addReports(p, 24)
	case p.kind == rtcpRR:
		return fb.addReports(p, 4)
	case p.kind != rtcpRTPFB && p.kind != rtcpPSFB:
		return nil
	case len(p.body) < 8: // sender SSRC, media SSRC
		return ErrRTCP
	}
	media, items := binary.BigEndian.Uint32(p.body[4:]), p.body[8:]
	switch {
	case p.kind == rtcpRTPFB && p.count == formatNACK:
		return fb.addNacks(media, items)
	case p.kind == rtcpPSFB && p.count == formatPLI:
		fb.addPLI(media)
	case p.kind == rtcpPSFB && p.count == formatFIR:
		return fb.addFIR(items)
	case p.kind == rtcpPSFB && p.count == formatREMB:
		return fb.addREMB(items)
	}
	return nil
}

func (fb *Feedback) addReports(p rtcpPacket, skip int) error {
	if len(p.body) < skip+reportBlockSize*int(p.count) {
		return ErrRTCP
	}
	for b := p.body[skip : skip+reportBlockSize*int(p.count)]; len(b) > 0; b = b[reportBlockSize:] {
		if len(fb.Reports) == maxReports {
			fb.Dropped++
			continue
		}
		fb.Reports = append(fb.Reports, ReceptionReport{
			SSRC:         binary.BigEndian.Uint32(b),
			FractionLost: b[4],
			TotalLost:    int32(binary.BigEndian.Uint32(b[4:])<<8) >> 8, // sign extended
			HighestSeq:   binary.BigEndian.Uint32(b[8:]),
			Jitter:       binary.BigEndian.Uint32(b[12:]),
			LSR:          binary.BigEndian.Uint32(b[16:]),
			DLSR:         binary.BigEndian.Uint32(b[20:]),
		})
	}
	return nil
}

// addNacks expands the pairs of number and bit mask of RFC 4585 section 6.2.1.
func (fb *Feedback) addNacks(ssrc uint32, b []byte) error {
	if len(b) == 0 || len(b)%4 != 0 {
		return ErrRTCP
	}
	for ; len(b) > 0; b = b[4:] {
		seq, mask := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		fb.addNack(ssrc, seq)
		for ; mask != 0; mask >>= 1 {
			seq++
			if mask&1 != 0 {
				fb.addNack(ssrc, seq)
			}
		}
	}
	return nil
}

func (fb *Feedback) addNack(ssrc uint32, seq uint16) {
	if len(fb.Nacks) == maxNacks {
		fb.Dropped++
		return
	}
	fb.Nacks = append(fb.Nacks, Nack{SSRC: ssrc, Seq: seq})
}

func (fb *Feedback) addPLI(ssrc uint32) {
	if len(fb.PLI) == maxPLI {
		fb.Dropped++
		return
	}
	fb.PLI = append(fb.PLI, ssrc)
}

// addFIR reads the entries of RFC 5104 section 4.3.1; repeats are left to the throttle of keyframe requests.
func (fb *Feedback) addFIR(b []byte) error {
	if len(b) == 0 || len(b)%8 != 0 {
		return ErrRTCP
	}
	for ; len(b) > 0; b = b[8:] {
		fb.addPLI(binary.BigEndian.Uint32(b))
	}
	return nil
}

// addREMB reads "REMB", SSRC count, exponent(6), mantissa(18). Other application layer feedback is passed over.
func (fb *Feedback) addREMB(b []byte) error {
	if len(b) < 8 || string(b[:4]) != "REMB" {
		return nil
	}
	if len(b) < 8+4*int(b[4]) {
		return ErrRTCP
	}
	exponent := b[5] >> 2
	mantissa := uint64(b[5]&0x03)<<16 | uint64(binary.BigEndian.Uint16(b[6:]))
	fb.REMB, fb.HasREMB = mantissa<<exponent, true
	if fb.REMB>>exponent != mantissa {
		fb.REMB = math.MaxUint64
	}
	return nil
}

// ParseSenderReports calls f for each sender report of a compound RTCP packet. It checks the whole packet first: on
// ErrRTCP f is not called at all.
func ParseSenderReports(b []byte, f func(ssrc uint32, ntp uint64, rtp uint32)) error {
	if len(b) == 0 {
		return ErrRTCP
	}
	for left := b; len(left) > 0; {
		p, rest, err := nextRTCP(left)
		if err != nil {
			return err
		}
		if p.kind == rtcpSR && len(p.body) < 24+reportBlockSize*int(p.count) {
			return ErrRTCP
		}
		left = rest
	}
	for len(b) > 0 {
		p, rest, _ := nextRTCP(b) // checked above
		if p.kind == rtcpSR {
			f(binary.BigEndian.Uint32(p.body), binary.BigEndian.Uint64(p.body[4:]), binary.BigEndian.Uint32(p.body[12:]))
		}
		b = rest
	}
	return nil
}
