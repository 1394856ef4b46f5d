package web

import (
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strings"
)

//go:embed all:dist
var built embed.FS

// Options say what Handler serves. The zero value serves the embedded pages without the start page.
type Options struct {
	// Dir is a folder with built pages to serve instead of the embedded ones; its files are read at each request, so
	// that a rebuild shows at once.
	Dir string
	// Dev puts the start page, which makes calls, at "/". Without it "/" answers a plain OK.
	Dev bool
	// Logger gets one warning when there are no built pages; nil means slog.Default().
	Logger *slog.Logger
}

// Handler serves the pages: "/", "/call", "/chat" and "/assets/...". Everything else is 404, a missing asset too. It fails only
// when Options.Dir cannot be opened.
func Handler(opts Options) (http.Handler, error) {
	if opts.Dir == "" {
		dist, err := fs.Sub(built, "dist")
		if err != nil {
			return nil, fmt.Errorf("open the embedded pages: %w", err)
		}
		return newHandler(dist, opts, true)
	}
	root, err := os.OpenRoot(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder with the pages: %w", err)
	}
	return newHandler(root.FS(), opts, false)
}

type handler struct {
	// immutable
	pages pages
	dev   bool
}

func newHandler(files fs.FS, opts Options, fixed bool) (*handler, error) {
	logger := opts.Logger
	if logger == nil {
		logger = slog.Default()
	}
	h := &handler{pages: pages{files: files}, dev: opts.Dev}
	if _, err := fs.Stat(files, callPage); err != nil {
		logger.Warn("the pages are not built: build them with `make web`", "missing", callPage)
	}
	if fixed {
		if err := h.pages.readAll(); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		plain(w, r, http.StatusMethodNotAllowed, "Only GET and HEAD are answered here.\n")
		return
	}
	switch path := r.URL.Path; {
	case path == "/":
		if page, ok := h.pages.page(startPage); h.dev && ok {
			respond(w, r, page)
			return
		}
		// LiveKit clients and load balancers probe this.
		plain(w, r, http.StatusOK, "OK")
	case path == "/call":
		h.open(w, r, callPage)
	case path == "/chat":
		h.open(w, r, chatPage)
	case strings.HasPrefix(path, "/assets/"):
		asset, ok := h.pages.asset(strings.TrimPrefix(path, "/"))
		if !ok {
			plain(w, r, http.StatusNotFound, "Not found.\n")
			return
		}
		// Pages of other sites load the call element as a module, which needs leave to cross origins.
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		respond(w, r, asset)
	default:
		plain(w, r, http.StatusNotFound, "Not found.\n")
	}
}

func (h *handler) open(w http.ResponseWriter, r *http.Request, name string) {
	page, ok := h.pages.page(name)
	if !ok {
		plain(w, r, http.StatusServiceUnavailable, notBuilt)
		return
	}
	respond(w, r, page)
}

const notBuilt = `The pages of this server are not built. Everything else works.

Build them with "make web" and start the server again, or point --web-dir at a folder with built pages.
`
