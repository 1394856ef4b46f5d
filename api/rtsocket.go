package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
)

const (
	subprotocol = "careline.v1"

	maxFrame    = 64 << 10 // bytes
	framesAhead = 400      // frames that may come at once, of any kind
	frameEvery  = 10 * time.Millisecond

	helloWithin  = 10 * time.Second // after the upgrade
	feedSilence  = 45 * time.Second // without a sign of life
	closeTimeout = 2 * time.Second  // to write the end
	linger       = time.Second      // for the client to close too
)

// The codes with which sockets are closed, beside those of RFC 6455.
const (
	closeExpired = 4001 // the token has expired or was revoked: come back with another one
	closeNoHello = 4002 // the first frame was no hello
)

var (
	errNoHello = errors.New("the client did not say hello")
	errFlood   = errors.New("the client sends too many frames")
	errBinary  = errors.New("the client sent a binary frame")
)

var feedUpgrader = websocket.Upgrader{
	ReadBufferSize: 1024, WriteBufferSize: 4096, WriteBufferPool: new(sync.Pool), Subprotocols: []string{subprotocol},
	// Who may come is decided before the upgrade: a token or ticket is sent explicitly, and for a cookie the origin was checked.
	CheckOrigin: func(*http.Request) bool { return true },
}

// socket is the wire of a WebSocket. The handler's goroutine reads it, another one writes it.
type socket struct {
	// immutable
	conn *websocket.Conn
	feed *feed
	desk *desk
	pace *auth.Limiter[struct{}] // of frames
	hub  *hub
	log  *slog.Logger

	cut atomic.Bool
}

// serveSocket is GET /v1/rt.
func (a *API) serveSocket(w http.ResponseWriter, r *http.Request, who follower) {
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		writeProblem(w, newProblem(http.StatusUpgradeRequired, "this is a WebSocket"))
		return
	}
	who.caller.From = "rt"
	u := a.hub
	f := newFeed(u, who)
	f.source, f.sourced = a.auth.Source(r)
	s := &socket{
		feed: f, desk: &desk{u.chats, who.caller, u.sends}, hub: u, log: u.log, pace: auth.NewBurstLimiter[struct{}](framesAhead, frameEvery, clock.Real{}),
	}
	if err := u.enter(f); err != nil {
		refuse(w, err)
		return
	}
	defer u.leave(f)
	var err error
	if s.conn, err = feedUpgrader.Upgrade(w, r, nil); err != nil {
		return // answered by the upgrader
	}
	u.sockets.Add(1)
	defer u.sockets.Add(-1)
	f.wire = s
	u.add(f)
	s.serve(r.Context())
}

// serve reads and writes until the socket ends.
func (s *socket) serve(ctx context.Context) {
	defer func() { _ = s.conn.Close() }()
	s.conn.SetReadLimit(maxFrame)
	s.conn.SetPongHandler(func(string) error { return s.hear() })
	answer := s.conn.PingHandler()
	s.conn.SetPingHandler(func(data string) error {
		if err := s.hear(); err != nil {
			return err
		}
		return answer(data)
	})
	resume, err := s.hello()
	if err != nil {
		s.feed.end(err)
		s.bye(s.feed.cause, 0)
		s.drain()
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		defer s.recovered()
		s.feed.tell(ctx, resume)
	})
	s.feed.end(s.read(ctx))
	s.drain()
	writer.Wait()
}

// hello reads the first frame.
func (s *socket) hello() (resume *event.Cursor, err error) {
	data, err := s.next(helloWithin)
	if err != nil {
		return nil, err
	}
	var f HelloFrame
	if err := readFrame(data, &f); err != nil || f.Type != "hello" {
		return nil, errNoHello
	}
	if f.Resume != "" {
		resume = readResume(f.Resume)
	}
	if f.Ref != "" {
		s.reply(Ack{Version: 1, Type: "ack", Ref: f.Ref})
	}
	return resume, s.hear()
}

// read does what frames ask for until the socket ends, and returns why.
func (s *socket) read(ctx context.Context) error {
	defer s.recovered()
	for {
		data, err := s.next(s.hub.silence)
		if err != nil {
			return err
		}
		head, err := readHead(data)
		var ack *Ack
		if err == nil {
			ack, err = s.desk.do(ctx, head, data)
		}
		switch {
		case err != nil:
			s.hub.nacks.Add(1)
			n := nackOf(head.Ref, err)
			if n.Problem.Status == http.StatusInternalServerError {
				s.log.Error("a frame failed", "type", head.Type, "error", err)
			}
			s.reply(n)
		case ack != nil:
			s.reply(ack)
		}
	}
}

