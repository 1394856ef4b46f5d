package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func builtPages(t *testing.T) fstest.MapFS {
	t.Helper()
	return fstest.MapFS{
		"README":                            {Data: []byte("not a page")},
		"index.html":                        {Data: []byte("<!doctype html>start")},
		"call.html":                         {Data: []byte("<!doctype html>call")},
		"chat.html":                         {Data: []byte("<!doctype html>chat")},
		"assets/call.js":                    {Data: []byte("call()")},
		"assets/call.js.gz":                 {Data: zipped(t, "call()")},
		"assets/call.js.br":                 {Data: []byte("pretend brotli")},
		"assets/immutable/lib-AbCd1234.js":  {Data: []byte("lib()")},
		"assets/immutable/page-AbCd123.css": {Data: []byte("p{}")},
		"assets/hidden.html":                {Data: []byte("hidden")},
	}
}

func serve(t *testing.T, files fs.FS, opts Options, fixed bool) http.Handler {
	t.Helper()
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := newHandler(files, opts, fixed)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func ask(h http.Handler, method, target string, header http.Header) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRoutes(t *testing.T) {
	for _, test := range []struct {
		name        string
		dev         bool
		method      string
		path        string
		status      int
		contentType string
		body        string
		cache       string
	}{
		{"probe", false, "GET", "/", 200, "text/plain; charset=utf-8", "OK", "no-store"},
		{"start page", true, "GET", "/", 200, "text/html; charset=utf-8", "<!doctype html>start", "no-cache"},
		{"call page", false, "GET", "/call", 200, "text/html; charset=utf-8", "<!doctype html>call", "no-cache"},
		{"chat page", false, "GET", "/chat", 200, "text/html; charset=utf-8", "<!doctype html>chat", "no-cache"},
		{"head", false, "HEAD", "/call", 200, "text/html; charset=utf-8", "", "no-cache"},
		{"entry", false, "GET", "/assets/call.js", 200, "text/javascript; charset=utf-8", "call()", "no-cache"},
		{"hashed script", false, "GET", "/assets/immutable/lib-AbCd1234.js", 200, "text/javascript; charset=utf-8", "lib()", "public, max-age=31536000, immutable"},
		{"hashed style", false, "GET", "/assets/immutable/page-AbCd123.css", 200, "text/css; charset=utf-8", "p{}", "public, max-age=31536000, immutable"},
		{"missing asset", true, "GET", "/assets/none.js", 404, "text/plain; charset=utf-8", "Not found.\n", "no-store"},
		{"compressed name", false, "GET", "/assets/call.js.gz", 404, "text/plain; charset=utf-8", "Not found.\n", "no-store"},
		{"page as asset", false, "GET", "/assets/hidden.html", 404, "text/plain; charset=utf-8", "Not found.\n", "no-store"},
		{"folder", false, "GET", "/assets/immutable", 404, "text/plain; charset=utf-8", "Not found.\n", "no-store"},
		{"upwards", false, "GET", "/assets/../call.html", 404, "text/plain; charset=utf-8", "Not found.\n", "no-store"},
		{"file name of a page", true, "GET", "/index.html", 404, "text/plain; charset=utf-8", "Not found.\n", "no-store"},
		{"other path", true, "GET", "/anything", 404, "text/plain; charset=utf-8", "Not found.\n", "no-store"},
		{"method", false, "POST", "/call", 405, "text/plain; charset=utf-8", "Only GET and HEAD are answered here.\n", "no-store"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, fixed := range []bool{true, false} {
				r := ask(serve(t, builtPages(t), Options{Dev: test.dev}, fixed), test.method, test.path, nil)
				if r.StatusCode != test.status {
					t.Errorf("fixed %v: status %d, want %d", fixed, r.StatusCode, test.status)
				}
				if got := r.Header.Get("Content-Type"); got != test.contentType {
					t.Errorf("fixed %v: content type %q, want %q", fixed, got, test.contentType)
				}
				if got := r.Header.Get("Cache-Control"); got != test.cache {
					t.Errorf("fixed %v: caching %q, want %q", fixed, got, test.cache)
				}
				if got := body(t, r); got != test.body {
					t.Errorf("fixed %v: body %q, want %q", fixed, got, test.body)
				}
				for _, name := range []string{"Content-Security-Policy", "Permissions-Policy"} {
					if r.Header.Get(name) == "" {
						t.Errorf("fixed %v: no %s", fixed, name)
					}
				}
				if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Referrer-Policy") != "no-referrer" {
					t.Errorf("fixed %v: headers %v lack nosniff or no-referrer", fixed, r.Header)
				}
			}
		})
	}
}

func TestPolicyForbidsInlineCodeAndThirdParties(t *testing.T) {
	for _, forbidden := range []string{"unsafe-inline", "unsafe-eval", "http:", "https:", "*"} {
		if strings.Contains(contentSecurityPolicy, forbidden) {
			t.Errorf("the policy contains %q", forbidden)
		}
	}
}

