package inspect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image/gif"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func strip(mime string, b []byte) ([]byte, Picture, error) {
	var out bytes.Buffer
	p, err := Strip(&out, bytes.NewReader(b), mime)
	return out.Bytes(), p, err
}

type telling struct {
	name, mime string
	plain      []byte
	file       func(tiff []byte) []byte
	width      int
	turns      bool // it can say that it is to be turned
}

func tellingFiles(t testing.TB) []telling {
	var all []telling
	add := func(name, mime string, plain []byte, width int, file func(plain, tiff []byte) []byte) {
		all = append(all, telling{name, mime, plain, func(tiff []byte) []byte { return file(plain, tiff) }, width, mime != "image/gif"})
	}
	add("jpeg", "image/jpeg", plainJPEG(t, 61, 47), 61, tellingJPEG)
	add("progressive jpeg", "image/jpeg", sample(t, "progressive.jpg"), 80, tellingJPEG)
	add("png", "image/png", plainPNG(t), 64, tellingPNG)
	add("gif", "image/gif", plainGIF(t), 20, func(plain, _ []byte) []byte { return tellingGIF(plain) })
	for _, name := range []string{"lossy.webp", "lossless.webp", "animated.webp"} {
		add(name, "image/webp", sample(t, name), 64, tellingWebP)
	}
	return all
}

func TestStrip(t *testing.T) {
	for _, f := range tellingFiles(t) {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			for orientation := 1; orientation <= 8; orientation++ {
				before := f.file(exif(order, orientation))
				if !bytes.Contains(before, []byte(secret)) {
					t.Fatal("there is nothing to hide")
				}
				after, p, err := strip(f.mime, before)
				if err != nil {
					t.Fatalf("%s: %v", f.name, err)
				}
				for _, tell := range []string{secret, "GPS", "xmp", "Photoshop", "MPF", "tIME", "tEXt", "zTXt", "XMP"} {
					if bytes.Contains(after, []byte(tell)) {
						t.Errorf("%s: %q is left", f.name, tell)
					}
				}
				if f.turns && (p.Orientation != orientation || !p.GPS) || !p.Metadata || !p.Rewritten || p.Width != f.width {
					t.Errorf("%s, turned %d: %+v", f.name, orientation, p)
				}
				if f.name != "animated.webp" { // which only browsers decode
					sameLook(t, f.mime, before, after)
				}
				again, p, err := strip(f.mime, after)
				if err != nil || !bytes.Equal(again, after) || p.GPS || f.turns && p.Orientation != orientation {
					t.Errorf("%s, a second time: %+v, %v", f.name, p, err)
				}
				if w, h := p.Shown(); (orientation >= 5 && f.turns) != (w == p.Height && h == p.Width) {
					t.Errorf("%s, turned %d: shown as %d x %d", f.name, orientation, w, h)
				}
			}
		}
		// Without metadata nothing is taken, at most something that a program wrote about itself.
		after, p, err := strip(f.mime, f.plain)
		if err != nil || p.GPS || p.Orientation != 1 || len(after) > len(f.plain) {
			t.Errorf("%s, plain: %+v, %v", f.name, p, err)
		}
	}
}

func TestStripKeepsWhatIsOfThePicture(t *testing.T) {
	after, _, err := strip("image/jpeg", tellingJPEG(plainJPEG(t, 10, 10), exif(binary.BigEndian, 1)))
	if err != nil || !bytes.Contains(after, []byte("ICC_PROFILE\x00\x01\x01a profile")) || !bytes.Contains(after, []byte("JFIF\x00\x01\x02\x01\x00\x48\x00\x48\x00\x00\xff")) {
		t.Errorf("jpeg: %v, %q", err, after[:60])
	}
	after, _, err = strip("image/png", tellingPNG(plainPNG(t), exif(binary.BigEndian, 1)))
	if err != nil || !bytes.Contains(after, []byte("pHYs")) || bytes.Contains(after, []byte("eXIf")) {
		t.Errorf("png: %v", err)
	}
	after, _, err = strip("image/gif", tellingGIF(plainGIF(t)))
	if err != nil {
		t.Fatal(err)
	}
	if g, err := gif.DecodeAll(bytes.NewReader(after)); err != nil || g.LoopCount != 5 {
		t.Errorf("gif: %v repeats %v times", err, g.LoopCount)
	}
	after, _, err = strip("image/webp", sample(t, "animated.webp"))
	if err != nil || !bytes.Equal(after, sample(t, "animated.webp")) {
		t.Errorf("webp: %v", err)
	}
	// A frame of an animation may hold chunks that nobody knows.
	frame := bytes.Index(after, []byte("ANMF"))
	hidden := append(bytes.Clone(after[:frame+8+16]), append(chunkHead("priv", int64(len(secret))), secret+strings.Repeat("\x00", len(secret)&1)...)...)
	hidden = append(hidden, after[frame+8+16:]...)
	more := uint32(len(hidden) - len(after))
	binary.LittleEndian.PutUint32(hidden[4:], binary.LittleEndian.Uint32(after[4:])+more)
	binary.LittleEndian.PutUint32(hidden[frame+4:], binary.LittleEndian.Uint32(after[frame+4:])+more)
	if clean, p, err := strip("image/webp", hidden); err != nil || !bytes.Equal(clean, after) || !p.Metadata {
		t.Errorf("webp, within a frame: %+v, %v", p, err)
	}
}

