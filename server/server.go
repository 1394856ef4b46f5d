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
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/configs"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/webhook"
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
	sockets *sockets
	tls     *tls.Config // nil: plain HTTP
	minter  *auth.Minter
	auth    *auth.Authenticator
	rooms   *sfu.Manager
	signal  *signal.Handler
	hooks   *webhook.Notifier
	http    *http.Server
	panics  counter

	closing sync.Once
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
	s := &Server{cfg: cfg, log: opts.Logger}
	if err := s.build(opts); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// build makes the parts in the order in which they need one another.
func (s *Server) build(opts Options) (err error) {
	if s.sockets, err = openSockets(s.cfg, opts); err != nil {
		return err
	}
	if s.tls, err = newTLS(s.cfg.HTTP.TLS, opts.Clock.Now()); err != nil {
		return err
	}
	keys, err := newKeys(s.cfg.Keys)
	if err != nil {
		return err
	}
	s.minter = auth.NewMinter(keys, opts.Clock)
	s.auth = s.newAuthenticator(keys, opts.Clock)
	if s.rooms, err = sfu.NewManager(s.mediaConfig(opts)); err != nil {
		return fmt.Errorf("prepare media: %w", err)
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
	})
	s.hooks = webhook.New(webhook.Config{
		URLs:   s.cfg.Webhooks.URLs,
		Sign:   s.signWebhook,
		Logger: opts.Logger,
		Clock:  opts.Clock,
	})
	s.rooms.Watch(signal.Webhooks{Notifier: s.hooks})
	pages, err := web.Handler(web.Options{Dir: s.cfg.Web.Dir, Dev: s.cfg.Development, Logger: opts.Logger})
	if err != nil {
		return fmt.Errorf("prepare pages: %w", err)
	}
	s.http = s.newHTTP(pages)
	return nil
}

// signWebhook makes the token by which a receiver knows that a body is ours.
func (s *Server) signWebhook(sum string) (string, error) {
	key := s.cfg.Webhooks.APIKey
	if key == "" {
		key = s.cfg.Keys[0].ID
	}
	return s.minter.Mint(key, &lkauth.ClaimGrants{Sha256: sum}, webhookTokenLife)
}

// webhookTokenLife is how long a webhook's signature is valid.
const webhookTokenLife = 5 * time.Minute

func newKeys(keys []configs.Key) (*auth.Keys, error) {
	secrets := make(map[string]string, len(keys))
	for _, k := range keys {
		secrets[k.ID] = k.Secret.Reveal()
	}
	return auth.NewKeys(secrets)
}

func (s *Server) newHTTP(pages http.Handler) *http.Server {
	return &http.Server{
		Handler:           s.recovering(s.routes(pages)),
		ReadHeaderTimeout: s.cfg.HTTP.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.HTTP.WriteTimeout,
		WriteTimeout:      s.cfg.HTTP.WriteTimeout,
		IdleTimeout:       s.cfg.HTTP.IdleTimeout,
		MaxHeaderBytes:    maxHeader,
		TLSConfig:         s.tls,
		// Broken handshakes and the like, which any scanner causes.
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Run serves until ctx ends, then stops: new joins are refused, clients are
// told, and after the configured time at most everything is gone. Its error
// says what failed, or what did not end in time.
func (s *Server) Run(ctx context.Context) error {
	s.announce()
	failed := make(chan error, len(s.sockets.http)+1)
	mediaCtx, stopMedia := context.WithCancel(context.WithoutCancel(ctx))
	defer stopMedia()
	media := make(chan struct{})
	go func() {
		defer close(media)
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

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-failed:
	}
	return errors.Join(cause, s.stop(stopMedia, media, &serving))
}

func (s *Server) serve(l net.Listener) error {
	if s.tls != nil {
		return s.http.ServeTLS(l, "", "")
	}
	return s.http.Serve(l)
}

// stop ends what Run started, from the outside in.
func (s *Server) stop(stopMedia context.CancelFunc, media <-chan struct{}, serving *sync.WaitGroup) error {
	s.log.Info("stopping", "timeout", s.cfg.ShutdownTimeout)
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()

	s.rooms.Shutdown(ctx)
	var errs []error
	if err := s.signal.Close(ctx); err != nil {
		errs = append(errs, fmt.Errorf("close signalling: %w", err))
	}
	if err := s.http.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("finish HTTP requests: %w", err), s.http.Close())
	}
	serving.Wait()
	stopMedia()
	select {
	case <-media:
	case <-ctx.Done():
		select {
		case <-media:
		default:
			errs = append(errs, fmt.Errorf("end media: %w", ctx.Err()))
		}
	}
	if err := s.hooks.Close(ctx); err != nil {
		errs = append(errs, fmt.Errorf("deliver webhooks: %w", err))
	}
	s.closing.Do(func() {})
	s.log.Info("stopped", "after", time.Since(begin).Round(time.Millisecond))
	return errors.Join(errs...)
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
		if s.hooks != nil {
			_ = s.hooks.Close(context.Background()) // nothing was posted
		}
		if s.sockets != nil {
			s.sockets.close()
		}
	})
}
