package inspect

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"
	"strings"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// pngKept are the chunks that make the picture (PNG, third edition, section 11): its data, animation, transparency, colours and density.
const pngKept = " PLTE IDAT tRNS gAMA cHRM sRGB iCCP cICP mDCV cLLI sBIT bKGD pHYs hIST sPLT acTL fcTL fdAT "

// stripPNG copies the chunks that make the picture.
func stripPNG(w *bufio.Writer, seeker io.ReadSeeker, p *Picture) error {
	r := bufio.NewReaderSize(seeker, 32<<10)
	var signature [len(pngSignature)]byte
	if _, err := io.ReadFull(r, signature[:]); err != nil {
		return err
	}
	if string(signature[:]) != pngSignature {
		return malformed("not a PNG file")
	}
	_, _ = w.WriteString(pngSignature) // a bufio.Writer remembers its error
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		size, kind := int64(binary.BigEndian.Uint32(head[:])), string(head[4:])
		if size > 1<<31-1 {
			return malformed("a chunk is too long")
		}
		if (p.Width == 0) != (kind == "IHDR") {
			return malformed("its header is not where it belongs")
		}
		switch {
		case kind == "IHDR":
			if size != 13 {
				return malformed("its header has another length")
			}
			var body [13]byte
			if _, err := io.ReadFull(r, body[:]); err != nil {
				return err
			}
			if err := p.readHeader(&body); err != nil {
				return err
			}
			writeChunk(w, kind, body[:])
			if err := discard(r, 4); err != nil {
				return err
			}
		case kind == "IEND":
			if err := discard(r, size+4); err != nil {
				return err
			}
			writeChunk(w, kind, nil)
			if _, err := r.Peek(1); err == nil {
				p.Metadata = true // what follows is not the picture
			}
			return nil
		case strings.Contains(pngKept, " "+kind+" "):
			_, _ = w.Write(head[:])
			if _, err := io.CopyN(w, r, size+4); err != nil {
				return err
			}
		case kind == "eXIf":
			body := make([]byte, min(size, mostEXIF))
			if _, err := io.ReadFull(r, body); err != nil {
				return err
			}
			if err := discard(r, size-int64(len(body))+4); err != nil {
				return err
			}
			if p.readEXIF(body); p.Orientation != 1 {
				writeChunk(w, kind, orientationOnly(p.Orientation))
			}
		case kind == "iTXt":
			body := make([]byte, min(size, mostEXIF))
			if _, err := io.ReadFull(r, body); err != nil {
				return err
			}
			p.readXMP(body)
			if err := discard(r, size-int64(len(body))+4); err != nil {
				return err
			}
		default:
			p.Metadata = true
			if err := discard(r, size+4); err != nil {
				return err
			}
		}
	}
}

func writeChunk(w *bufio.Writer, kind string, body []byte) {
	sum := crc32.NewIEEE()
	_, _ = sum.Write([]byte(kind)) // never fails
	_, _ = sum.Write(body)
	_, _ = w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(body))))
	_, _ = w.WriteString(kind)
	_, _ = w.Write(body)
	_, _ = w.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
}

// readHeader notes what IHDR tells: size, and from depth, colour type and interlacing what decoding takes.
func (p *Picture) readHeader(body *[13]byte) error {
	width, height := binary.BigEndian.Uint32(body[:]), binary.BigEndian.Uint32(body[4:])
	if width > 1<<31-1 || height > 1<<31-1 {
		return ErrTooManyPixels
	}
	if err := p.sized(int(width), int(height)); err != nil {
		return err
	}
	perPixel := int64(4)
	if depth := body[8]; depth == 16 {
		perPixel = 8
	}
	if interlaced := body[12] != 0; interlaced {
		perPixel *= 2
	}
	p.memory = perPixel * int64(width) * int64(height)
	return nil
}