// reply queues an answer, and waits while too many are queued: who does not read its answers is not read either.
func (s *socket) reply(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		s.log.Error("encode an answer", "error", err)
		return
	}
	select {
	case s.feed.replies <- text:
	case <-s.feed.done:
	}
}

// next reads one frame.
func (s *socket) next(within time.Duration) ([]byte, error) {
	if err := s.await(within); err != nil {
		return nil, err
	}
	kind, data, err := s.conn.ReadMessage()
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: read a frame: %w", errFeedLeft, err)
	case kind != websocket.TextMessage:
		return nil, errBinary
	}
	return data, s.count()
}

// hear notes a sign of life.
func (s *socket) hear() error {
	if err := s.count(); err != nil {
		return err
	}
	return s.await(s.hub.silence)
}

// await ends the reader when nothing comes for so long.
func (s *socket) await(d time.Duration) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		return fmt.Errorf("%w: set the read deadline: %w", errFeedLeft, err)
	}
	if s.cut.Load() {
		return errFeedLeft
	}
	return nil
}

func (s *socket) count() error {
	if _, ok := s.pace.Take(struct{}{}); !ok {
		return errFlood
	}
	return nil
}

// drain reads on for a moment, so that a client that still sends gets to see why the socket was closed.
func (s *socket) drain() {
	_ = s.conn.NetConn().SetReadDeadline(time.Now().Add(linger))
	for {
		if _, _, err := s.conn.NextReader(); err != nil {
			return
		}
	}
}

// write implements wire.
func (s *socket) write(text []byte, _ string) error {
	return s.writing(func() error { return s.conn.WriteMessage(websocket.TextMessage, text) })
}

// writing calls fn with a deadline.
func (s *socket) writing(fn func() error) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.hub.patience)); err != nil {
		return fmt.Errorf("%w: set the write deadline: %w", errFeedLeft, err)
	}
	if s.cut.Load() {
		return errFeedLeft
	}
	if err := fn(); err != nil {
		if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() && !s.cut.Load() {
			return errFeedSlow
		}
		return fmt.Errorf("%w: write to a socket: %w", errFeedLeft, err)
	}
	return nil
}

// beat implements wire: a ping that browsers answer by themselves, and one that scripts can see.
func (s *socket) beat(cursor string) error {
	err := s.writing(func() error { return s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(s.hub.patience)) })
	if err != nil {
		return err
	}
	return s.feed.say(Envelope{Version: 1, Type: pingType, Cursor: cursor, At: s.hub.clock.Now().UTC()})
}

// bye implements wire.
func (s *socket) bye(cause error, retry time.Duration) {
	var code int
	var text string
	switch {
	case errors.Is(cause, errFeedStopping):
		code = websocket.CloseServiceRestart
		s.part(retry)
	case errors.Is(cause, errFeedExpired), errors.Is(cause, errFeedRevoked):
		code, text = closeExpired, cause.Error()
	case errors.Is(cause, errNoHello):
		code, text = closeNoHello, cause.Error()
	case errors.Is(cause, errFlood):
		code, text = websocket.ClosePolicyViolation, cause.Error()
	case errors.Is(cause, errBinary):
		code, text = websocket.CloseUnsupportedData, cause.Error()
	case errors.Is(cause, errFeedLeft), errors.Is(cause, websocket.ErrReadLimit): // the reader has said so
		return
	case errors.Is(cause, errFeedSlow): // a frame is cut off in the middle, so that no code can come behind it
		return
	default:
		code = websocket.CloseInternalServerErr
	}
	_ = s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, text), time.Now().Add(closeTimeout))
}

// part says when to come back.
func (s *socket) part(retry time.Duration) {
	text, err := json.Marshal(Envelope{Version: 1, Type: byeType, At: s.hub.clock.Now().UTC(), Data: byeNews{retry.Milliseconds()}})
	if err != nil {
		return
	}
	_ = s.conn.SetWriteDeadline(time.Now().Add(closeTimeout))
	_ = s.conn.WriteMessage(websocket.TextMessage, text) // the client may be gone
}

// interrupt implements wire.
func (s *socket) interrupt() {
	s.cut.Store(true)
	_ = s.conn.NetConn().SetDeadline(time.Unix(1, 0))
}

// recovered keeps a mistake of ours, provoked by one client, from ending the others.
func (s *socket) recovered() {
	if v := recover(); v != nil {
		s.log.Error("a feed panicked", "panic", v, "stack", string(debug.Stack()))
		s.feed.end(errs.New(errs.Internal, "internal error"))
	}
}
