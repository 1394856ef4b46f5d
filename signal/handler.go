package signal

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/sfu"
)

// DefaultMaxMessage is the longest message taken from a client that has media and one section of it, in bytes, unless the configuration
// says otherwise.
const DefaultMaxMessage = 256 << 10

// Config is what a Handler needs. Auth, Keys and Rooms must be set.
type Config struct {
	Auth       *auth.Authenticator
	Keys       *auth.Keys // sign refreshed tokens
	Rooms      *sfu.Manager
	Logger     *slog.Logger // nil: slog.Default()
	Clock      clock.Clock  // nil: clock.Real{}
	Version    string       // of this server; clients show it when they debug
	Region     string       // told to clients
	MaxMessage int64        // longest message taken from a client with media, in bytes, beside what its sections add; 0: DefaultMaxMessage

	// Joins and resumes in a minute; 0: any number.
	JoinsPerAddress int
	JoinsPerKey     int
	// MessagesPerSecond bounds what one WebSocket sends, five seconds' worth at once; 0: any number.
	MessagesPerSecond int
}

// Handler serves LiveKit's protocol: clients, agent workers and server APIs.
type Handler struct {
	// immutable
	cfg      Config
	rooms    rooms
	upgrader websocket.Upgrader
	admit    admission
	agents   *agents
	api      *api

	minter atomic.Pointer[auth.Minter]

	counters counters
	requests sync.WaitGroup

	mu sync.Mutex

	// guarded by mu
	closed   bool
	sessions map[*Session]struct{}
	current  map[participant]*Session // the newest session of each participant
}

// NewHandler starts nothing.
func NewHandler(cfg Config) *Handler {
	h := newHandler(cfg, engine{cfg.Rooms})
	cfg.Rooms.Watch(h.agents)
	return h
}

func newHandler(cfg Config, r rooms) *Handler {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = DefaultMaxMessage
	}
	h := &Handler{
		cfg:   cfg,
		rooms: r,
		upgrader: websocket.Upgrader{
			ReadBufferSize:  1024,
			WriteBufferSize: 4096,
			WriteBufferPool: new(sync.Pool),
			// Who may come is decided before the upgrade: a token is sent explicitly, and for a cookie the origin was checked.
			CheckOrigin: func(*http.Request) bool { return true },
		},
		sessions: make(map[*Session]struct{}),
		current:  make(map[participant]*Session),
	}
	h.admit = newAdmission(cfg)
	h.minter.Store(auth.NewMinter(cfg.Keys, cfg.Clock))
	h.agents = newAgents(cfg.Rooms, h.minter.Load, cfg.Clock, cfg.Logger)
	h.api = newAPI(h, cfg.Rooms, h.agents)
	return h
}

// ServeHTTP serves clients (/rtc), agent workers (/agent) and the server APIs (/twirp). Clients join base and path sloppily, so doubled slashes are tolerated.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	clean := path.Clean("/" + r.URL.Path)
	v1 := strings.HasPrefix(clean, "/rtc/v1")
	switch clean {
	case "/rtc", "/rtc/v1":
		h.connect(w, r, v1)
	case "/rtc/validate", "/rtc/v1/validate":
		h.validate(w, r, v1)
	case "/agent":
		h.serveAgent(w, r)
	default:
		if strings.HasPrefix(clean, twirpPrefix) {
			h.api.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}
}

// Serves tells whether a cleaned path is the handler's.
func Serves(clean string) bool {
	return clean == "/rtc" || strings.HasPrefix(clean, "/rtc/") || clean == "/agent" || strings.HasPrefix(clean, twirpPrefix) ||
		clean == "/settings/regions" // asked for by clients of LiveKit's cloud; there is one region here, so it is not found
}

// allowOrigin lets pages of any origin ask: who may join is the token's matter.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "" {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", "*")
	}
	if r.Method == http.MethodOptions {
		header.Set("Access-Control-Allow-Methods", "OPTIONS, HEAD, GET, POST, PATCH, DELETE")
		header.Set("Access-Control-Allow-Headers", "*")
		header.Set("Access-Control-Max-Age", "86400")
	}
}

