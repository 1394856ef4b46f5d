package inspect

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"
)

func zipped(t testing.TB, names ...string) []byte {
	return encoded(t, func(b *bytes.Buffer) error {
		z := zip.NewWriter(b)
		for _, name := range names {
			w, err := z.Create(name)
			if err != nil {
				return err
			}
			if _, err := w.Write([]byte("content")); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

func TestCheck(t *testing.T) {
	heic := []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")
	mp4 := []byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2")
	windows := append([]byte("MZ"), make([]byte, 200)...)
	linux := append([]byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00"), make([]byte, 100)...)
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	html := []byte("<!DOCTYPE html><html><script>alert(1)</script></html>")
	noise := []byte{0, 1, 2, 3, 254, 255, 0, 9}
	cases := []struct {
		name, declared string
		content        []byte
		mime           string
		class          Class
		err            error
	}{
		{"a.jpg", "image/jpeg", plainJPEG(t, 8, 8), "image/jpeg", Image, nil},
		{"a.jpg", "IMAGE/JPEG; q=1", plainJPEG(t, 8, 8), "image/jpeg", Image, nil},
		{"a.jpg", "image/png", plainJPEG(t, 8, 8), "image/jpeg", Image, nil}, // named wrongly, harmless
		{"a.png", "image/png", plainPNG(t), "image/png", Image, nil},
		{"a.gif", "", plainGIF(t), "image/gif", Image, nil},
		{"a.webp", "application/octet-stream", sample(t, "lossy.webp"), "image/webp", Image, nil},
		{"a.heic", "image/heic", heic, "image/heic", Image, nil},
		{"a.mp4", "video/mp4", mp4, "video/mp4", Video, nil},
		{"a.m4a", "audio/mp4", mp4, "video/mp4", Video, nil},
		{"a.txt", "text/plain", []byte("hello"), "text/plain", Text, nil},
		{"a.csv", "text/csv", []byte("a,b\n1,2\n"), "text/csv", Text, nil},
		{"a.json", "application/json", []byte(`{"a":1}`), "application/json", Text, nil},
		{"a.pdf", "application/pdf", []byte("%PDF-1.7\n"), "application/pdf", Document, nil},
		{"a.zip", "application/zip", zipped(t, "a"), "application/zip", Archive, nil},
		{"a.zip", "application/x-zip-compressed", zipped(t, "a"), "application/zip", Archive, nil},
		{"a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", zipped(t, "other"), "application/zip", Archive, nil},
		{"a.bin", "application/x-own", noise, unknown, Other, nil},
		{"a.dat", "video/x-own", noise, unknown, Other, nil},
		{"a.html", "text/html", html, "text/html", Text, nil}, // never shown, only downloaded
		{"a.svg", "image/svg+xml", svg, "image/svg+xml", Text, nil},

		{"a.jpg", "image/jpeg", html, "", "", ErrMismatch},
		{"a.jpg", "image/jpeg", svg, "", "", ErrMismatch},
		{"a.jpg", "image/jpeg", noise, "", "", ErrMismatch},
		{"a.jpg", "image/jpeg", nil, "", "", ErrMismatch},
		{"a.jpg", "image/jpeg", zipped(t, "a"), "", "", ErrMismatch},
		{"a.jpg", "image/jpeg", mp4, "", "", ErrMismatch},
		{"a.txt", "text/plain", plainJPEG(t, 8, 8), "", "", ErrMismatch},
		{"a.txt", "text/plain", noise, "", "", ErrMismatch},
		{"a.pdf", "application/pdf", []byte("hello"), "", "", ErrMismatch},
		{"a.pdf", "application/pdf", plainPNG(t), "", "", ErrMismatch},
		{"a.mp3", "audio/mpeg", html, "", "", ErrMismatch},

		{"a.jpg", "image/jpeg", windows, "", "", ErrDenied},
		{"a", "", windows, "", "", ErrDenied},
		{"a", "application/octet-stream", linux, "", "", ErrDenied},
		{"a.txt", "application/x-msdownload", []byte("hello"), "", "", ErrDenied},
		{"a.exe", "", []byte("hello"), "", "", ErrDenied},
		{"invoice.pdf.EXE", "application/pdf", []byte("%PDF-1.7\n"), "", "", ErrDenied},
		{"a.bat. . ", "text/plain", []byte("hello"), "", "", ErrDenied},
		{"a.jar", "application/zip", zipped(t, "META-INF/MANIFEST.MF"), "", "", ErrDenied},
		{"a", "text/plain", []byte("#!/bin/sh\nrm -rf /\n"), "", "", ErrDenied},
	}
	for _, c := range cases {
		got, err := Check(c.name, c.declared, c.content, DefaultDeny())
		if !errors.Is(err, c.err) || c.err == nil && (got.MIME != c.mime || got.Class != c.class) {
			t.Errorf("%s as %s: %+v, %v; expected %s, %s, %v", c.name, c.declared, got, err, c.mime, c.class, c.err)
		}
	}
	if _, err := Check("a.html", "", html, Deny{Types: []string{"text/html"}}); !errors.Is(err, ErrDenied) {
		t.Error(err)
	}
	if _, err := Check("a.svg", "", svg, Deny{Types: []string{"text/plain"}}); !errors.Is(err, ErrDenied) { // a special case of text
		t.Error(err)
	}
}

// What stands after Head counts for nothing.
func TestSniffLooksAtTheHead(t *testing.T) {
	if got := Sniff([]byte(strings.Repeat("a", Head) + "\x00\x01\x02")); got.MIME != "text/plain" {
		t.Errorf("%+v", got)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("a.jpg", "image/jpeg", plainJPEG(f, 8, 8))
	f.Add("a.exe", "text/plain", []byte("MZ"))
	f.Fuzz(func(t *testing.T, name, declared string, head []byte) {
		got, err := Check(name, declared, head, DefaultDeny())
		if err == nil && got.Class == Program {
			t.Errorf("%q as %q is a program", name, declared)
		}
		if err == nil && classOf(bare(declared)) == Image && got.Class != Image {
			t.Errorf("%q as %q is %s", name, declared, got.MIME)
		}
	})
}
