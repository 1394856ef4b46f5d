package inspect

import (
	"bufio"
	"encoding/binary"
	"io"
)

// Blocks of GIF (GIF89a specification, appendix A).
const (
	gifExtension = 0x21
	gifImage     = 0x2c
	gifTrailer   = 0x3b

	gifControl     = 0xf9
	gifApplication = 0xff
)

// stripGIF copies the pictures, how they follow one another, and how often they repeat.
func stripGIF(w *bufio.Writer, seeker io.ReadSeeker, p *Picture) error {
	r := bufio.NewReaderSize(seeker, 32<<10)
	head := make([]byte, 13)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	if v := string(head[:6]); v != "GIF87a" && v != "GIF89a" {
		return malformed("not a GIF file")
	}
	if err := p.sized(int(binary.LittleEndian.Uint16(head[6:])), int(binary.LittleEndian.Uint16(head[8:]))); err != nil {
		return err
	}
	p.memory = int64(p.Width) * int64(p.Height)
	_, _ = w.Write(head) // a bufio.Writer remembers its error
	if err := copyColours(w, r, head[10]); err != nil {
		return err
	}
	pictures := 0
	for {
		block, err := r.ReadByte()
		if err != nil {
			return err
		}
		switch block {
		case 0: // filling
		case gifTrailer:
			if _, err := r.Peek(1); err == nil {
				p.Metadata = true // what follows is not the picture
			}
			if pictures == 0 {
				return malformed("it has no picture")
			}
			return w.WriteByte(gifTrailer)
		case gifImage:
			if err := copyImage(w, r, p); err != nil {
				return err
			}
			pictures++
		case gifExtension:
			if err := p.copyExtension(w, r); err != nil {
				return err
			}
		default:
			return malformed("an unknown block")
		}
	}
}

// copyColours copies a colour table, if the flags tell of one.
func copyColours(w *bufio.Writer, r *bufio.Reader, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	_, err := io.CopyN(w, r, 3<<(flags&7+1))
	return err
}

// copyImage copies a picture after its first byte: where it is, its colours, its data.
func copyImage(w *bufio.Writer, r *bufio.Reader, p *Picture) error {
	head := make([]byte, 9)
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	width, height := int(binary.LittleEndian.Uint16(head[4:])), int(binary.LittleEndian.Uint16(head[6:]))
	if err := p.sized(width, height); err != nil {
		return err
	}
	_ = w.WriteByte(gifImage)
	_, _ = w.Write(head)
	if err := copyColours(w, r, head[8]); err != nil {
		return err
	}
	codeSize, err := r.ReadByte()
	if err != nil {
		return err
	}
	_ = w.WriteByte(codeSize)
	return subBlocks(r, func(b []byte) {
		_ = w.WriteByte(byte(len(b)))
		_, _ = w.Write(b)
	})
}

// subBlocks reads data in blocks of up to 255 bytes, the last of which is empty.
func subBlocks(r *bufio.Reader, each func([]byte)) error {
	block := make([]byte, 255)
	for {
		n, err := r.ReadByte()
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(r, block[:n]); err != nil {
			return err
		}
		each(block[:n])
		if n == 0 {
			return nil
		}
	}
}

// copyExtension copies an extension that belongs to the picture: the control of the next one, and of an application only the loop.
func (p *Picture) copyExtension(w *bufio.Writer, r *bufio.Reader) error {
	label, err := r.ReadByte()
	if err != nil {
		return err
	}
	var first []byte
	loop := []byte(nil)
	n := 0
	err = subBlocks(r, func(b []byte) {
		if n++; n == 1 {
			first = append(first, b...)
		} else if len(b) == 3 && b[0] == 1 && loop == nil {
			loop = append(loop, b...)
		}
	})
	if err != nil {
		return err
	}
	switch application := string(first); {
	case label == gifControl && len(first) == 4:
		_, _ = w.Write([]byte{gifExtension, gifControl, 4, first[0], first[1], first[2], first[3], 0})
	case label == gifApplication && (application == "NETSCAPE2.0" || application == "ANIMEXTS1.0") && loop != nil:
		_, _ = w.Write([]byte{gifExtension, gifApplication, byte(len(first))})
		_, _ = w.Write(first)
		_, _ = w.Write([]byte{3, loop[0], loop[1], loop[2], 0})
	default:
		p.Metadata = true
	}
	return nil
}
