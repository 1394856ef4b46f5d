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

// routes sends requests to who answers them. It is no http.ServeMux because
// that redirects doubled slashes, which LiveKit clients send and do not follow.
func (s *Server) routes(pages http.Handler) http.Handler {
	var calls http.Handler
	if s.cfg.Development {
		calls = s.devCalls()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := path.Clean("/" + r.URL.Path)
		if rest, ok := strings.CutPrefix(p, s.cfg.HTTP.PathPrefix+"/"); ok && s.cfg.HTTP.PathPrefix != "" && signal.Serves("/"+rest) {
			p = "/" + rest
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = p, ""
		}
		switch {
		case p == "/healthz":
			s.healthz(w, r)
		case p == "/readyz":
			s.readyz(w, r)
		case p == "/third-party-notices":
			notices.Serve(w, r)
		case signal.Serves(p):
			s.signal.ServeHTTP(w, r)
		case p == sessionPath:
			s.serveSession(w, r)
		case p == revocationPath:
			s.serveRevocations(w, r)
		case api.Serves(p):
			s.serveAPI(w, r)
		case p == "/dev/call" && calls != nil:
			calls.ServeHTTP(w, r)
		default:
			pages.ServeHTTP(w, r)
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
