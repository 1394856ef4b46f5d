package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/api"
	"careline/call"
	"careline/internal/auth"
)

// calls is the part of the server that knows kinds of calls, and what writes down who was in them.
type calls struct {
	*call.Service
	api *api.API
	log *slog.Logger

	cancel   context.CancelFunc // nil until run
	running  sync.WaitGroup
	endFeeds func() // waits for them
}

// newCalls makes calls and the API over them. The engine asks and tells them from now on.
func (s *Server) newCalls(opts Options) (*calls, error) {
	c := &calls{log: opts.Logger, Service: call.New(call.Config{
		Log:      s.chats.log,
		Chain:    s.chats.chain,
		Vault:    s.storage.vault,
		Rooms:    s.rooms,
		Threads:  s.chats.Service,
		Mint:     s.mint,
		TokenTTL: s.cfg.Tokens.MaxLifetime,
		Clock:    opts.Clock,
		Logger:   opts.Logger,
	})}
	s.rooms.SetAdmission(c.Service)
	s.rooms.Watch(c.Service)
	var err error
	c.api, err = api.New(api.Config{
		Auth:       s.auth,
		Calls:      c.Service,
		Chats:      s.chats.Service,
		Hooks:      s.hooks.hooks,
		Files:      s.chats.files,
		Index:      s.chats.index,
		Store:      s.storage.db,
		ICEServers: s.knownRelays,
		PublicURL:  s.cfg.HTTP.PublicURL,
		Clock:      opts.Clock,
		Logger:     opts.Logger,
		Version:    opts.Version,

		OpenThread: func(ctx context.Context, conversation, identity string) error {
			return s.bridge.Open(ctx, conversation, identity)
		},

		FeedsPerPerson:  s.cfg.Limits.FeedsPerPerson,
		FeedsPerAddress: s.cfg.Limits.FeedsPerAddress,
	})
	return c, err
}

// knownRelays are the relays without credentials, which only a session in a call gets.
func (s *Server) knownRelays() []*livekit.ICEServer {
	if s.relay == nil {
		return nil
	}
	return []*livekit.ICEServer{{Urls: s.relayURLs()}}
}

// run begins to write who is in calls, and to tell feeds what happens.
func (c *calls) run() {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.running.Go(func() { c.Service.Run(ctx) })
	feeds, stopFeeds := context.WithCancel(ctx)
	var feeding sync.WaitGroup
	feeding.Go(func() {
		if err := c.api.Run(feeds); err != nil {
			c.log.Error("feeds do not begin", "error", err)
		}
	})
	c.endFeeds = func() {
		stopFeeds()
		feeding.Wait()
	}
}

// close writes what still waits.
func (c *calls) close() error {
	if c.cancel != nil {
		c.cancel()
		c.running.Wait()
	}
	return nil
}

// mint makes a token by an API key, by the first one where that key cannot sign or is gone.
func (s *Server) mint(apiKey string, grants *lkauth.ClaimGrants, rights auth.Rights, ttl time.Duration) (string, error) {
	by := s.signer.Load()
	token, err := by.minter.MintWith(apiKey, grants, rights, ttl)
	if err != nil && apiKey != by.first {
		token, err = by.minter.MintWith(by.first, grants, rights, ttl)
	}
	return token, err
}

// apiMethods are those of the API, for pages of allowed origins.
const apiMethods = "GET, POST, PUT, PATCH, DELETE"

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if s.allowPage(w, r, apiMethods) {
		s.calls.api.ServeHTTP(w, r)
	}
}
