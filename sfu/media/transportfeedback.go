package media

import (
	"encoding/binary"
	"time"
)

// Units of transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
const (
	formatTransport   = 15 // of rtcpRTPFB
	referenceUnit     = int64(64 * time.Millisecond)
	arrivalUnit       = int64(250 * time.Microsecond)
	maxTransportCount = 2048 // packets that one report may tell of; browsers stay below 512
)

// TransportFeedback is one report of when packets arrived, by their transport-wide numbers.
type TransportFeedback struct {
	Number   uint8     // of the report, modulo 256
	Packets  []Arrival // consecutive numbers
	Received int       // how many of them arrived
	Alone    bool      // nothing else was in the compound packet
}

// Arrival is what a report says of one packet. At is in ns of the receiver's clock, which turns over after 12 days; it has no meaning when
// the packet is Lost.
type Arrival struct {
	Seq  uint16
	Lost bool
	At   int64
}

func (f *TransportFeedback) reset() { *f = TransportFeedback{Packets: f.Packets[:0]} }

// parse reads the report after sender and media source.
func (f *TransportFeedback) parse(b []byte) error {
	f.reset()
	if len(b) < 8 {
		return ErrRTCP
	}
	base, count := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
	at := (int64(b[4])<<16 | int64(b[5])<<8 | int64(b[6])) * referenceUnit
	f.Number = b[7]
	if count == 0 || count > maxTransportCount {
		return ErrRTCP
	}
	deltas, err := f.statuses(b[8:], base, count)
	if err != nil {
		return err
	}
	for i := range f.Packets {
		p := &f.Packets[i]
		size := int(p.At)
		p.At, p.Lost = 0, size == 0
		if size == 0 {
			continue
		}
		if len(deltas) < size {
			return ErrRTCP
		}
		if size == 1 {
			at += int64(deltas[0]) * arrivalUnit
		} else {
			at += int64(int16(binary.BigEndian.Uint16(deltas))) * arrivalUnit
		}
		deltas = deltas[size:]
		p.At = at
		f.Received++
	}
	return nil
}

// statuses expands the chunks; each packet's At holds the bytes of its delta until they are read.
func (f *TransportFeedback) statuses(b []byte, base uint16, count int) (deltas []byte, err error) {
	add := func(symbol uint16) error {
		if symbol == 3 {
			return ErrRTCP
		}
		f.Packets = append(f.Packets, Arrival{Seq: base + uint16(len(f.Packets)), At: int64(symbol)})
		return nil
	}
	for len(f.Packets) < count {
		if len(b) < 2 {
			return nil, ErrRTCP
		}
		chunk := binary.BigEndian.Uint16(b)
		b = b[2:]
		switch {
		case chunk&0x8000 == 0: // a run of one status
			for n := min(int(chunk&0x1fff), count-len(f.Packets)); n > 0; n-- {
				if err := add(chunk >> 13 & 3); err != nil {
					return nil, err
				}
			}
			if chunk&0x1fff == 0 {
				return nil, ErrRTCP
			}
		case chunk&0x4000 == 0: // 14 statuses of one bit
			for i := 13; i >= 0 && len(f.Packets) < count; i-- {
				if err := add(chunk >> i & 1); err != nil {
					return nil, err
				}
			}
		default: // 7 statuses of two bits
			for i := 12; i >= 0 && len(f.Packets) < count; i -= 2 {
				if err := add(chunk >> i & 3); err != nil {
					return nil, err
				}
			}
		}
	}
	return b, nil
}

// FindTransportFeedback looks for a transport-wide report in a compound packet and reads it into f, the first if there are several. ok is
// false when there is none, or it is malformed: f is then empty.
func FindTransportFeedback(b []byte, f *TransportFeedback) (ok bool) {
	f.reset()
	for first := true; len(b) > 0; first = false {
		p, rest, err := nextRTCP(b)
		if err != nil {
			return false
		}
		if p.kind == rtcpRTPFB && p.count == formatTransport && len(p.body) >= 8 {
			if f.parse(p.body[8:]) != nil {
				f.reset()
				return false
			}
			f.Alone = first && len(rest) == 0
			return true
		}
		b = rest
	}
	return false
}
