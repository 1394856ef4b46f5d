package inspect

import (
	"bytes"
	"encoding/binary"
)

// mostEXIF bounds what is read of metadata, in bytes.
const mostEXIF = 64 << 10

const (
	tagOrientation = 0x0112
	tagGPS         = 0x8825
	typeShort      = 3
)

// readEXIF notes what a TIFF block (EXIF without its header) tells. One that makes no sense tells nothing.
func (p *Picture) readEXIF(b []byte) {
	p.Metadata = true
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte("MM\x00*")):
		order = binary.BigEndian
	default:
		return
	}
	if len(b) < 8 {
		return
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return
	}
	n := int(order.Uint16(b[at:]))
	entries := b[at+2:]
	for range n {
		if len(entries) < 12 {
			return
		}
		entry := entries[:12]
		entries = entries[12:]
		switch order.Uint16(entry) {
		case tagOrientation:
			if v := int(order.Uint16(entry[8:])); order.Uint16(entry[2:]) == typeShort && v >= 1 && v <= 8 {
				p.Orientation = v
			}
		case tagGPS:
			p.GPS = true
		}
	}
}

// readXMP notes what an XMP block tells.
func (p *Picture) readXMP(b []byte) {
	p.Metadata = true
	if bytes.Contains(b, []byte("GPSLatitude")) || bytes.Contains(b, []byte("GPSLongitude")) {
		p.GPS = true
	}
}

// orientationOnly returns a TIFF block that holds the orientation and nothing else.
func orientationOnly(orientation int) []byte {
	return []byte{
		'M', 'M', 0, '*', 0, 0, 0, 8, // big-endian, the first directory follows
		0, 1, // one entry
		tagOrientation >> 8, tagOrientation & 0xff, 0, typeShort, 0, 0, 0, 1, 0, byte(orientation), 0, 0,
		0, 0, 0, 0, // no other directory
	}
}