// Another reader than ours finds nothing either, where it is installed, and it did before.
func TestOthersReadNoPlace(t *testing.T) {
	probe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed")
	}
	read := func(b []byte) string {
		path := filepath.Join(t.TempDir(), "picture")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), probe, "-v", "error", "-show_frames", "-show_format", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	before := tellingJPEG(plainJPEG(t, 64, 48), exif(binary.LittleEndian, 6))
	after, _, err := strip("image/jpeg", before)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(before); !strings.Contains(got, "GPS") || !strings.Contains(got, secret) {
		t.Errorf("there was nothing to find: %s", got)
	}
	if got := read(after); strings.Contains(got, "GPS") || strings.Contains(got, secret) {
		t.Error(got)
	}
}

func TestOthersAreCopied(t *testing.T) {
	for _, mime := range []string{"image/heic", "image/avif", "image/tiff", "application/pdf", ""} {
		content := []byte("anything " + secret)
		after, p, err := strip(mime, content)
		if err != nil || !bytes.Equal(after, content) || p.Rewritten || Rewrites(mime) {
			t.Errorf("%s: %+v, %v", mime, p, err)
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, f := range tellingFiles(t) {
		whole, _, err := strip(f.mime, f.plain)
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(whole) {
			if _, _, err := strip(f.mime, whole[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, cut to %d of %d: %v", f.name, n, len(whole), err)
			}
		}
		if _, _, err := strip(f.mime, []byte(strings.Repeat("no picture", 100))); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

func TestErrorsOfReaderAndWriter(t *testing.T) {
	full := errors.New("full")
	for _, f := range tellingFiles(t) {
		if _, err := Strip(writerFunc(func([]byte) (int, error) { return 0, full }), bytes.NewReader(f.plain), f.mime); !errors.Is(err, full) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// Pictures that say they are huge, in a few bytes.
func TestTooManyPixels(t *testing.T) {
	huge := map[string][]byte{}
	b := plainPNG(t)
	binary.BigEndian.PutUint32(b[16:], 50_000)
	binary.BigEndian.PutUint32(b[20:], 50_000)
	huge["image/png"] = b
	b = plainJPEG(t, 8, 8)
	at := bytes.Index(b, []byte{0xff, jpegSOF0})
	copy(b[at+5:], []byte{0xff, 0xff, 0xff, 0xff})
	huge["image/jpeg"] = b
	b = plainGIF(t)
	copy(b[6:], []byte{0xff, 0xff, 0xff, 0xff})
	huge["image/gif"] = b
	b = sample(t, "lossless.webp")
	copy(b[21:], []byte{0xff, 0xff, 0xff, 0x0f})
	huge["image/webp"] = b
	for mime, b := range huge {
		if _, _, err := strip(mime, b); !errors.Is(err, ErrTooManyPixels) {
			t.Errorf("%s: %v", mime, err)
		}
	}
	// A small canvas with a large picture in it.
	b = tellingWebP(sample(t, "lossy.webp"), nil)
	at = bytes.Index(b, []byte("VP8 "))
	copy(b[at+8+6:], []byte{0xff, 0x3f, 0xff, 0x3f})
	if _, _, err := strip("image/webp", b); !errors.Is(err, ErrTooManyPixels) {
		t.Errorf("inner size: %v", err)
	}
}

// fuzz checks that what is stripped looks as before and that stripping it again changes nothing.
func fuzz(f *testing.F, mime string) {
	for _, file := range tellingFiles(f) {
		if file.mime == mime {
			f.Add(file.plain)
			f.Add(file.file(exif(binary.LittleEndian, 6)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		after, p, err := strip(mime, b)
		if err != nil {
			return
		}
		again, q, err := strip(mime, after)
		if err != nil || !bytes.Equal(again, after) || q.GPS || q.Orientation != p.Orientation || q.Width != p.Width {
			t.Fatalf("a second time: %+v, then %+v, %v", p, q, err)
		}
		if p.memory > 1<<20 {
			return
		}
		if _, err := pixels(mime, b); err == nil {
			sameLook(t, mime, b, after)
		}
	})
}

func FuzzJPEG(f *testing.F) { fuzz(f, "image/jpeg") }
func FuzzPNG(f *testing.F)  { fuzz(f, "image/png") }
func FuzzGIF(f *testing.F)  { fuzz(f, "image/gif") }
func FuzzWebP(f *testing.F) { fuzz(f, "image/webp") }

func BenchmarkStripJPEG(b *testing.B) {
	file := tellingJPEG(plainJPEG(b, 2000, 1500), exif(binary.BigEndian, 6))
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Strip(io.Discard, bytes.NewReader(file), "image/jpeg"); err != nil {
			b.Fatal(err)
		}
	}
}
