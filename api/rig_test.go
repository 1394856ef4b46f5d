package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/call"
	"careline/chat"
	"careline/internal/attachment"
	"careline/internal/audit"
	"careline/internal/auth"
	"careline/internal/blob"
	"careline/internal/clock"
	"careline/internal/event"
	"careline/internal/inspect"
	"careline/internal/scan"
	"careline/internal/seal"
	"careline/internal/search"
	"careline/internal/store"
	"careline/internal/webhook"
	"careline/sfu"
)

// rig is an API over a real store and a real engine, reached over HTTP.
type rig struct {
	*API
	t       testing.TB
	url     string
	minter  *auth.Minter
	secrets *auth.Keys
	calls   *call.Service
	chats   *chat.Service
	hooks   *webhook.Hooks
	keys    *store.DB
	blobs   *blob.Store
	folder  string // of the blobs
	files   *attachment.Service
	index   *search.Index
	rooms   *sfu.Manager
	store   *store.DB
	events  *event.Log
	clock   *clock.Fake
	client  *http.Client

	endFeeds func() // waits for them
}

// eventLife is how long the rig keeps events.
const eventLife = 3 * 24 * time.Hour

// scanner finds files that contain "malicious", and fails at those that contain "unreadable".
type scanner struct{}

func (scanner) Scan(_ context.Context, content io.Reader) (scan.Verdict, error) {
	all, err := io.ReadAll(content)
	if bytes.Contains(all, []byte("unreadable")) {
		return scan.Verdict{}, errors.New("the scanner is not there")
	}
	if bytes.Contains(all, []byte("malicious")) {
		return scan.Verdict{State: scan.Infected, Signature: "Stub.Test"}, err
	}
	return scan.Verdict{State: scan.Clean}, err
}

// narrow makes a network that holds little, so that slow readers are soon felt.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(64 << 10)
	}
	return conn, err
}

