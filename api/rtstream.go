package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"careline/internal/event"
)

// streamRetry is how long an EventSource waits before it comes back.
const streamRetry = 2 * time.Second

// stream is the wire of server-sent events.
type stream struct {
	// immutable
	w    http.ResponseWriter
	ctl  *http.ResponseController
	feed *feed
	hub  *hub

	cut  atomic.Bool
	busy sync.Mutex // held while something is written
}

// serveStream is GET /v1/events.
func (a *API) serveStream(w http.ResponseWriter, r *http.Request, who follower) {
	var resume *event.Cursor
	given := r.Header.Get("Last-Event-ID") // of an EventSource that comes back: newer than its address
	if given == "" {
		given = r.URL.Query().Get("resume")
	}
	if given != "" {
		resume = readResume(given)
	}
	u := a.hub
	f := newFeed(u, who)
	f.source, f.sourced = a.auth.Source(r)
	s := &stream{w: w, ctl: http.NewResponseController(w), feed: f, hub: u}
	f.wire = s
	if err := u.enter(f); err != nil {
		refuse(w, err)
		return
	}
	defer u.leave(f)
	// The server's limits are for requests that end.
	if err := errors.Join(s.ctl.SetReadDeadline(time.Time{}), s.ctl.SetWriteDeadline(time.Time{})); err != nil {
		refuse(w, fmt.Errorf("take the limits off a stream: %w", err))
		return
	}
	u.streams.Add(1)
	defer u.streams.Add(-1)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx
	w.WriteHeader(http.StatusOK)
	u.add(f)
	defer context.AfterFunc(r.Context(), s.left)()
	if err := s.put(fmt.Appendf(nil, "retry: %d\n\n", streamRetry.Milliseconds())); err != nil {
		f.end(err)
	}
	f.tell(r.Context(), resume)
}

// write implements wire.
func (s *stream) write(text []byte, cursor string) error {
	var b []byte
	if cursor != "" {
		b = fmt.Appendf(b, "id: %s\n", cursor)
	}
	return s.put(fmt.Appendf(b, "data: %s\n\n", text))
}

// beat implements wire. Of an event without data an EventSource takes the id only.
func (s *stream) beat(cursor string) error {
	b := []byte(": ping\n")
	if cursor != "" {
		b = fmt.Appendf(b, "id: %s\n", cursor)
	}
	return s.put(append(b, '\n'))
}

// left ends the feed of a client that is gone. A write that runs out of time ends the request too, and then says why itself.
func (s *stream) left() {
	s.busy.Lock()
	defer s.busy.Unlock()
	s.feed.end(errFeedLeft)
}

func (s *stream) put(b []byte) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	if err := s.ctl.SetWriteDeadline(time.Now().Add(s.hub.patience)); err != nil {
		return fmt.Errorf("%w: set the write deadline: %w", errFeedLeft, err)
	}
	if s.cut.Load() {
		return errFeedLeft
	}
	_, err := s.w.Write(b)
	if err == nil {
		err = s.ctl.Flush()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && !s.cut.Load() {
		s.feed.end(errFeedSlow)
		return errFeedSlow
	}
	if err != nil {
		return fmt.Errorf("%w: write to a stream: %w", errFeedLeft, err)
	}
	return nil
}

// bye implements wire.
func (s *stream) bye(cause error, retry time.Duration) {
	if !errors.Is(cause, errFeedStopping) {
		return
	}
	text, err := json.Marshal(Envelope{Version: 1, Type: byeType, At: s.hub.clock.Now().UTC(), Data: byeNews{retry.Milliseconds()}})
	if err != nil {
		return
	}
	s.cut.Store(false)
	_ = s.ctl.SetWriteDeadline(time.Now().Add(closeTimeout))
	_, _ = fmt.Fprintf(s.w, "retry: %d\ndata: %s\n\n", retry.Milliseconds(), text) // the client may be gone
	_ = s.ctl.Flush()
}

// interrupt implements wire.
func (s *stream) interrupt() {
	s.cut.Store(true)
	_ = s.ctl.SetWriteDeadline(time.Unix(1, 0))
}
