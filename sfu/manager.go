package sfu

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"careline/internal/clock"
	"careline/sfu/udp"
)

const (
	speakerInterval   = 400 * time.Millisecond
	idleInterval      = time.Second
	firstCheckTimeout = 5 * time.Second // from an ICE/TCP connection to its first check
	tcpWriteBuffer    = 1 << 20         // per ICE/TCP connection; full: packets are dropped, the worker goes on
)

// Manager owns the rooms of one server: its sockets, its egress workers and everybody in it.
type Manager struct {
	// immutable
	cfg         Config
	log         *slog.Logger
	clock       clock.Clock
	port        *udp.Port
	tcpMux      ice.TCPMux // nil: no ICE/TCP
	certificate webrtc.Certificate
	workers     []*worker
	stopWorkers context.CancelFunc
	workersDone sync.WaitGroup
	sessions    sync.WaitGroup // running participants
	live        sync.Map       // of them *Participant by session id

	counters counters

	mu sync.Mutex
	// guarded by mu
	rooms    map[string]*Room
	stopping bool
	closed   bool
}

// NewManager makes an engine on the sockets of cfg. What reads them and the workers run from then on; Run has to follow, and ends them.
func NewManager(cfg Config) (*Manager, error) {
	cfg = cfg.withDefaults()
	port, err := udp.NewPort(cfg.UDPConns, cfg.Logger, udp.Options{
		IncludeLoopback: cfg.Loopback,
		InterfaceFilter: cfg.InterfaceFilter,
		IPFilter:        cfg.IPFilter,
	})
	if err != nil {
		return nil, fmt.Errorf("open media port: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make DTLS key: %w", err), port.Close())
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make DTLS certificate: %w", err), port.Close())
	}
	m := &Manager{
		cfg:         cfg,
		log:         cfg.Logger,
		clock:       cfg.Clock,
		port:        port,
		certificate: *certificate,
		rooms:       make(map[string]*Room),
	}
	if cfg.TCPListener != nil {
		m.tcpMux = ice.NewTCPMuxDefault(ice.TCPMuxParams{
			Listener:        cfg.TCPListener,
			Logger:          udp.NewLoggerFactory(cfg.Logger).NewLogger("ice-tcp"),
			ReadBufferSize:  64,
			WriteBufferSize: tcpWriteBuffer,
			// Who says nothing, or names no connection of ours, keeps none open.
			FirstStunBindTimeout:         firstCheckTimeout,
			AliveDurationForConnFromStun: firstCheckTimeout,
		})
	}
	n := cfg.Workers
	if n <= 0 {
		n = max(runtime.GOMAXPROCS(0)-1, 1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.stopWorkers = cancel
	for range n {
		w := newWorker(&m.counters)
		m.workers = append(m.workers, w)
		m.workersDone.Go(func() { w.run(ctx) })
	}
	return m, nil
}

// Run serves until ctx ends, then ends everything that the manager owns and returns when it is gone.
func (m *Manager) Run(ctx context.Context) error {
	speakers := m.clock.NewTicker(speakerInterval)
	defer speakers.Stop()
	idle := m.clock.NewTicker(idleInterval)
	defer idle.Stop()
	quality := m.clock.NewTicker(qualityInterval)
	defer quality.Stop()
	for {
		select {
		case <-speakers.C():
			for _, room := range m.allRooms() {
				room.announceSpeakers()
			}
		case <-quality.C():
			for _, room := range m.allRooms() {
				for _, p := range room.members() {
					p.post(qualityCommand{})
				}
			}
		case <-idle.C():
			now := m.clock.Now()
			m.closeIdleRooms(now)
			for _, room := range m.allRooms() {
				room.announce(now)
			}
		case <-ctx.Done():
			m.close()
			return nil
		}
	}
}

// Shutdown refuses new joins, tells every client to reconnect, since whoever stops a server mostly starts it again or has another one,
// and waits for their sessions. Its error says how many had not ended when ctx did.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.endSessions(livekit.DisconnectReason_SERVER_SHUTDOWN)
	done := make(chan struct{})
	go func() {
		m.sessions.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d participants still there: %w", m.Census().Participants, ctx.Err())
	}
}

func (m *Manager) endSessions(reason livekit.DisconnectReason) {
	m.mu.Lock()
	m.stopping = true
	m.mu.Unlock()
	for _, room := range m.allRooms() {
		for _, p := range room.members() {
			p.post(endCommand{reason: reason, action: livekit.LeaveRequest_RECONNECT})
		}
	}
}

func (m *Manager) close() {
	m.mu.Lock()
	closed := m.closed
	m.closed = true
	m.mu.Unlock()
	if closed {
		return
	}
	m.endSessions(livekit.DisconnectReason_SERVER_SHUTDOWN)
	m.sessions.Wait()
	m.stopWorkers()
	m.workersDone.Wait()
	if m.tcpMux != nil {
		if err := m.tcpMux.Close(); err != nil {
			m.log.Warn("close ICE/TCP port", "error", err)
		}
	}
	if err := m.port.Close(); err != nil {
		m.log.Warn("close media port", "error", err)
	}
}

// start runs a participant's goroutine unless the manager is stopping.
func (m *Manager) start(p *Participant) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopping {
		return false
	}
	m.live.Store(p.sid, p)
	m.sessions.Go(func() {
		defer m.live.Delete(p.sid)
		p.run()
	})
	return true
}

func (m *Manager) allRooms() []*Room {
	m.mu.Lock()
	defer m.mu.Unlock()
	rooms := make([]*Room, 0, len(m.rooms))
	for _, r := range m.rooms {
		rooms = append(rooms, r)
	}
	return rooms
}

// closeIdleRooms ends the rooms whose time without independent participants is over. Lock order: Manager.mu, then Room.mu.
func (m *Manager) closeIdleRooms(now time.Time) {
	var ended []*Room
	m.mu.Lock()
	for name, room := range m.rooms {
		if room.closeIfIdle(now) {
			delete(m.rooms, name)
			ended = append(ended, room)
		}
	}
	m.mu.Unlock()
	for _, room := range ended {
		m.log.Info("room closed", "room", room.name, "room_sid", room.sid)
		for _, p := range room.members() {
			p.post(endCommand{reason: livekit.DisconnectReason_ROOM_CLOSED, action: livekit.LeaveRequest_DISCONNECT})
		}
		room.finish()
	}
}

// workerFor spreads participants over the workers by their session id, for life.
func (m *Manager) workerFor(sid string) *worker {
	var h uint32 = 2166136261
	for i := range len(sid) {
		h = (h ^ uint32(sid[i])) * 16777619
	}
	return m.workers[h%uint32(len(m.workers))]
}