func newRig(t testing.TB) *rig {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	r := &rig{t: t, clock: clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC))}
	keys, err := auth.NewKeys(map[string]string{"key": strings.Repeat("s", 32), "other": strings.Repeat("o", 32)})
	if err != nil {
		t.Fatal(err)
	}
	r.minter, r.secrets = auth.NewMinter(keys, r.clock), keys
	if r.store, err = store.Open(store.Options{Path: filepath.Join(t.TempDir(), "store.db"), Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	if r.keys, err = store.Open(store.Options{Path: filepath.Join(t.TempDir(), "keys.db"), Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	vault, err := seal.New(r.keys, make([]byte, seal.KeySize), r.clock)
	if err != nil {
		t.Fatal(err)
	}
	r.folder = filepath.Join(t.TempDir(), "blobs")
	r.blobs, err = blob.New(blob.Options{Folder: r.folder, DB: r.store, Vault: vault, Clock: r.clock, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	log := event.NewLog(r.store, r.clock, quiet)
	r.events = log
	r.files = attachment.New(attachment.Options{
		DB: r.store, Blobs: r.blobs, Vault: vault, Scope: chat.FileScope, Scanner: scanner{}, Policy: attachment.KeepSealed, Deny: inspect.DefaultDeny(),
		Limits: attachment.Limits{File: 1 << 20, Open: 1000, Pending: 1 << 30}, Clock: r.clock, Logger: quiet,
		Scanned: func(tx *store.Tx, f attachment.File) error { return r.chats.Scanned(tx, f) }, Rang: log.Ring,
	})
	r.chats = chat.New(chat.Config{Files: chat.KeptFiles(r.files), Log: log, Chain: audit.New(r.clock), Vault: vault,
		EraseElsewhere: func(ctx context.Context, principal string) error { return r.calls.Erase(ctx, principal) },
		Verify:         func(ctx context.Context) (uint64, error) { return audit.New(r.clock).Verify(ctx, r.store, nil) },
		EventLife:      eventLife, Clock: r.clock, Logger: quiet})
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if r.rooms, err = sfu.NewManager(sfu.Config{UDPConns: []*net.UDPConn{conn}, Loopback: true, Room: sfu.RoomDefaults{AutoCreate: true}, Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	r.calls = call.New(call.Config{Log: log, Chain: audit.New(r.clock), Vault: vault, Rooms: r.rooms, Threads: r.chats, Mint: r.minter.MintWith, TokenTTL: 24 * time.Hour, Clock: r.clock, Logger: quiet})
	r.rooms.SetAdmission(r.calls)
	r.hooks = webhook.NewHooks(webhook.NewOutbox(webhook.Config{Store: r.store, Logger: quiet, Clock: r.clock}), webhook.HooksConfig{Vault: vault})
	if r.index, err = search.Open(search.Options{Dir: t.TempDir(), Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	r.API, err = New(Config{
		Files: r.files, Index: r.index,
		Auth:  auth.NewAuthenticator(auth.AuthenticatorConfig{Verifier: auth.NewVerifier(keys, r.clock).LimitLifetime(24 * time.Hour), Clock: r.clock}),
		Calls: r.calls, Chats: r.chats, Hooks: r.hooks, Store: r.store, Clock: r.clock, Logger: quiet, Version: "test",
		ICEServers: func() []*livekit.ICEServer {
			return []*livekit.ICEServer{{Urls: []string{"turn:127.0.0.1:3478"}}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = r.store.Run(ctx) })
	running.Go(func() { _ = r.rooms.Run(ctx) })
	running.Go(func() { _ = r.keys.Run(ctx) })
	running.Go(func() { _ = r.files.Run(ctx) })
	follower := &search.Follower{Index: r.index, Log: log, Clock: clock.Real{}, Read: r.chats.Documents, All: r.chats.AllDocuments, Logger: quiet}
	running.Go(func() { _ = follower.Run(ctx) })
	running.Go(func() { _ = r.chats.RunFeed(ctx) })
	feeds, endFeeds := context.WithCancel(ctx)
	var feeding sync.WaitGroup
	feeding.Go(func() { _ = r.Run(feeds) })
	r.endFeeds = func() {
		endFeeds()
		feeding.Wait()
	}
	server := httptest.NewUnstartedServer(r.API)
	server.Listener = narrow{server.Listener}
	server.Start()
	r.url, r.client = server.URL, server.Client()
	t.Cleanup(func() {
		r.endFeeds()
		server.Close()
		cancel()
		running.Wait()
		if err := r.index.Close(); err != nil {
			t.Error(err)
		}
		if err := r.blobs.Close(); err != nil {
			t.Error(err)
		}
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
		if err := r.keys.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// token is what an application would sign.
func (r *rig) token(identity string, grant lkauth.VideoGrant) string {
	r.t.Helper()
	token, err := r.minter.Mint("key", &lkauth.ClaimGrants{Identity: identity, Video: &grant}, time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

func (r *rig) service() string {
	return r.token("", *serviceGrants("").Video)
}

func serviceGrants(identity string) *lkauth.ClaimGrants {
	return &lkauth.ClaimGrants{Identity: identity, Video: &lkauth.VideoGrant{RoomCreate: true, RoomList: true}}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
}

func (a answer) problem(t testing.TB) Problem {
	t.Helper()
	var p Problem
	if a.header.Get("Content-Type") != problemType {
		t.Fatalf("no problem: %d %s %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	a.into(t, &p)
	return p
}

// ask sends a request; v is its body, as JSON unless it is a text already; headers are pairs.
func (r *rig) ask(method, path, token string, v any, headers ...string) answer {
	r.t.Helper()
	var body io.Reader
	switch v := v.(type) {
	case nil:
	case string:
		body = strings.NewReader(v)
	default:
		b, err := json.Marshal(v)
		if err != nil {
			r.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, r.url+path, body)
	if err != nil {
		r.t.Fatal(err)
	}
	if v != nil {
		req.Header.Set("Content-Type", jsonType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, b}
}

// make makes a call and returns it with tokens by identity.
func (r *rig) make(n NewCall) (Call, map[string]string) {
	r.t.Helper()
	a := r.ask(http.MethodPost, "/v1/calls", r.service(), n)
	if a.status != http.StatusCreated {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	var made Created
	a.into(r.t, &made)
	tokens := make(map[string]string)
	for _, j := range made.Participants {
		tokens[j.Participant.Identity] = j.Token
	}
	return made.Call, tokens
}
