package signal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/sfu"
)

const (
	// queueLength is how many messages may wait for a client that reads slowly.
	queueLength = 1000

	pingInterval = 10 * time.Second
	// pongTimeout ends a WebSocket over which nothing was heard for so long, pongs included.
	pongTimeout = 25 * time.Second

	// The following are deadlines of the network and run on its clock.
	writeTimeout = 5 * time.Second
	pingTimeout  = 2 * time.Second
	// lingerTimeout is how long a client may take to close after it was told to. Closing at once would make the kernel reset the connection
	// if anything unread has arrived, and the client would lose the leave.
	lingerTimeout = time.Second
	lingerBytes   = 1 << 20
)

// The ways in which a WebSocket ends that are not errors of the network.
var (
	errLeft      = errors.New("the session ended")
	errReplaced  = errors.New("the session goes on over another connection")
	errOverflow  = errors.New("the client does not read fast enough")
	errSilent    = errors.New("the client does not answer")
	errMalformed = errors.New("the client sent what is no request")
	errStopping  = errors.New("the server stops")
	errPanic     = errors.New("internal error")
)

// Session is one WebSocket of a participant and implements sfu.Peer.
type Session struct {
	// immutable
	handler     *Handler
	conn        *websocket.Conn
	participant participant
	claims      *auth.Claims
	protocol    int32 // the client's
	clock       clock.Clock
	logger      *slog.Logger
	started     time.Time
	queue       chan *livekit.SignalResponse // full: the WebSocket ends, counted as overflow
	done        chan struct{}

	// owned by read
	pace      pace
	announced int // tracks that the client announced, up to maxAnnounced

	// owned by write
	validFor time.Duration // since started, the newest token
	expired  bool

	once  sync.Once
	cause error // set once, before done is closed

	text    atomic.Bool  // the client last spoke JSON
	heard   atomic.Int64 // when something last arrived, as time.Duration since started
	told    atomic.Bool  // a leave is queued: what arrives is dropped, so that nothing overtakes it
	leaving atomic.Bool  // the goodbye is written
}

func newSession(h *Handler, conn *websocket.Conn, e *entry, p participant) *Session {
	s := &Session{
		handler:     h,
		conn:        conn,
		participant: p,
		claims:      e.claims,
		protocol:    e.join.Client.GetProtocol(),
		clock:       h.cfg.Clock,
		logger:      h.cfg.Logger.With("room", e.join.Room, "identity", e.join.Identity),
		started:     h.cfg.Clock.Now(),
		validFor:    e.claims.Expires.Sub(h.cfg.Clock.Now()),
		queue:       make(chan *livekit.SignalResponse, queueLength),
		done:        make(chan struct{}),
	}
	conn.SetReadLimit(maxOfAll)
	s.pace = newPace(h.cfg.MessagesPerSecond, h.cfg.Clock)
	conn.SetPongHandler(func(string) error {
		s.hear()
		return s.count()
	})
	pong := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		if err := s.count(); err != nil {
			return err
		}
		return pong(data)
	})
	return s
}

// Send queues a message of the engine. It never blocks; when the queue is full the WebSocket ends, and the participant stays for its resume
// time-out.
func (s *Session) Send(m sfu.Message) {
	if r := response(m, s.protocol); r != nil {
		if r.GetLeave() != nil {
			s.told.Store(true)
		}
		s.post(r)
	}
}

func (s *Session) post(r *livekit.SignalResponse) {
	select {
	case s.queue <- r:
	default:
		if s.end(errOverflow) {
			s.handler.counters.overflows.Add(1)
		}
	}
}

// greet writes what must come first. It is called before any other goroutine knows the session.
func (s *Session) greet(first *livekit.SignalResponse) error {
	if err := s.writeMessage(first); err != nil {
		return err
	}
	return s.refresh()
}

// run serves the WebSocket until it ends, and returns why.
func (s *Session) run() error {
	var writer sync.WaitGroup
	writer.Go(s.write)
	s.read()
	writer.Wait()
	_ = s.conn.Close() // what it could report, read and write have
	return s.cause
}

// end makes both goroutines stop, and reports whether this call was the first. It does not block.
func (s *Session) end(cause error) bool {
	first := false
	s.once.Do(func() {
		first = true
		s.cause = cause
		close(s.done)
	})
	if first && !s.leaving.Load() {
		// Wakes a blocked reader and a blocked writer; closing here could block in TLS.
		_ = s.conn.NetConn().SetDeadline(time.Unix(1, 0))
	}
	return first
}

func (s *Session) read() {
	defer s.recovered()
	for {
		frameType, data, err := s.next()
		if err != nil {
			s.readFailed(err)
			return
		}
		s.hear()
		if s.told.Load() || s.leaving.Load() {
			continue
		}
		s.text.Store(frameType == websocket.TextMessage)
		request, err := decode(frameType, data)
		if err != nil {
			s.handler.counters.malformed.Add(1)
			s.reject(websocket.CloseProtocolError, errMalformed)
			return
		}
		s.handle(request)
	}
}