func TestEncodings(t *testing.T) {
	h := serve(t, builtPages(t), Options{}, true)
	for _, test := range []struct{ accept, want string }{
		{"", ""},
		{"gzip", "gzip"},
		{"gzip, deflate, br", "br"},
		{"br;q=0.5, gzip;q=0.8", "gzip"},
		{"br;q=0, gzip", "gzip"},
		{"br;q=0, gzip;q=0", ""},
		{"*", "br"},
		{"*;q=0", ""},
		{"identity", ""},
		{"identity;q=0, gzip", "gzip"},
		{"identity;q=0", ""},
		{"gzip;q=nonsense", ""},
		{"X-GZIP", "gzip"},
		{" , ;;", ""},
	} {
		t.Run(test.accept, func(t *testing.T) {
			r := ask(h, "GET", "/assets/call.js", http.Header{"Accept-Encoding": {test.accept}})
			if got := r.Header.Get("Content-Encoding"); got != test.want {
				t.Errorf("encoding %q, want %q", got, test.want)
			}
			if r.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("Vary %q", r.Header.Get("Vary"))
			}
		})
	}
	r := ask(h, "GET", "/assets/call.js", http.Header{"Accept-Encoding": {"gzip"}})
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || string(text) != "call()" {
		t.Errorf("unpacked %q, %v", text, err)
	}
}

func TestConditionalRequests(t *testing.T) {
	h := serve(t, builtPages(t), Options{}, true)
	plainTag := ask(h, "GET", "/assets/call.js", nil).Header.Get("ETag")
	zipTag := ask(h, "GET", "/assets/call.js", http.Header{"Accept-Encoding": {"gzip"}}).Header.Get("ETag")
	if plainTag == "" || plainTag == zipTag {
		t.Fatalf("the encodings share the tag %q", plainTag)
	}
	for _, test := range []struct {
		name, match string
		status      int
	}{
		{"same", plainTag, 304},
		{"weak", "W/" + plainTag, 304},
		{"listed", `"other", ` + plainTag, 304},
		{"any", "*", 304},
		{"other encoding", zipTag, 200},
		{"other", `"other"`, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				r := ask(h, method, "/assets/call.js", http.Header{"If-None-Match": {test.match}})
				if r.StatusCode != test.status {
					t.Errorf("%s: status %d, want %d", method, r.StatusCode, test.status)
				}
				if r.Header.Get("ETag") != plainTag || r.Header.Get("Cache-Control") != "no-cache" {
					t.Errorf("%s: headers %v", method, r.Header)
				}
				if got := body(t, r); test.status == 304 && got != "" {
					t.Errorf("%s: body %q", method, got)
				}
			}
		})
	}
}

func TestHeadTellsTheLength(t *testing.T) {
	h := serve(t, builtPages(t), Options{}, true)
	r := ask(h, "HEAD", "/assets/call.js", nil)
	if r.Header.Get("Content-Length") != "6" {
		t.Errorf("length %q, want 6", r.Header.Get("Content-Length"))
	}
}

func TestWithoutBuiltPages(t *testing.T) {
	for _, dev := range []bool{false, true} {
		var log bytes.Buffer
		opts := Options{Dev: dev, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		h := serve(t, fstest.MapFS{"README": {Data: []byte("x")}}, opts, true)
		for range 3 {
			if r := ask(h, "GET", "/", nil); r.StatusCode != 200 || body(t, r) != "OK" {
				t.Errorf("dev %v: probe answered %d", dev, r.StatusCode)
			}
			r := ask(h, "GET", "/call", nil)
			if text := body(t, r); r.StatusCode != 503 || !strings.Contains(text, "make web") {
				t.Errorf("dev %v: call page answered %d %q", dev, r.StatusCode, text)
			}
		}
		if r := ask(h, "GET", "/assets/call.js", nil); r.StatusCode != 404 {
			t.Errorf("dev %v: asset answered %d", dev, r.StatusCode)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 1 {
			t.Errorf("dev %v: %d warnings, want 1:\n%s", dev, n, log.String())
		}
	}
}

func TestFolderIsReadAtEachRequest(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "call.html"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "index.html")); err != nil {
		t.Fatal(err)
	}
	h, err := Handler(Options{Dir: dir, Dev: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	first := ask(h, "GET", "/call", nil)
	write("second")
	second := ask(h, "GET", "/call", nil)
	if body(t, first) != "first" || body(t, second) != "second" || first.Header.Get("ETag") == second.Header.Get("ETag") {
		t.Error("a changed file was not read again")
	}
	if r := ask(h, "GET", "/", nil); body(t, r) != "OK" {
		t.Error("a link out of the folder was followed")
	}
}

func TestMissingFolderIsAnError(t *testing.T) {
	if _, err := Handler(Options{Dir: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("no error")
	}
}

func TestEmbedded(t *testing.T) {
	h, err := Handler(Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if r := ask(h, "GET", "/", nil); r.StatusCode != 200 || body(t, r) != "OK" {
		t.Errorf("probe answered %d", r.StatusCode)
	}
	if r := ask(h, "GET", "/assets/README", nil); r.StatusCode != 404 {
		t.Errorf("the folder's README answered %d", r.StatusCode)
	}
}

// TestBuiltScriptsAreASCII reads whatever is built into this binary; an embedder's page may name any charset.
func TestBuiltScriptsAreASCII(t *testing.T) {
	err := fs.WalkDir(built, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(name) != ".js" {
			return err
		}
		text, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		for i, c := range text {
			if c > 126 {
				t.Errorf("%s: byte %#x at %d", name, c, i)
				break
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
