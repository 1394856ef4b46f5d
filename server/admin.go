package server

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	adminWriteTimeout = 5 * time.Minute // a profile of minutes is what people ask for
	adminBody         = 1 << 20         // of requests, in bytes
)

// newAdmin serves metrics and, to this machine only, profiles and what else
// reaches into the process.
func (s *Server) newAdmin(version string) *http.Server {
	mux := http.NewServeMux()
	registry := s.newMetrics(version)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelError), MaxRequestsInFlight: 4,
	}))
	if s.sockets.adminIsLoopback() {
		mux.HandleFunc("GET /{$}", adminIndex)
		mux.HandleFunc("POST /backup", s.serveBackup("data", s.backupData))
		mux.HandleFunc("POST /backup/keys", s.serveBackup("keys", s.backupKeys))
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return &http.Server{
		Handler:           s.recovering(guarded(mux)),
		ReadHeaderTimeout: s.cfg.HTTP.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.HTTP.WriteTimeout,
		WriteTimeout:      adminWriteTimeout,
		IdleTimeout:       s.cfg.HTTP.IdleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// guarded keeps pages out that a browser on this machine has open: of other
// origins, and of names that their owner has pointed at this machine.
func guarded(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if !isOwnHost(r.Host) {
			http.Error(w, "ask by the address of this listener", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, adminBody)
		next.ServeHTTP(w, r)
	}))
}

func adminIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprint(w, "GET  /metrics\nGET  /debug/pprof/\nPOST /backup\nPOST /backup/keys\n")
}

// adminIsLoopback reports whether only this machine reaches the listener.
func (s *sockets) adminIsLoopback() bool {
	for _, l := range s.admin {
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok || !addr.IP.IsLoopback() {
			return false
		}
	}
	return true
}

// AdminAddr returns the address of the admin listener, nil when there is none.
func (s *Server) AdminAddr() net.Addr {
	if len(s.sockets.admin) == 0 {
		return nil
	}
	return s.sockets.admin[0].Addr()
}
