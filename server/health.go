package server

import (
	"encoding/json"
	"net/http"
	"sync/atomic"

	"careline/sfu"
)

// life is how far a server is between New and the end of Run.
type life struct {
	serving  atomic.Bool
	stopping atomic.Bool
}

// health is the answer to both probes. Its texts are ours: nothing in it tells
// strangers more than that the server has trouble.
type health struct {
	Status  string   `json:"status"`            // alive; ready or not ready
	Reasons []string `json:"reasons,omitempty"` // why it is not ready
}

// NotReady says why no work should be sent here now, by short texts; none: it
// is ready. A server that is alive but not ready needs no restart.
func (s *Server) NotReady() []string {
	var reasons []string
	switch {
	case s.life.stopping.Load():
		reasons = append(reasons, "the server stops")
	case !s.life.serving.Load():
		reasons = append(reasons, "the server starts")
	}
	for _, c := range s.checks {
		if c.failed() {
			reasons = append(reasons, c.reason)
		}
	}
	return reasons
}

// check is something without which the server is not ready.
type check struct {
	reason string // told when it failed
	failed func() bool
}

// healthz answers whether the process lives, which is all that a supervisor
// needs to decide about a restart.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	answerProbe(w, r, http.StatusOK, health{Status: "alive"})
}

// readyz answers whether the server can take joins, and keep what must be kept.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if reasons := s.NotReady(); len(reasons) > 0 {
		w.Header().Set("Retry-After", "1")
		answerProbe(w, r, http.StatusServiceUnavailable, health{"not ready", reasons})
		return
	}
	answerProbe(w, r, http.StatusOK, health{Status: "ready"})
}

func answerProbe(w http.ResponseWriter, r *http.Request, status int, h health) {
	header := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_ = json.NewEncoder(w).Encode(h) // the client is gone if this fails
	}
}

// Census is who and what is there now.
func (s *Server) Census() sfu.Census { return s.rooms.Census() }
