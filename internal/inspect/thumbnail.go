package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// ThumbnailSize bounds the longer side of a thumbnail, in pixels.
const ThumbnailSize = 320

const (
	thumbnailQuality = 80
	thumbnailTime    = 15 * time.Second
)

// ErrNoThumbnail says that there is no thumbnail of a file: not a picture that we decode, or one that would take too much.
var ErrNoThumbnail = errors.New("no thumbnail")

// Thumbnailer makes pictures small, one after the other, so that no more memory than for one is used. Its methods may be called from any goroutine.
type Thumbnailer struct {
	// immutable
	memory int64
	turn   chan struct{}
}

// NewThumbnailer returns one that decodes no picture that takes more than so many bytes of memory; 0 is 256 MiB.
func NewThumbnailer(memory int64) *Thumbnailer {
	if memory == 0 {
		memory = 256 << 20
	}
	return &Thumbnailer{memory: memory, turn: make(chan struct{}, 1)}
}

var decoders = map[string]func(io.Reader) (image.Image, error){
	"image/jpeg":             jpeg.Decode,
	"image/png":              png.Decode,
	"image/vnd.mozilla.apng": png.Decode,
	"image/apng":             png.Decode,
	"image/webp":             webp.Decode,
	"image/gif":              gif.Decode, // the first picture
}

// Thumbnail returns a JPEG file of at most ThumbnailSize pixels each way, upright, on white, without metadata. p is what Strip told of the
// picture, of which r is the file before or after. The error is ErrNoThumbnail, or ctx's.
func (t *Thumbnailer) Thumbnail(ctx context.Context, r io.ReadSeeker, mime string, p Picture) ([]byte, error) {
	decode := decoders[mime]
	switch {
	case decode == nil || !p.Rewritten:
		return nil, fmt.Errorf("%w of %s", ErrNoThumbnail, mime)
	case p.memory <= 0 || p.memory > t.memory:
		return nil, fmt.Errorf("%w: decoding takes %d bytes", ErrNoThumbnail, p.memory)
	}
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, thumbnailTime)
	defer cancel()
	m, err := decodeSafely(decode, &untilDone{limited, r})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoThumbnail, err)
	}
	var small bytes.Buffer
	if err := jpeg.Encode(&small, turn(shrink(m), p.Orientation), &jpeg.Options{Quality: thumbnailQuality}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoThumbnail, err)
	}
	return small.Bytes(), nil
}

// untilDone is a reader that ends with its context, which is how a decoder is stopped.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(b)
}

// decodeSafely makes an error of a decoder's panic: what it reads was made by somebody who may want one.
func decodeSafely(decode func(io.Reader) (image.Image, error), r io.Reader) (m image.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder panicked: %v", p)
		}
	}()
	return decode(r)
}

// shrink returns a picture of at most ThumbnailSize each way. Large ones are first taken down to four times that by looking at some pixels
// only, so that time and memory are bounded.
func shrink(m image.Image) *image.RGBA {
	width, height := fit(m.Bounds().Dx(), m.Bounds().Dy(), ThumbnailSize)
	if w, h := fit(m.Bounds().Dx(), m.Bounds().Dy(), 4*ThumbnailSize); w < m.Bounds().Dx() || h < m.Bounds().Dy() {
		m = draws(draw.ApproxBiLinear, m, w, h)
	}
	return draws(draw.CatmullRom, m, width, height)
}

func draws(s draw.Scaler, m image.Image, width, height int) *image.RGBA {
	small := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(small, small.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	s.Scale(small, small.Bounds(), m, m.Bounds(), draw.Over, nil)
	return small
}

// fit returns a size in the same proportion whose longer side is at most limit, and whose shorter one is at least 1.
func fit(width, height, limit int) (int, int) {
	longer := max(width, height)
	if longer <= limit {
		return width, height
	}
	return max(1, width*limit/longer), max(1, height*limit/longer)
}

// turn makes a picture upright that is stored in an orientation of EXIF's.
func turn(m *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return m
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	upright := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch orientation {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			upright.SetRGBA(tx, ty, m.RGBAAt(x, y))
		}
	}
	return upright
}
