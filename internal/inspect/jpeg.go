package inspect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Markers of JPEG (ITU-T T.81, table B.1).
const (
	jpegSOF0  = 0xc0
	jpegSOF2  = 0xc2
	jpegDHT   = 0xc4
	jpegJPG   = 0xc8
	jpegDAC   = 0xcc
	jpegSOF15 = 0xcf
	jpegRST0  = 0xd0
	jpegRST7  = 0xd7
	jpegSOI   = 0xd8
	jpegEOI   = 0xd9
	jpegSOS   = 0xda
	jpegDQT   = 0xdb
	jpegDNL   = 0xdc
	jpegDRI   = 0xdd
	jpegAPP0  = 0xe0
	jpegAPP1  = 0xe1
	jpegAPP2  = 0xe2
	jpegAPP14 = 0xee
)

var (
	exifHeader = []byte("Exif\x00\x00")
	xmpHeader  = []byte("http://ns.adobe.com/")
)

// stripJPEG keeps the segments that make the picture: tables, frame, scans, JFIF's density, the colour profile and Adobe's colour transform.
func stripJPEG(w *bufio.Writer, seeker io.ReadSeeker, p *Picture) error {
	r := bufio.NewReaderSize(seeker, 32<<10)
	var soi [2]byte
	if _, err := io.ReadFull(r, soi[:]); err != nil {
		return err
	}
	if soi != [2]byte{0xff, jpegSOI} {
		return malformed("not a JPEG file")
	}
	_, _ = w.Write(soi[:]) // a bufio.Writer remembers its error
	turned := false
	segment := make([]byte, 1<<16)
	var after byte // the marker behind a scan, 0 for none
	for {
		marker, err := after, error(nil)
		if after = 0; marker == 0 {
			if marker, err = nextMarker(r, p); err != nil {
				return err
			}
		}
		switch {
		case marker == jpegEOI:
			if _, err := r.Peek(1); err == nil {
				p.Metadata = true // what follows is not the picture
			}
			_, err := w.Write([]byte{0xff, jpegEOI})
			return err
		case marker >= jpegRST0 && marker <= jpegRST7, marker == 0x01:
			continue // alone, and out of place
		case marker == jpegSOI:
			return malformed("a picture within the picture")
		}
		body, err := readSegment(r, segment)
		if err != nil {
			return err
		}
		switch {
		case marker >= jpegSOF0 && marker <= jpegSOF15 && marker != jpegDHT && marker != jpegJPG && marker != jpegDAC:
			if p.Width != 0 {
				return malformed("two frames")
			}
			if err := p.readFrame(marker, body); err != nil {
				return err
			}
			writeSegment(w, marker, body)
		case marker == jpegSOS:
			if p.Width == 0 {
				return malformed("a scan before the frame")
			}
			writeSegment(w, marker, body)
			if after, err = copyScan(w, r); err != nil {
				return err
			}
		case marker == jpegDHT, marker == jpegDAC, marker == jpegDQT, marker == jpegDRI, marker == jpegDNL:
			writeSegment(w, marker, body)
		case marker == jpegAPP0 && bytes.HasPrefix(body, []byte("JFIF\x00")):
			if len(body) >= 14 {
				p.Metadata = p.Metadata || len(body) > 14
				body[12], body[13] = 0, 0 // no preview
				body = body[:14]
			}
			writeSegment(w, marker, body)
		case marker == jpegAPP2 && bytes.HasPrefix(body, []byte("ICC_PROFILE\x00")):
			writeSegment(w, marker, body)
		case marker == jpegAPP14 && len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")):
			writeSegment(w, marker, body[:12])
		case marker == jpegAPP1 && bytes.HasPrefix(body, exifHeader):
			if turned {
				continue // the first one counts
			}
			if p.readEXIF(body[len(exifHeader):]); p.Orientation != 1 {
				turned = true
				writeSegment(w, jpegAPP1, append(bytes.Clone(exifHeader), orientationOnly(p.Orientation)...))
			}
		case marker == jpegAPP1 && bytes.HasPrefix(body, xmpHeader):
			p.readXMP(body)
		default:
			p.Metadata = true
		}
	}
}

// nextMarker goes to the next marker. What stands before it is skipped, as decoders do.
func nextMarker(r *bufio.Reader, p *Picture) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b != 0xff {
			p.Metadata = true
			continue
		}
		for b == 0xff { // filling
			if b, err = r.ReadByte(); err != nil {
				return 0, err
			}
		}
		if b != 0 {
			return b, nil
		}
	}
}

// readSegment reads a segment's body into a buffer that is large enough for any.
func readSegment(r io.Reader, buffer []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, buffer[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(buffer))
	if n < 2 {
		return nil, malformed("a segment without length")
	}
	_, err := io.ReadFull(r, buffer[:n-2])
	return buffer[:n-2], err
}

func writeSegment(w *bufio.Writer, marker byte, body []byte) {
	_, _ = w.Write([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)})
	_, _ = w.Write(body)
}

// copyScan copies entropy-coded data, and returns the marker that ends it.
func copyScan(w *bufio.Writer, r *bufio.Reader) (marker byte, err error) {
	for {
		chunk, err := r.ReadSlice(0xff)
		if errors.Is(err, bufio.ErrBufferFull) {
			_, _ = w.Write(chunk)
			continue
		}
		if err != nil {
			return 0, err
		}
		_, _ = w.Write(chunk[:len(chunk)-1])
		b := byte(0xff)
		for b == 0xff { // filling
			if b, err = r.ReadByte(); err != nil {
				return 0, err
			}
		}
		if b != 0 && (b < jpegRST0 || b > jpegRST7) {
			return b, nil
		}
		_, _ = w.Write([]byte{0xff, b})
	}
}

// readFrame notes the size in a frame header (T.81, B.2.2), and what decoding takes: a byte for each sample, and four more where all
// coefficients are kept until the last scan.
func (p *Picture) readFrame(marker byte, body []byte) error {
	if len(body) < 6 || len(body) < 6+3*int(body[5]) {
		return malformed("a short frame header")
	}
	if err := p.sized(int(binary.BigEndian.Uint16(body[3:])), int(binary.BigEndian.Uint16(body[1:]))); err != nil {
		return err
	}
	var samples, widest, highest int64
	for c := range int(body[5]) {
		h, v := int64(body[7+3*c]>>4), int64(body[7+3*c]&15)
		samples += h * v
		widest, highest = max(widest, h), max(highest, v)
	}
	if samples == 0 || widest*highest == 0 {
		return malformed("a frame without samples")
	}
	p.memory = int64(p.Width) * int64(p.Height) * samples / (widest * highest)
	if marker == jpegSOF2 {
		p.memory *= 5
	}
	return nil
}
