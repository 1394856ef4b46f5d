package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"careline/internal/auth"
	"careline/internal/event"
)

const (
	socketPath = "/v1/rt"
	streamPath = "/v1/events"

	startWithin = 10 * time.Second // the hub, after the server
)

// Run tells feeds what happens until ctx ends, and then ends them.
func (a *API) Run(ctx context.Context) error { return a.hub.run(ctx) }

// Recheck ends the feeds of tokens and sessions that do not hold any more.
func (a *API) Recheck() { a.hub.recheck() }

// FeedStats returns what the feeds count.
func (a *API) FeedStats() FeedStats { return a.hub.stats() }

// serveFeed answers the paths of feeds. False says that the path is none.
func (a *API) serveFeed(w http.ResponseWriter, r *http.Request, path string) bool {
	serve := a.serveSocket
	switch path {
	case socketPath:
	case streamPath:
		serve = a.serveStream
	default:
		return false
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, ""))
		return true
	}
	who, err := a.redeemOr(r)
	if err != nil {
		refuse(w, err)
		return true
	}
	timeout := time.NewTimer(startWithin)
	defer timeout.Stop()
	select {
	case <-a.hub.ready:
		serve(w, r, who)
	case <-timeout.C:
		refuse(w, errFeedStopping)
	case <-r.Context().Done():
	}
	return true
}

// refuse answers who may not ask, or not now.
func refuse(w http.ResponseWriter, err error) {
	p := asProblem(err)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if wait := auth.RetryAfter(err); wait > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(wait))
	}
	writeProblem(w, p)
}

// readResume reads a client's cursor. One that makes no sense is of another log: the client reads anew.
func readResume(cursor string) *event.Cursor {
	c, ok := readPlace(cursor)
	if !ok {
		c = event.Cursor{Pos: ^uint64(0)}
	}
	return &c
}
