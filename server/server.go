// Package server builds everything that a Careline process runs, starts it and
// stops it, in order. It is what the binary and the tests start; nothing in it
// is shared between two servers of one process.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"careline/configs"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/redact"
	"careline/internal/store"
	"careline/sfu"
	"careline/signal"
	"careline/web"
)

// maxHeader bounds the header of a request, in bytes. It is generous because a
// join carries its first offer in the URL.
const maxHeader = 256 << 10

// Options is what a server takes from its surroundings. The zero value is
// fine.
type Options struct {
	Logger  *slog.Logger // nil: slog.Default()
	Clock   clock.Clock  // nil: clock.Real{}
	Version string       // of the binary

	// LogLevel, if there is one, is the level that Logger obeys; a reload of
	// the configuration sets it.
	LogLevel *slog.LevelVar

	upgrade []store.Migration // of a version to come, which tests are

	// Sockets that are open already; they then belong to the server. Those
	// left out are opened as the configuration says.
	HTTP net.Listener
	UDP  []*net.UDPConn
	TCP  net.Listener
}

// Server is one running, or not yet running, Careline.
type Server struct {
	// immutable
	cfg     *configs.Config
	log     *slog.Logger
	level   *slog.LevelVar // nil: not ours to set
	clock   clock.Clock
	storage *storage
	sockets *sockets
	tls     *tls.Config // nil: plain HTTP
	auth    *auth.Authenticator
	revoked *auth.RevocationList
	rooms   *sfu.Manager
	signal  *signal.Handler
	hooks   *hooks
	calls   *calls
	chats   *chats
	bridge  *bridge
	relay   *relay // nil: no TURN
	http    *http.Server
	admin   *http.Server // nil: none
	plain   *http.Server // for certificates; nil: none
	panics  counter

	certificates *certificates // nil: plain HTTP
	checks       []check
	requests     requests
	life         life
	signer       atomic.Pointer[signer]

	closing   sync.Once
	reloading sync.Mutex

	// guarded by reloading
	loaded *configs.Config
}

