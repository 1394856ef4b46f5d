package web

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

const (
	startPage = "index.html"
	callPage  = "call.html"
	chatPage  = "chat.html"
	// immutablePrefix is where the build puts files whose names carry the hash of their content.
	immutablePrefix = "assets/immutable/"
)

// contentTypes are all that the build writes; another kind of file is not served. They are fixed here because the
// system's table, which mime.TypeByExtension reads, may say anything.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".json":  "application/json",
	".png":   "image/png",
	".svg":   "image/svg+xml",
	".woff2": "font/woff2",
}

// variant is one encoding of a file.
type variant struct {
	encoding string // content coding; "" is the file as it is
	body     []byte
	etag     string // strong, quoted
}

// file is what one path answers with.
type file struct {
	contentType string
	immutable   bool
	variants    []variant // the preferred first; the last is the file as it is
}

// pages finds built files by name.
type pages struct {
	// immutable
	files fs.FS
	known map[string]file // nil: read each file when it is asked for
}

// readAll reads every file once; afterwards the file system is not touched.
func (p *pages) readAll() error {
	known := make(map[string]file)
	err := fs.WalkDir(p.files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if f, ok := p.read(name); ok {
			known[name] = f
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the built pages: %w", err)
	}
	p.known = known
	return nil
}

func (p *pages) page(name string) (file, bool) {
	if p.known != nil {
		f, ok := p.known[name]
		return f, ok
	}
	return p.read(name)
}

// asset finds a file below assets; HTML is never one.
func (p *pages) asset(name string) (file, bool) {
	if !fs.ValidPath(name) || path.Ext(name) == ".html" {
		return file{}, false
	}
	return p.page(name)
}

func (p *pages) read(name string) (file, bool) {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		return file{}, false
	}
	f := file{contentType: contentType, immutable: strings.HasPrefix(name, immutablePrefix)}
	for _, v := range []struct{ encoding, suffix string }{{"br", ".br"}, {"gzip", ".gz"}, {"", ""}} {
		body, err := fs.ReadFile(p.files, name+v.suffix)
		if errors.Is(err, fs.ErrNotExist) && v.encoding != "" {
			continue
		}
		if err != nil {
			return file{}, false
		}
		sum := sha256.Sum256(body)
		etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`
		f.variants = append(f.variants, variant{encoding: v.encoding, body: body, etag: etag})
	}
	return f, true
}
