package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"sync"
	"testing"

	"careline/internal/errs"
)

func thumbnail(t testing.TB, mime string, b []byte) (image.Image, error) {
	t.Helper()
	_, p, err := strip(mime, b)
	if err != nil {
		t.Fatal(err)
	}
	small, err := NewThumbnailer(0).Thumbnail(t.Context(), bytes.NewReader(b), mime, p)
	if err != nil {
		return nil, err
	}
	m, err := jpeg.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	return m, nil
}

func TestThumbnail(t *testing.T) {
	for _, f := range tellingFiles(t) {
		m, err := thumbnail(t, f.mime, f.file(exif(binary.BigEndian, 1)))
		if f.name == "animated.webp" {
			if !errors.Is(err, ErrNoThumbnail) {
				t.Errorf("%s: %v", f.name, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if m.Bounds().Dx() != f.width { // never made larger
			t.Errorf("%s: %v", f.name, m.Bounds())
		}
	}
	for size, want := range map[image.Point]image.Point{
		{X: 640, Y: 480}: {X: 320, Y: 240}, {X: 480, Y: 640}: {X: 240, Y: 320}, {X: 3000, Y: 10}: {X: 320, Y: 1}, {X: 1, Y: 2000}: {X: 1, Y: 320},
		{X: 320, Y: 320}: {X: 320, Y: 320}, {X: 321, Y: 1}: {X: 320, Y: 1},
	} {
		m, err := thumbnail(t, "image/jpeg", plainJPEG(t, size.X, size.Y))
		if err != nil || m.Bounds().Size() != want {
			t.Errorf("%v: %v, %v", size, m, err)
		}
	}
}

// The corner that is at the top left when the picture is shown is white, others are black.
func TestThumbnailIsUpright(t *testing.T) {
	const w, h = 32, 16
	corners := map[int]image.Point{1: {}, 2: {X: w}, 3: {X: w, Y: h}, 4: {Y: h}, 5: {}, 6: {Y: h}, 7: {X: w, Y: h}, 8: {X: w}}
	for orientation, corner := range corners {
		m := image.NewGray(image.Rect(0, 0, w, h))
		for y := range 8 {
			for x := range 8 {
				m.SetGray(min(corner.X, w-8)+x, min(corner.Y, h-8)+y, color.Gray{255})
			}
		}
		plain := encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, m, nil) })
		got, err := thumbnail(t, "image/jpeg", tellingJPEG(plain, exif(binary.BigEndian, orientation)))
		if err != nil {
			t.Fatal(err)
		}
		size := image.Pt(w, h)
		if orientation >= 5 {
			size = image.Pt(h, w)
		}
		bright := func(x, y int) bool { return color.GrayModel.Convert(got.At(x, y)).(color.Gray).Y > 128 }
		if got.Bounds().Size() != size || !bright(2, 2) || bright(size.X-3, 2) || bright(2, size.Y-3) || bright(size.X-3, size.Y-3) {
			t.Errorf("turned %d: %v", orientation, got.Bounds())
		}
	}
}

func TestTransparentIsWhite(t *testing.T) {
	b := encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, image.NewNRGBA(image.Rect(0, 0, 400, 400))) })
	m, err := thumbnail(t, "image/png", b)
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := m.At(100, 100).RGBA(); r < 0xf000 || g < 0xf000 || b < 0xf000 {
		t.Errorf("%v", m.At(100, 100))
	}
}

func TestNoThumbnail(t *testing.T) {
	b := plainJPEG(t, 100, 100)
	_, p, err := strip("image/jpeg", b)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for what, f := range map[string]func() ([]byte, error){
		"a type without": func() ([]byte, error) {
			return NewThumbnailer(0).Thumbnail(t.Context(), bytes.NewReader(b), "image/heic", Picture{})
		},
		"not looked at": func() ([]byte, error) {
			return NewThumbnailer(0).Thumbnail(t.Context(), bytes.NewReader(b), "image/jpeg", Picture{})
		},
		"no memory": func() ([]byte, error) {
			return NewThumbnailer(10_000).Thumbnail(t.Context(), bytes.NewReader(b), "image/jpeg", p)
		},
		"damaged": func() ([]byte, error) {
			return NewThumbnailer(0).Thumbnail(t.Context(), bytes.NewReader(b[:300]), "image/jpeg", p)
		},
	} {
		if small, err := f(); !errors.Is(err, ErrNoThumbnail) || small != nil {
			t.Errorf("%s: %d bytes, %v", what, len(small), err)
		}
	}
	if _, err := NewThumbnailer(0).Thumbnail(ended, bytes.NewReader(b), "image/jpeg", p); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
	if _, err := decodeSafely(func(io.Reader) (image.Image, error) { panic("no") }, nil); err == nil || errs.Is(err, errs.Invalid) {
		t.Errorf("panic: %v", err)
	}
}

// One picture is decoded at a time, and who waits may stop to.
func TestThumbnailsTakeTurns(t *testing.T) {
	b := plainJPEG(t, 100, 100)
	_, p, err := strip("image/jpeg", b)
	if err != nil {
		t.Fatal(err)
	}
	s := NewThumbnailer(0)
	s.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 4 {
		waiting.Go(func() {
			if _, err := s.Thumbnail(ctx, bytes.NewReader(b), "image/jpeg", p); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	cancel()
	waiting.Wait()
	<-s.turn
	if _, err := s.Thumbnail(t.Context(), bytes.NewReader(b), "image/jpeg", p); err != nil {
		t.Error(err)
	}
}

func BenchmarkThumbnail12Mpx(b *testing.B) {
	file := plainJPEG(b, 4000, 3000)
	_, p, err := strip("image/jpeg", file)
	if err != nil {
		b.Fatal(err)
	}
	s := NewThumbnailer(0)
	b.ReportMetric(float64(p.memory)/(1<<20), "MiB-expected")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Thumbnail(b.Context(), bytes.NewReader(file), "image/jpeg", p); err != nil {
			b.Fatal(err)
		}
	}
}