func (h *Handler) validate(w http.ResponseWriter, r *http.Request, v1 bool) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	e, err := h.read(r, v1, true)
	if err == nil {
		err = h.rooms.Check(e.join)
	}
	if err != nil {
		h.refuse(w, err)
		return
	}
	writeText(w, http.StatusOK, "success")
}

func (h *Handler) connect(w http.ResponseWriter, r *http.Request, v1 bool) {
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if r.Method != http.MethodGet || !websocket.IsWebSocketUpgrade(r) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if !h.enter() {
		h.refuse(w, errs.New(errs.Unavailable, "the server stops"))
		return
	}
	defer h.requests.Done()
	e, err := h.read(r, v1, false)
	if err == nil {
		err = h.admit.check(r, e.claims)
	}
	if err != nil {
		h.refuse(w, err)
		return
	}
	if e.resume {
		h.resume(w, r, e)
	} else {
		h.join(w, r, e)
	}
}

func (h *Handler) join(w http.ResponseWriter, r *http.Request, e *entry) {
	p, result, err := h.rooms.Join(r.Context(), e.join)
	if err != nil {
		h.refuse(w, err)
		return
	}
	attached := false
	defer func() {
		if !attached { // no client knows of the participant, so none will resume it
			p.Leave(livekit.DisconnectReason_JOIN_FAILURE)
		}
	}()
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // answered by the upgrader
	}
	s := newSession(h, conn, e, p)
	if err := s.greet(h.joined(result)); err != nil {
		_ = conn.Close()
		return
	}
	h.counters.joins.Add(1)
	attached = true
	h.run(s)
}

func (h *Handler) resume(w http.ResponseWriter, r *http.Request, e *entry) {
	p, result, err := h.rooms.Resume(e.resumeRequest())
	unknown := errs.Is(err, errs.NotFound)
	if err != nil && !unknown {
		h.refuse(w, err)
		return
	}
	conn, err := h.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // answered by the upgrader; the participant waits on
	}
	s := newSession(h, conn, e, p)
	if unknown {
		h.counters.unknownResumes.Add(1)
		s.turnAway()
		return
	}
	if err := s.greet(h.resumed(result)); err != nil {
		_ = conn.Close()
		return
	}
	h.counters.resumes.Add(1)
	if e.sync != nil {
		p.SyncState(e.sync)
	}
	h.run(s)
}

// run serves a session that was greeted.
func (h *Handler) run(s *Session) {
	if !h.attach(s) {
		s.end(errStopping)
	}
	h.counters.sessions.Add(1)
	s.logger.Debug("a session started")
	cause := s.run()
	h.counters.sessions.Add(-1)
	h.detach(s)
	s.logger.Debug("a session ended", "cause", cause)
}

// attach makes s the one session of its participant; false says that the handler was closed meanwhile. Attach is called under the lock so
// that two resumes at once cannot leave the participant with the session that is being ended; it only appends to an inbox.
func (h *Handler) attach(s *Session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old := h.current[s.participant]; old != nil {
		old.end(errReplaced)
	}
	h.current[s.participant] = s
	h.sessions[s] = struct{}{}
	s.participant.Attach(s)
	return !h.closed
}

func (h *Handler) detach(s *Session) {
	h.mu.Lock()
	delete(h.sessions, s)
	if h.current[s.participant] == s {
		delete(h.current, s.participant)
	}
	h.mu.Unlock()
	s.participant.Detach(s)
}

// enter counts a request in, unless the handler was closed.
func (h *Handler) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.requests.Add(1)
	}
	return !h.closed
}

// Close refuses new sessions and waits for those that are open: ending the rooms ends them. When ctx is done first they are closed, and its
// error is returned. Close is idempotent.
func (h *Handler) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.agents.close()
	ended := make(chan struct{})
	go func() {
		h.requests.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	for s := range h.sessions {
		s.end(errStopping)
	}
	h.mu.Unlock()
	<-ended
	return ctx.Err()
}

func (h *Handler) refuse(w http.ResponseWriter, err error) {
	h.counters.refusals.Add(1)
	o := outcome(err)
	if o.status == http.StatusInternalServerError {
		h.cfg.Logger.Error("a join failed", "error", err)
	} else if !errors.Is(err, errNoAccess) {
		h.cfg.Logger.Debug("a join was refused", "status", o.status, "reason", o.text)
	}
	o.write(w)
}
