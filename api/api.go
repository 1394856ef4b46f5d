package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/livekit/protocol/livekit"

	"careline/call"
	"careline/chat"
	"careline/internal/attachment"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/store"
	"careline/internal/webhook"
)

const jsonType = "application/json"

// Config is what an API is made of.
type Config struct {
	Auth       *auth.Authenticator
	Calls      *call.Service
	Chats      *chat.Service
	Hooks      *webhook.Hooks
	Files      *attachment.Service
	Index      chat.Index                  // that finds messages
	Store      *store.DB                   // of the answers to requests with an idempotency key
	ICEServers func() []*livekit.ICEServer // by which clients reach the server before they have joined; nil: none
	PublicURL  string                      // by which people reach this server, https://host or with a path behind; empty: as the caller did
	Clock      clock.Clock
	Logger     *slog.Logger
	Version    string

	// OpenThread gives somebody who is in the call of a conversation a place in it; nil: nobody.
	OpenThread func(ctx context.Context, conversation, identity string) error

	FeedsPerPerson  int // feeds that one person may have open; 0: any number
	FeedsPerAddress int // and one address
}

// API serves /v1.
type API struct {
	// immutable once New has returned
	auth       *auth.Authenticator
	calls      *call.Service
	chats      *chat.Service
	hooks      *webhook.Hooks
	files      *attachment.Service
	openThread func(ctx context.Context, conversation, identity string) error // nil: nobody
	index      chat.Index
	ice        func() []*livekit.ICEServer
	publicURL  string
	clock      clock.Clock
	log        *slog.Logger
	replays    *replays
	hub        *hub
	tickets    *tickets
	huma       huma.API
	described  huma.API // of what is answered elsewhere: the same document, no routes
	mux        *http.ServeMux
	operations []Operation
	sealed     map[string]bool // patterns of operations whose answers are not kept
	document   []byte          // OpenAPI 3.1, JSON
	page       []byte          // the same to read
}

// New returns an API; it starts nothing. Feeds begin with Run.
func New(cfg Config) (*API, error) {
	a := &API{
		auth: cfg.Auth, calls: cfg.Calls, chats: cfg.Chats, hooks: cfg.Hooks, files: cfg.Files, openThread: cfg.OpenThread, index: cfg.Index, sealed: make(map[string]bool), ice: cfg.ICEServers, publicURL: strings.TrimSuffix(cfg.PublicURL, "/"), clock: cfg.Clock, log: cfg.Logger,
		replays: newReplays(cfg.Store, cfg.Clock), hub: newHub(&cfg), tickets: newTickets(cfg.Clock), mux: http.NewServeMux(),
	}
	cfg.Chats.Watch(a.hub)
	config := humaConfig(cfg.Version)
	a.huma = humago.New(a.mux, config)
	a.described = humago.New(http.NewServeMux(), config)
	a.describeSessions()
	a.registerCalls()
	a.registerRinging()
	a.registerLegs()
	a.registerPeople()
	a.registerInvites()
	a.registerConversations()
	a.registerMessages()
	a.registerSearch()
	a.registerTransactions()
	a.registerChatManagement()
	a.registerGovernance()
	a.registerWebhooks()
	a.registerExports()
	a.registerAttachments()
	a.registerFeeds()
	var err error
	if a.document, err = json.MarshalIndent(a.huma.OpenAPI(), "", "  "); err != nil {
		return nil, fmt.Errorf("write the API's description: %w", err)
	}
	if a.page, err = renderPage(a.huma.OpenAPI(), a.operations); err != nil {
		return nil, fmt.Errorf("render the API's description: %w", err)
	}
	a.mux.HandleFunc("GET /v1/openapi.json", a.serve(jsonType, a.document))
	a.mux.HandleFunc("GET /openapi.json", a.serve(jsonType, a.document))
	a.mux.HandleFunc("GET /v1/docs", a.serve("text/html; charset=utf-8", a.page))
	a.mux.HandleFunc("GET /v1/docs.css", a.serve("text/css; charset=utf-8", pageStyle))
	return a, nil
}

