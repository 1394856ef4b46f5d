package media

import "encoding/binary"

const (
	rtpHeaderSize = 12

	// RFC 8285: profiles of one-byte and two-byte header extensions. The low four bits of the two-byte profile are free for the application.
	profileOneByte     = 0xBEDE
	profileTwoByte     = 0x1000
	profileTwoByteMask = 0xFFF0
)

// header is what Put needs of an RTP header (RFC 3550 section 5.1); its slices point into the packet that was parsed.
type header struct {
	sequence    uint16
	timestamp   uint32
	payloadType uint8
	marker      bool

	payload    []byte // without padding
	dependency []byte
	capture    []byte
	level      []byte
}

// parse reads raw. It is written here because a header kept in a struct of an outside package would
// allocate its extension list anew for each packet that has more extensions than the one before.
func (h *header) parse(raw []byte, ids Extensions) error {
	if len(raw) < rtpHeaderSize {
		return ErrTooShort
	}
	if raw[0]>>6 != 2 {
		return ErrVersion
	}
	h.marker = raw[1]&0x80 != 0
	h.payloadType = raw[1] & 0x7f
	h.sequence = binary.BigEndian.Uint16(raw[2:])
	h.timestamp = binary.BigEndian.Uint32(raw[4:])
	h.dependency, h.capture, h.level = nil, nil, nil

	n := rtpHeaderSize + 4*int(raw[0]&0x0f)
	if len(raw) < n {
		return ErrTooShort
	}
	if raw[0]&0x10 != 0 {
		if len(raw) < n+4 {
			return ErrExtension
		}
		profile := binary.BigEndian.Uint16(raw[n:])
		start := n + 4
		n = start + 4*int(binary.BigEndian.Uint16(raw[n+2:]))
		if len(raw) < n {
			return ErrExtension
		}
		if err := h.extensions(profile, raw[start:n], ids); err != nil {
			return err
		}
	}
	end := len(raw)
	if raw[0]&0x20 != 0 {
		if end == n {
			return ErrPadding
		}
		padding := int(raw[end-1])
		if padding == 0 || padding > end-n {
			return ErrPadding
		}
		end -= padding
	}
	h.payload = raw[n:end]
	return nil
}

// extensions picks the negotiated elements (RFC 8285 sections 4.2 and 4.3). A block of another profile is legal and passed over.
func (h *header) extensions(profile uint16, b []byte, ids Extensions) error {
	oneByte := profile == profileOneByte
	if !oneByte && profile&profileTwoByteMask != profileTwoByte {
		return nil
	}
	for len(b) > 0 {
		if b[0] == 0 { // padding between elements
			b = b[1:]
			continue
		}
		var id uint8
		var size, skip int
		if oneByte {
			id, size, skip = b[0]>>4, int(b[0]&0x0f)+1, 1
			if id == 0 || id == 15 { // reserved: stop reading here
				return nil
			}
		} else {
			if len(b) < 2 {
				return ErrExtension
			}
			id, size, skip = b[0], int(b[1]), 2
		}
		if len(b) < skip+size {
			return ErrExtension
		}
		h.element(id, b[skip:skip+size], ids)
		b = b[skip+size:]
	}
	return nil
}

func (h *header) element(id uint8, value []byte, ids Extensions) {
	switch {
	case len(value) == 0:
	case id == ids.DependencyDescriptor:
		h.dependency = value
	case id == ids.AbsCaptureTime:
		h.capture = value
	case id == ids.AudioLevel:
		h.level = value
	}
}