func (s *Session) readFailed(err error) {
	_, closed := errors.AsType[*websocket.CloseError](err)
	_, network := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errFlood):
		s.handler.counters.floods.Add(1)
		s.reject(websocket.ClosePolicyViolation, err)
	case errors.Is(err, websocket.ErrReadLimit):
		s.handler.counters.oversize.Add(1)
		s.reject(websocket.CloseMessageTooBig, err)
	case closed || network || s.leaving.Load():
		s.end(err)
	default: // frames that break RFC 6455
		s.handler.counters.malformed.Add(1)
		s.reject(websocket.CloseProtocolError, err)
	}
}

// next reads one message. How long it may be is decided when it has begun, since that grows while the reader waits.
func (s *Session) next() (frameType int, data []byte, err error) {
	frameType, r, err := s.conn.NextReader()
	if err != nil {
		return 0, nil, err
	}
	limit := s.longestMessage()
	if data, err = io.ReadAll(io.LimitReader(r, limit+1)); err != nil {
		return 0, nil, err
	}
	if int64(len(data)) > limit {
		return 0, nil, websocket.ErrReadLimit
	}
	return frameType, data, s.count()
}

// count takes note of a frame of the client, of whatever kind.
func (s *Session) count() error {
	if !s.pace.take() {
		return errFlood
	}
	return nil
}

// reject closes with a code and drops what the client still sends, so that it gets to see the code.
func (s *Session) reject(code int, cause error) {
	s.leaving.Store(true)
	if s.end(cause) {
		s.closeFrame(code, "")
		conn := s.conn.NetConn()
		_ = conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		_, _ = io.Copy(io.Discard, io.LimitReader(conn, lingerBytes))
	}
}

func (s *Session) write() {
	defer s.recovered()
	ping := s.clock.NewTicker(pingInterval)
	defer ping.Stop()
	refresh := s.clock.NewTicker(refreshInterval)
	defer refresh.Stop()
	for {
		select {
		case <-s.done:
			s.sayWhy()
			return
		case r := <-s.queue:
			if err := s.writeMessage(r); err != nil {
				s.end(err)
				return
			}
			if r.GetLeave() != nil {
				s.goodbye()
				return
			}
		case <-ping.C():
			s.expire()
			if err := s.ping(); err != nil {
				s.end(err)
				return
			}
		case <-refresh.C():
			if err := s.refresh(); err != nil {
				s.end(err)
				return
			}
		}
	}
}

// goodbye follows a leave. The reader ends when the client closes too, at the latest after lingerTimeout.
func (s *Session) goodbye() {
	s.leaving.Store(true)
	s.closeFrame(websocket.CloseNormalClosure, "")
	_ = s.conn.NetConn().SetReadDeadline(time.Now().Add(lingerTimeout))
	s.end(errLeft)
}

// sayWhy tells a client that we end the WebSocket, where the network still takes it.
func (s *Session) sayWhy() {
	switch {
	case errors.Is(s.cause, errReplaced):
		s.closeFrame(websocket.CloseNormalClosure, "")
	case errors.Is(s.cause, errStopping):
		s.closeFrame(websocket.CloseGoingAway, "")
	case errors.Is(s.cause, errPanic):
		s.closeFrame(websocket.CloseInternalServerErr, "")
	}
}

func (s *Session) closeFrame(code int, text string) {
	frame := websocket.FormatCloseMessage(code, text)
	_ = s.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(pingTimeout))
}

func (s *Session) writeMessage(r *livekit.SignalResponse) error {
	frameType, data, err := encode(r, s.text.Load())
	if err != nil {
		return err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("set the write deadline: %w", err)
	}
	if err := s.conn.WriteMessage(frameType, data); err != nil {
		return fmt.Errorf("write a response: %w", err)
	}
	return nil
}

// refresh writes a new token.
func (s *Session) refresh() error {
	if r := s.refreshToken(); r != nil {
		return s.writeMessage(r)
	}
	return nil
}

func (s *Session) ping() error {
	if s.clock.Now().Sub(s.started)-time.Duration(s.heard.Load()) >= pongTimeout {
		s.handler.counters.silent.Add(1)
		return errSilent
	}
	if err := s.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(pingTimeout)); err != nil {
		return fmt.Errorf("write a ping: %w", err)
	}
	return nil
}

func (s *Session) hear() { s.heard.Store(int64(s.clock.Now().Sub(s.started))) }

// recovered keeps a mistake of ours, provoked by one client, from ending the others.
func (s *Session) recovered() {
	v := recover()
	if v == nil {
		return
	}
	s.handler.counters.panics.Add(1)
	s.logger.Error("a session panicked", "panic", v, "stack", string(debug.Stack()))
	s.end(errPanic)
}

// turnAway is the whole life of a session that wanted to resume what is not there any more: the client is told to join anew.
func (s *Session) turnAway() {
	message := leave(sfu.Leave{Reason: livekit.DisconnectReason_STATE_MISMATCH, Action: livekit.LeaveRequest_RECONNECT}, s.protocol)
	if err := s.writeMessage(message); err == nil {
		s.goodbye()
		s.read()
	}
	_ = s.conn.Close()
}