func humaConfig(version string) huma.Config {
	c := huma.DefaultConfig("Careline", version)
	c.CreateHooks, c.OpenAPIPath, c.DocsPath, c.SchemasPath = nil, "", "", ""
	c.Transformers = []huma.Transformer{ofRequest}
	c.Info.Description = "Calls, who takes part in them and as what; conversations, and what is written in them; receivers that are told. Bodies are JSON; times are RFC 3339 in UTC; answers that are no success are RFC 9457 problems."
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "A token signed by an API key, as LiveKit's server SDKs make it."},
		"session": {Type: "apiKey", In: "cookie", Name: "__Host-session", Description: "The cookie of POST /v1/session, from pages of allowed origins, with X-CSRF-Token for what changes something."},
	}
	return c
}

// Document returns the OpenAPI document.
func (a *API) Document() []byte { return a.document }

// Serves tells whether a path, cleaned, is the API's.
func Serves(p string) bool {
	p = strings.TrimPrefix(p, "/api")
	return p == "/v1" || strings.HasPrefix(p, "/v1/") || p == "/openapi.json"
}

// serve answers with fixed content.
func (a *API) serve(contentType string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-cache")
		if r.Method != http.MethodHead {
			_, _ = w.Write(content)
		}
	}
}

type askedKey struct{}

// asked is who asks, or why that is not known.
type asked struct {
	claims  *auth.Claims
	err     error
	request *http.Request
	id      string // of the request
}

func claimsOf(ctx context.Context) (*auth.Claims, error) {
	a, _ := ctx.Value(askedKey{}).(*asked)
	if a == nil {
		return nil, auth.ErrNoToken
	}
	return a.claims, a.err
}

func requestOf(ctx context.Context) *http.Request {
	if a, _ := ctx.Value(askedKey{}).(*asked); a != nil {
		return a.request
	}
	return nil
}

func requestIDOf(ctx context.Context) string {
	if a, _ := ctx.Value(askedKey{}).(*asked); a != nil {
		return a.id
	}
	return ""
}

// ServeHTTP answers a request under /v1 or /api/v1.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	clean := strings.TrimPrefix(path.Clean(r.URL.Path), "/api")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	id := requestID(w.Header())
	if a.serveFeed(w, r, clean) {
		return
	}
	claims, err := a.auth.Authenticate(r)
	if err != nil && auth.StatusOf(err) != http.StatusUnauthorized {
		p := newProblem(auth.StatusOf(err), err.Error())
		if wait := auth.RetryAfter(err); wait > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(wait))
		}
		writeProblem(w, p)
		return
	}
	r = r.WithContext(context.WithValue(r.Context(), askedKey{}, &asked{claims, err, r, id}))
	r.URL.Path, r.URL.RawPath = clean, ""
	handler, pattern := a.mux.Handler(r)
	switch {
	case pattern == "" || pattern == "/":
		a.unknown(w, r, handler)
	case a.serveOnce(pattern, r) && claims != nil:
		a.replays.serve(w, r, claims, a.mux, a.log)
	default:
		a.mux.ServeHTTP(w, r)
	}
}

// unknown answers what the mux would answer with plain text: no such path, or not by this method.
func (a *API) unknown(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	trial := &header{h: make(http.Header)}
	handler.ServeHTTP(trial, r)
	if trial.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", trial.h.Get("Allow"))
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, ""))
		return
	}
	writeProblem(w, newProblem(http.StatusNotFound, "there is no such operation"))
}

// header keeps an answer's status and header and drops its body.
type header struct {
	h      http.Header
	status int
}

func (w *header) Header() http.Header { return w.h }

func (w *header) Write(b []byte) (int, error) { return len(b), nil }

func (w *header) WriteHeader(status int) { w.status = status }

// pageURL is where the pages of this server are.
func (a *API) pageURL(ctx context.Context) string {
	if a.publicURL != "" {
		return a.publicURL
	}
	r := requestOf(ctx)
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// clientURL is where LiveKit's clients connect.
func (a *API) clientURL(ctx context.Context) string {
	return "ws" + strings.TrimPrefix(a.pageURL(ctx), "http")
}
