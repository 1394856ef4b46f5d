package inspect

import (
	"bufio"
	"encoding/binary"
	"io"
	"strings"
)

// Flags of a WebP file's VP8X chunk (RFC 9649, section 2.7.1).
const (
	webpXMP  = 0x04
	webpEXIF = 0x08
)

// webpKept are the chunks that make the picture, besides VP8X and ANMF (RFC 9649, section 2.7).
const webpKept = " VP8  VP8L ALPH ANIM ICCP "

// mostPieces bounds the chunks of a file.
const mostPieces = 100_000

// piece is a part of the new file: bytes, or a part of the old one.
type piece struct {
	bytes    []byte
	at, size int64
}

// webpPlan lists the new file's pieces: its length stands in front, so that the old one is gone through twice.
type webpPlan struct {
	r       io.ReadSeeker
	picture *Picture
	pieces  []piece
	size    int64 // of the pieces, in bytes
	head    []byte
}

// stripWebP copies the chunks that make the picture, in the file and in each frame of an animation.
func stripWebP(w *bufio.Writer, r io.ReadSeeker, p *Picture) error {
	end, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	plan := &webpPlan{r: r, picture: p}
	head, err := plan.read(0, 12)
	if err != nil {
		return err
	}
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WEBP" {
		return malformed("not a WebP file")
	}
	told := 8 + int64(binary.LittleEndian.Uint32(head[4:]))
	if told > end {
		return malformed("it ends early")
	}
	if told > 1<<31 {
		return malformed("it is too long") // its length, and that of what is added, have to stand in four bytes
	}
	p.Metadata = told < end
	if err := plan.chunks(12, told, false); err != nil {
		return err
	}
	if p.Orientation != 1 {
		exif := orientationOnly(p.Orientation)
		plan.add(piece{bytes: append(chunkHead("EXIF", int64(len(exif))), exif...)})
	}
	if plan.head != nil { // VP8X: its flags tell what is there
		plan.head[8] &^= webpXMP | webpEXIF
		if p.Orientation != 1 {
			plan.head[8] |= webpEXIF
		}
	}
	_, _ = w.Write(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(plan.size+4))) // a bufio.Writer remembers its error
	_, _ = w.WriteString("WEBP")
	for _, piece := range plan.pieces {
		if piece.bytes != nil {
			_, _ = w.Write(piece.bytes)
			continue
		}
		if _, err := r.Seek(piece.at, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(w, r, piece.size); err != nil {
			return err
		}
	}
	return nil
}

func (l *webpPlan) add(p piece) {
	l.pieces = append(l.pieces, p)
	l.size += p.size + int64(len(p.bytes))
}

func (l *webpPlan) read(at int64, n int64) ([]byte, error) {
	if _, err := l.r.Seek(at, io.SeekStart); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(l.r, b)
	return b, err
}

func chunkHead(kind string, size int64) []byte {
	return binary.LittleEndian.AppendUint32([]byte(kind), uint32(size))
}

// chunks plans the chunks between two places in the file, or in a frame.
func (l *webpPlan) chunks(at, end int64, inFrame bool) error {
	for at < end {
		if len(l.pieces) > mostPieces {
			return malformed("it has too many chunks")
		}
		if end-at < 8 {
			l.picture.Metadata = true // not a chunk
			return nil
		}
		head, err := l.read(at, 8)
		if err != nil {
			return err
		}
		kind, size := string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
		body := at + 8
		if size > end-body {
			return malformed("a chunk ends early")
		}
		at = min(body+size+size&1, end)
		if err := l.chunk(kind, body, size, inFrame); err != nil {
			return err
		}
	}
	return nil
}

func (l *webpPlan) chunk(kind string, body, size int64, inFrame bool) error {
	switch {
	case kind == "VP8X" && !inFrame:
		b, err := l.read(body, min(size, 10))
		if err != nil {
			return err
		}
		if len(b) < 10 || l.head != nil || len(l.pieces) > 0 {
			return malformed("its header is not where it belongs")
		}
		l.head = append(chunkHead(kind, 10), b...)
		l.add(piece{bytes: l.head})
		return l.picture.sized(1+uint24(b[4:]), 1+uint24(b[7:]))
	case kind == "ANMF" && !inFrame:
		return l.frame(body, size)
	case strings.Contains(webpKept, " "+kind+" "):
		if kind == "VP8 " || kind == "VP8L" {
			if err := l.bitstream(kind, body, size); err != nil {
				return err
			}
		}
		l.add(piece{bytes: chunkHead(kind, size)})
		l.add(piece{at: body, size: size})
		if size&1 == 1 {
			l.add(piece{bytes: []byte{0}})
		}
	case kind == "EXIF":
		b, err := l.read(body, min(size, mostEXIF))
		if err != nil {
			return err
		}
		l.picture.readEXIF([]byte(strings.TrimPrefix(string(b), string(exifHeader)))) // some write JPEG's header before it
	case kind == "XMP ":
		b, err := l.read(body, min(size, mostEXIF))
		if err != nil {
			return err
		}
		l.picture.readXMP(b)
	default:
		l.picture.Metadata = true
	}
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// frame plans a frame of an animation, whose length is that of what is kept of it.
func (l *webpPlan) frame(body, size int64) error {
	if size < 16 {
		return malformed("a short frame")
	}
	head, err := l.read(body, 16)
	if err != nil {
		return err
	}
	begin, before := len(l.pieces), l.size
	l.add(piece{bytes: append(chunkHead("ANMF", 0), head...)})
	if err := l.chunks(body+16, body+size, true); err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(l.pieces[begin].bytes[4:], uint32(l.size-before-8))
	return nil
}

// bitstream notes the size that stands in a picture's data (RFC 6386, section 9.1; RFC 9649, section 3.4), which is what a decoder goes by.
func (l *webpPlan) bitstream(kind string, body, size int64) error {
	var width, height int
	if kind == "VP8 " {
		if size < 10 {
			return malformed("a short picture")
		}
		b, err := l.read(body, 10)
		if err != nil {
			return err
		}
		width, height = int(binary.LittleEndian.Uint16(b[6:])&0x3fff), int(binary.LittleEndian.Uint16(b[8:])&0x3fff)
	} else {
		if size < 5 {
			return malformed("a short picture")
		}
		b, err := l.read(body, 5)
		if err != nil {
			return err
		}
		bits := binary.LittleEndian.Uint32(b[1:])
		width, height = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
	}
	if err := l.picture.sized(width, height); err != nil {
		return err
	}
	l.picture.memory = max(l.picture.memory, 8*int64(width)*int64(height)) // lossless is decoded to pixels, lossy with alpha to planes
	return nil
}
