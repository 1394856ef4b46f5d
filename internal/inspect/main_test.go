package inspect

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret stands in all metadata that the tests write.
const secret = "Somebody's Phone 4711"

// exif returns a TIFF block with a camera's name, an orientation, and a place: 52° 31' 12" N, 13° 24' 36" E.
func exif(order binary.AppendByteOrder, orientation int) []byte {
	b := []byte("II")
	if order.String() == "BigEndian" {
		b = []byte("MM")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8)
	entry := func(tag, kind uint16, count, value uint32) {
		b = order.AppendUint16(b, tag)
		b = order.AppendUint16(b, kind)
		b = order.AppendUint32(b, count)
		if kind == typeShort {
			b = order.AppendUint16(b, uint16(value))
			b = order.AppendUint16(b, 0)
		} else {
			b = order.AppendUint32(b, value)
		}
	}
	const gps = 8 + 2 + 3*12 + 4
	const data = gps + 2 + 4*12 + 4
	b = order.AppendUint16(b, 3)
	entry(0x010f, 2, uint32(len(secret)), data+48)
	entry(tagOrientation, typeShort, 1, uint32(orientation))
	entry(tagGPS, 4, 1, gps)
	b = order.AppendUint32(b, 0)
	b = order.AppendUint16(b, 4)
	letter := func(l byte) uint32 { return order.(binary.ByteOrder).Uint32([]byte{l, 0, 0, 0}) }
	entry(1, 2, 2, letter('N'))
	entry(2, 5, 3, data)
	entry(3, 2, 2, letter('E'))
	entry(4, 5, 3, data+24)
	b = order.AppendUint32(b, 0)
	for _, v := range []uint32{52, 1, 31, 1, 12, 1, 13, 1, 24, 1, 36, 1} {
		b = order.AppendUint32(b, v)
	}
	return append(b, secret...)
}

const xmp = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:GPSLatitude="52,31.2N" by="` + secret + `"/></x:xmpmeta>`

// picture returns something that looks different turned any way.
func picture(width, height int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetRGBA(x, y, color.RGBA{uint8(255 * x / width), uint8(255 * y / height), uint8((x / 8 % 2) * 128), 255})
		}
	}
	return m
}

func encoded(t testing.TB, encode func(*bytes.Buffer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func plainJPEG(t testing.TB, width, height int) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return jpeg.Encode(b, picture(width, height), nil) })
}

func plainPNG(t testing.TB) []byte {
	return encoded(t, func(b *bytes.Buffer) error { return png.Encode(b, picture(64, 48)) })
}

func plainGIF(t testing.TB) []byte {
	palette := color.Palette{color.Black, color.White, color.RGBA{255, 0, 0, 255}}
	g := &gif.GIF{LoopCount: 5}
	for i := range 3 {
		m := image.NewPaletted(image.Rect(0, 0, 20, 10), palette)
		for at := range m.Pix {
			m.Pix[at] = uint8((at + i) % 3)
		}
		g.Image, g.Delay, g.Disposal = append(g.Image, m), append(g.Delay, 10*i), append(g.Disposal, gif.DisposalBackground)
	}
	return encoded(t, func(b *bytes.Buffer) error { return gif.EncodeAll(b, g) })
}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func segment(marker byte, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	return append([]byte{0xff, marker, byte((len(all) + 2) >> 8), byte(len(all) + 2)}, all...)
}

// tellingJPEG puts into a JPEG file what phones and programs put there.
func tellingJPEG(plain []byte, tiff []byte) []byte {
	return bytes.Join([][]byte{
		plain[:2],
		segment(jpegAPP1, exifHeader, tiff),
		segment(jpegAPP0, []byte("JFIF\x00\x01\x02\x01\x00\x48\x00\x48\x01\x01abc"), []byte(secret)),
		segment(jpegAPP1, []byte("http://ns.adobe.com/xap/1.0/\x00"), []byte(xmp)),
		segment(0xed, []byte("Photoshop 3.0\x00"), []byte(secret)),
		segment(jpegAPP2, []byte("MPF\x00"), []byte(secret)),
		segment(jpegAPP2, []byte("ICC_PROFILE\x00\x01\x01"), []byte("a profile")),
		segment(0xe5, []byte(secret)),
		segment(0xfe, []byte(secret)),
		{0xff, 0xff}, // filling
		plain[3:],
		[]byte("ftyp " + secret), // as of a moving photo
	}, nil)
}

func chunk(kind string, body []byte) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), kind...)
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func tellingPNG(plain []byte, tiff []byte) []byte {
	const header = 8 + 12 + 13
	return bytes.Join([][]byte{
		plain[:header],
		chunk("pHYs", []byte{0, 0, 11, 19, 0, 0, 11, 19, 1}),
		chunk("eXIf", tiff),
		chunk("tEXt", []byte("Comment\x00"+secret)),
		chunk("zTXt", []byte("Comment\x00\x00"+secret)),
		chunk("iTXt", []byte("XML:com.adobe.xmp\x00\x00\x00\x00\x00"+xmp)),
		chunk("tIME", []byte{7, 234, 11, 21, 9, 0, 0}),
		chunk("caBX", []byte(secret)),
		chunk("prVt", []byte(secret)),
		plain[header:],
		[]byte(secret),
	}, nil)
}

func tellingGIF(plain []byte) []byte {
	head := 13 + 3<<(plain[10]&7+1)
	if plain[10]&0x80 == 0 {
		head = 13
	}
	blocks := func(label byte, first string, data string) []byte {
		b := append([]byte{gifExtension, label, byte(len(first))}, first...)
		b = append(append(b, byte(len(data))), data...)
		return append(b, 0)
	}
	return bytes.Join([][]byte{
		plain[:head],
		blocks(0xfe, "by", secret),
		blocks(gifApplication, "XMP DataXMP", xmp),
		blocks(gifApplication, "ICCRGBG1012", secret),
		plain[head:],
		[]byte(secret),
	}, nil)
}

// tellingWebP adds metadata to a WebP file, as an extended one if it is simple.
func tellingWebP(plain []byte, tiff []byte) []byte {
	add := func(kind string, body []byte) []byte {
		b := append(chunkHead(kind, int64(len(body))), body...)
		return append(b, make([]byte, len(body)&1)...)
	}
	body := bytes.Clone(plain[12:])
	if string(body[:4]) == "VP8X" {
		body[8] |= webpEXIF | webpXMP
	} else {
		body = append(add("VP8X", []byte{webpEXIF | webpXMP, 0, 0, 0, 63, 0, 0, 47, 0, 0}), body...)
	}
	body = bytes.Join([][]byte{body, add("EXIF", tiff), add("XMP ", []byte(xmp)), add("what", []byte(secret))}, nil)
	all := append(chunkHead("RIFF", int64(len(body)+4)), "WEBP"...)
	return append(append(all, body...), secret...)
}

// pixels decodes a picture, animations whole.
func pixels(mime string, b []byte) (any, error) {
	if mime == "image/gif" {
		g, err := gif.DecodeAll(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		return []any{g.Image, g.Delay, g.Disposal, g.BackgroundIndex, g.Config.Width, g.Config.Height}, nil
	}
	return decodeSafely(decoders[mime], bytes.NewReader(b))
}

func sameLook(t testing.TB, mime string, before, after []byte) {
	t.Helper()
	was, err := pixels(mime, before)
	if err != nil {
		t.Fatalf("the picture before: %v", err)
	}
	is, err := pixels(mime, after)
	if err != nil {
		t.Fatalf("the picture after: %v", err)
	}
	if !reflect.DeepEqual(was, is) {
		t.Errorf("%s looks different", mime)
	}
}
