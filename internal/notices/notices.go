// Package notices holds what the licences of other people's code ask to be
// handed on with a binary: their texts, by module. The build collects them
// (`make notices`); a clone that was never built compiles and says so.
package notices

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
)

// File is where the build leaves the compressed text, seen from the package.
const File = "text/notices.txt.gz"

//go:embed all:text
var built embed.FS

// ErrNotBuilt is the error of a binary that was built without `make`.
var ErrNotBuilt = errors.New("this binary was built without its notices: build it with `make build`")

// Write writes the notices as plain text.
func Write(w io.Writer) error {
	compressed, err := fs.ReadFile(built, File)
	if err != nil {
		return ErrNotBuilt
	}
	text, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return fmt.Errorf("read notices: %w", err)
	}
	if _, err := io.Copy(w, text); err != nil {
		return fmt.Errorf("write notices: %w", err)
	}
	return nil
}

// Serve answers with the notices as plain text.
func Serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Content-Type", "text/plain; charset=utf-8")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		http.Error(w, "GET only", http.StatusMethodNotAllowed)
		return
	}
	if _, err := fs.Stat(built, File); err != nil {
		http.Error(w, ErrNotBuilt.Error(), http.StatusServiceUnavailable)
		return
	}
	header.Set("Cache-Control", "public, max-age=3600")
	if r.Method == http.MethodGet {
		_ = Write(w) // the client is gone if this fails
	}
}
