package server

import (
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"careline/api"
	"careline/internal/notices"
	"careline/signal"
)

// counter is read from outside while the server runs.
type counter = atomic.Uint64

// route is who answers the paths that it serves. Its name stands for what may be asked there in the test of who may call what.
type route struct {
	name   string
	serves func(path string) bool // of a cleaned path
	answer http.HandlerFunc
}

func at(exact string) func(string) bool { return func(p string) bool { return p == exact } }

// underAPI serves a path where the rest of the API is found too.
func underAPI(exact string) func(string) bool {
	return func(p string) bool { return p == exact || p == "/api"+exact }
}

// table lists the routes; the first that serves a path answers.
func (s *Server) table(pages http.Handler) []route {
	table := []route{
		{"healthz", at("/healthz"), s.healthz},
		{"readyz", at("/readyz"), s.readyz},
		{"notices", at("/third-party-notices"), notices.Serve},
		{"signal", signal.Serves, s.signal.ServeHTTP},
		{"session", underAPI(sessionPath), s.serveSession},
		{"revocations", underAPI(revocationPath), s.serveRevocations},
		{"api", api.Serves, s.serveAPI},
	}
	if s.cfg.Development {
		table = append(table, route{"dev", at("/dev/call"), s.devCalls().ServeHTTP})
	}
	return append(table, route{"pages", func(string) bool { return true }, pages.ServeHTTP})
}

// routes sends requests to who answers them. It is no http.ServeMux because
// that redirects doubled slashes, which LiveKit clients send and do not follow.
func (s *Server) routes(pages http.Handler) http.Handler {
	table := s.table(pages)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := path.Clean("/" + r.URL.Path)
		if rest, ok := strings.CutPrefix(p, s.cfg.HTTP.PathPrefix+"/"); ok && s.cfg.HTTP.PathPrefix != "" && signal.Serves("/"+rest) {
			p = "/" + rest
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = p, ""
		}
		for _, route := range table {
			if route.serves(p) {
				route.answer(w, r)
				return
			}
		}
	})
}

// recovering keeps a panic of one request from ending the process. The log
// has the path only: the query may hold a token.
func (s *Server) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.panics.Add(1)
			s.log.Error("a request panicked", "method", r.Method, "path", r.URL.Path,
				slog.Any("panic", p), "stack", string(debug.Stack()))
			// Not a status: the answer may have begun or be no HTTP any more.
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}

// Panics returns how many requests have panicked.
func (s *Server) Panics() uint64 { return s.panics.Load() }