// New builds a server and opens its sockets, so that what cannot work is
// reported here. Either Run or Close must follow.
func New(cfg *configs.Config, opts Options) (*Server, error) {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Clock == nil {
		opts.Clock = clock.Real{}
	}
	opts.Logger = redact.Logger(opts.Logger)
	s := &Server{cfg: cfg, loaded: cfg, log: opts.Logger, level: opts.LogLevel, clock: opts.Clock}
	s.requests = requests{log: cfg.Log.Requests, proxies: cfg.HTTP.TrustedProxies, server: s, clock: opts.Clock}
	if err := s.build(opts); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// build makes the parts in the order in which they need one another.
func (s *Server) build(opts Options) (err error) {
	if s.storage, err = openStorage(s.cfg, opts); err != nil {
		return err
	}
	s.checks = append(s.checks, check{"the store cannot write", func() bool { return s.storage.db.Err() != nil || s.storage.keys.Err() != nil }})
	if s.sockets, err = openSockets(s.cfg, opts); err != nil {
		return err
	}
	if s.certificates, err = newCertificates(s.cfg.HTTP.TLS, s.storage.dir, s.clock, s.log); err != nil {
		return err
	}
	s.tls = s.certificates.config()
	keys, err := NewKeys(s.cfg.Keys)
	if err != nil {
		return err
	}
	s.auth = s.newAuthenticator(keys, opts.Clock)
	if err := s.loadRevocations(); err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	s.setSigner(keys, s.cfg)
	if s.rooms, err = sfu.NewManager(s.mediaConfig(opts)); err != nil {
		return fmt.Errorf("prepare media: %w", err)
	}
	if s.relay, err = s.newRelay(opts); err != nil {
		return err
	}
	s.signal = signal.NewHandler(signal.Config{
		Auth:       s.auth,
		Keys:       keys,
		Rooms:      s.rooms,
		Logger:     opts.Logger,
		Clock:      opts.Clock,
		Version:    opts.Version,
		Region:     s.cfg.Region,
		MaxMessage: int64(s.cfg.Limits.Message),

		JoinsPerAddress: s.cfg.Limits.JoinsPerAddress,
		JoinsPerKey:     s.cfg.Limits.JoinsPerKey,

		MessagesPerSecond: s.cfg.Limits.MessagesPerSecond,
	})
	if s.chats, err = s.newChats(opts); err != nil {
		return fmt.Errorf("prepare chats: %w", err)
	}
	s.hooks = s.newHooks(opts)
	s.rooms.Watch(signal.Webhooks{Notifier: s.hooks.notifier})
	if s.calls, err = s.newCalls(opts); err != nil {
		return fmt.Errorf("prepare calls: %w", err)
	}
	s.bridge = s.newBridge(opts)
	pages, err := web.Handler(web.Options{Dir: s.cfg.Web.Dir, Dev: s.cfg.Development, Logger: opts.Logger})
	if err != nil {
		return fmt.Errorf("prepare pages: %w", err)
	}
	s.http = s.newHTTP(pages)
	if len(s.sockets.admin) > 0 {
		s.admin = s.newAdmin(opts.Version)
	}
	if len(s.sockets.plain) > 0 {
		s.plain = s.newACMEHTTP()
	}
	return nil
}

func (s *Server) newHTTP(pages http.Handler) *http.Server {
	secure := s.tls
	if s.sharesPort() {
		secure = sharedTLS(secure)
	}
	return &http.Server{
		Handler:           restoreTLSState(s.requests.counted(s.recovering(s.routes(pages)))),
		ConnContext:       withTLSState,
		ReadHeaderTimeout: s.cfg.HTTP.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.HTTP.WriteTimeout,
		WriteTimeout:      s.cfg.HTTP.WriteTimeout,
		IdleTimeout:       s.cfg.HTTP.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		TLSConfig:         secure,
		// Broken handshakes and the like, which any scanner causes.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Run serves until ctx ends, then stops: new joins are refused, clients are
// told, and after the configured time at most everything is gone. Its error
// says what failed, or what did not end in time.
func (s *Server) Run(ctx context.Context) error {
	s.announce()
	failed := make(chan error, len(s.sockets.http)+len(s.sockets.admin)+len(s.sockets.plain)+5)
	s.storage.run(failed)
	s.calls.run()
	s.chats.run(s)
	s.bridge.run()
	s.hooks.run(failed)
	mediaCtx, stopMedia := context.WithCancel(context.WithoutCancel(ctx))
	defer stopMedia()
	media := make(chan struct{})
	go func() {
		defer close(media)
		var relaying sync.WaitGroup
		defer relaying.Wait()
		relaying.Go(func() {
			if err := s.runRelay(mediaCtx); err != nil {
				failed <- fmt.Errorf("run TURN: %w", err)
			}
		})
		if err := s.rooms.Run(mediaCtx); err != nil {
			failed <- fmt.Errorf("run media: %w", err)
		}
	}()
	var serving sync.WaitGroup
	for _, l := range s.sockets.http {
		serving.Go(func() {
			if err := s.serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
			}
		})
	}

	if s.admin != nil {
		defer serveBeside(s.admin, s.sockets.admin, failed)()
	}
	if s.plain != nil {
		defer serveBeside(s.plain, s.sockets.plain, failed)()
	}
	if s.certificates != nil {
		watch, stopWatch := context.WithCancel(ctx)
		var watching sync.WaitGroup
		watching.Go(func() { s.certificates.run(watch) })
		defer watching.Wait()
		defer stopWatch()
	}
	s.life.serving.Store(true)

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	return errors.Join(cause, s.stop(stopMedia, media, &serving))
}

func (s *Server) serve(l net.Listener) error {
	switch {
	case s.tls == nil:
		return s.http.Serve(l)
	case s.sharesPort():
		return s.serveShared(l)
	}
	return s.http.ServeTLS(l, "", "")
}

// Close releases what New opened when Run is not called. It is idempotent and
// does nothing once Run has returned.
func (s *Server) Close() {
	s.closing.Do(func() {
		if s.rooms != nil { // a manager whose context has ended only cleans up
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := s.rooms.Run(ctx); err != nil {
				s.log.Warn("media did not close", "error", err)
			}
		}
		if s.relay != nil {
			s.relay.server.Close()
		}
		if s.hooks != nil {
			_ = s.hooks.close(context.Background()) // nothing was posted
		}
		if s.sockets != nil {
			s.sockets.close()
		}
		if s.chats != nil {
			_ = s.chats.close() // it never ran
		}
		if s.storage != nil {
			if err := s.storage.close(); err != nil {
				s.log.Warn("the store did not close", "error", err)
			}
		}
	})
}
