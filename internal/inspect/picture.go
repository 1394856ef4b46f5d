package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"careline/internal/errs"
)

// Picture is what a picture's bytes tell.
type Picture struct {
	Width, Height int  // as stored, in pixels; 0 when not known
	Orientation   int  // as EXIF counts, 1 to 8; 1 is as stored
	GPS           bool // its metadata told a place
	Metadata      bool // there was something to take out
	Rewritten     bool // false: the format is not rewritten, and what it tells is not known

	memory int64 // that decoding takes, in bytes
}

// Shown returns width and height after turning, in pixels.
func (p Picture) Shown() (width, height int) {
	if p.Orientation >= 5 {
		return p.Height, p.Width
	}
	return p.Width, p.Height
}

// ErrTooManyPixels says that a picture's header tells of more than MaxPixels.
var ErrTooManyPixels = errs.New(errs.Limit, "the picture has too many pixels")

// ErrMalformed says that a picture's bytes make no sense.
var ErrMalformed = errs.New(errs.Invalid, "the picture is damaged")

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }

// Strip copies a picture of a sniffed type without its metadata, from the beginning of r, and returns what was in it. Files of types that are
// not rewritten are copied as they are. The error is ErrMalformed, ErrTooManyPixels, or that of r or w; what was written is worth nothing then.
func Strip(w io.Writer, r io.ReadSeeker, mime string) (Picture, error) {
	p := Picture{Orientation: 1}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return p, err
	}
	rewrite := rewriters[mime]
	if rewrite == nil {
		_, err := io.Copy(w, r)
		return p, err
	}
	p.Rewritten = true
	out := bufio.NewWriterSize(w, 32<<10)
	err := rewrite(out, r, &p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = malformed("it ends early")
	}
	if err == nil && p.Width == 0 {
		err = malformed("it has no picture")
	}
	return p, errors.Join(err, out.Flush())
}

var rewriters = map[string]func(*bufio.Writer, io.ReadSeeker, *Picture) error{
	"image/jpeg":             stripJPEG,
	"image/png":              stripPNG,
	"image/vnd.mozilla.apng": stripPNG,
	"image/apng":             stripPNG,
	"image/webp":             stripWebP,
	"image/gif":              stripGIF,
}

// Rewrites reports whether Strip takes metadata out of files of a sniffed type.
func Rewrites(mime string) bool { return rewriters[mime] != nil }

// sized notes the size of a picture, or of a part of one, which may not be larger.
func (p *Picture) sized(width, height int) error {
	if width <= 0 || height <= 0 {
		return malformed("it has no size")
	}
	if int64(width)*int64(height) > MaxPixels {
		return ErrTooManyPixels
	}
	if p.Width == 0 {
		p.Width, p.Height = width, height
	}
	return nil
}

// discard skips n bytes.
func discard(r *bufio.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, r, n)
	return err
}
