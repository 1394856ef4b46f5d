package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/internal/audit"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/event"
	"careline/internal/seal"
	"careline/internal/store"
	"careline/sfu"
)

// fakeRooms is an engine of which a test says who is inside.
type fakeRooms struct {
	mu sync.Mutex
	// guarded by mu
	inside  map[string]*livekit.ParticipantInfo // by identity
	deleted []string
	removed []string
	muted   []string
	sent    []*livekit.SendDataRequest
}

func (f *fakeRooms) enter(identity string, tracks ...*livekit.TrackInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inside[identity] = &livekit.ParticipantInfo{
		Identity: identity, Tracks: tracks, Permission: &livekit.ParticipantPermission{CanSubscribe: true, CanPublishData: true, CanUpdateMetadata: true},
	}
}

func (f *fakeRooms) DeleteRoom(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deleted = append(f.deleted, name)
	return sfu.ErrRoomMissing
}

func (f *fakeRooms) RemoveParticipant(_ context.Context, _, identity string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed = append(f.removed, identity)
	delete(f.inside, identity)
	return nil
}

func (f *fakeRooms) GetParticipant(_, identity string) (*livekit.ParticipantInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.inside[identity]; p != nil {
		return p, nil
	}
	return nil, sfu.ErrNoParticipant
}

func (f *fakeRooms) MutePublishedTrack(_ context.Context, _, _, trackSID string, _ bool) (*livekit.TrackInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.muted = append(f.muted, trackSID)
	return &livekit.TrackInfo{Sid: trackSID, Muted: true}, nil
}

func (f *fakeRooms) UpdateParticipant(_ context.Context, r *livekit.UpdateParticipantRequest) (*livekit.ParticipantInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.inside[r.Identity]
	if p == nil {
		return nil, sfu.ErrNoParticipant
	}
	if r.Permission != nil {
		p.Permission = r.Permission
	}
	if p.Attributes == nil {
		p.Attributes = make(map[string]string)
	}
	maps.Copy(p.Attributes, r.Attributes)
	return p, nil
}

func (f *fakeRooms) SendData(r *livekit.SendDataRequest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, r)
	return nil
}

// fakeThreads are conversations of which a test sees what calls made of them.
type fakeThreads struct {
	log *event.Log

	mu sync.Mutex
	// guarded by mu
	people map[string][]string // by conversation
	calls  map[string]string   // the same
	notes  map[string][]string // codes, the same
}

func (f *fakeThreads) WithThread(ctx context.Context, _, _ string, _, people map[string]string, pair bool, then func(*store.Tx, string) error) error {
	f.mu.Lock()
	identities := slices.Sorted(maps.Keys(people))
	id := fmt.Sprintf("thread-%d", len(f.people))
	if pair {
		id = strings.Join(identities, "+")
	}
	f.people[id] = identities
	f.mu.Unlock()
	return f.log.Update(ctx, func(tx *store.Tx) error { return then(tx, id) })
}

func (f *fakeThreads) CallOf(_ *store.Tx, conversation string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[conversation], nil
}

func (f *fakeThreads) TieCall(_ *store.Tx, conversation, call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[conversation] = call
	return nil
}

func (f *fakeThreads) UntieCall(_ *store.Tx, conversation, call string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls[conversation] == call {
		delete(f.calls, conversation)
	}
	return nil
}

func (f *fakeThreads) Note(_ *store.Tx, conversation, _, code string, _ map[string]string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes[conversation] = append(f.notes[conversation], code)
	return nil
}

func (f *fakeThreads) Members(_ *store.Tx, conversation string, _ int) ([]string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.people[conversation], strings.Contains(conversation, "+"), nil
}

func (f *fakeThreads) About(*store.Tx, string) (map[string]string, error) {
	return map[string]string{"incident": "INC-1"}, nil
}

func (f *fakeThreads) PutOut(_ *store.Tx, conversation, identity, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.people[conversation] = slices.DeleteFunc(f.people[conversation], func(p string) bool { return p == identity })
	return nil
}

// bench is a service over a store of its own.
type bench struct {
	*Service
	t       *testing.T
	rooms   *fakeRooms
	threads *fakeThreads
	clock   *clock.Fake
	path    string
	stop    func() // ends the service and closes its store
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, threads: &fakeThreads{people: make(map[string][]string), calls: make(map[string]string), notes: make(map[string][]string)}, rooms: &fakeRooms{inside: make(map[string]*livekit.ParticipantInfo)},
		clock: clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)), path: filepath.Join(t.TempDir(), "store.db"),
	}
	b.start()
	t.Cleanup(func() { b.stop() })
	return b
}

// start opens the store; called again after stop, it is a restart of the server.
func (b *bench) start() {
	b.t.Helper()
	db, err := store.Open(store.Options{Path: b.path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.t.Fatal(err)
	}
	keys, err := store.Open(store.Options{Path: filepath.Join(filepath.Dir(b.path), "keys.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.t.Fatal(err)
	}
	vault, err := seal.New(keys, make([]byte, seal.KeySize), b.clock)
	if err != nil {
		b.t.Fatal(err)
	}
	b.threads.log = event.NewLog(db, b.clock, slog.New(slog.DiscardHandler))
	b.Service = New(Config{
		Log: b.threads.log, Chain: audit.New(b.clock), Vault: vault, Rooms: b.rooms, Threads: b.threads, Clock: b.clock, Logger: slog.New(slog.DiscardHandler), TokenTTL: 24 * time.Hour,
		Mint: func(key string, g *lkauth.ClaimGrants, _ auth.Rights, _ time.Duration) (string, error) {
			return key + ":" + g.Identity, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	legs, stopLegs := context.WithCancel(context.Background())
	var running, writing sync.WaitGroup
	for _, each := range []*store.DB{db, keys} {
		running.Go(func() {
			if err := each.Run(ctx); err != nil {
				b.t.Errorf("run a store: %v", err)
			}
		})
	}
	service := b.Service
	writing.Go(func() { service.Run(legs) })
	b.stop = sync.OnceFunc(func() {
		stopLegs()
		writing.Wait()
		cancel()
		running.Wait()
		if err := errors.Join(db.Close(), keys.Close()); err != nil {
			b.t.Errorf("close the stores: %v", err)
		}
	})
}

// join asks as the engine does for somebody whose token allows everything.
func (b *bench) join(call, identity string) (*sfu.JoinRequest, error) {
	r := &sfu.JoinRequest{
		Room: call, Identity: identity,
		Permission: &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishData: true, CanUpdateMetadata: true},
	}
	return r, b.Admit(r)
}

// happened tells the service what became of a session.
func (b *bench) happened(kind sfu.EventKind, call, identity, sid string, reason livekit.DisconnectReason) {
	role := ""
	if p, err := b.Participant(context.Background(), call, identity); err == nil {
		role = string(p.Role)
	}
	if role == "" {
		if r, err := b.join(call, identity); err == nil {
			role = r.Attributes[RoleAttribute]
		}
	}
	b.Observe(sfu.Event{
		Kind: kind, At: b.clock.Now(), Room: &livekit.Room{Name: call},
		Participant: &livekit.ParticipantInfo{
			Identity: identity, Sid: sid, DisconnectReason: reason, Attributes: map[string]string{RoleAttribute: role},
		},
		Client:  &livekit.ClientInfo{Sdk: livekit.ClientInfo_JS, Version: "2.23.0", Os: "linux", Browser: "Chromium"},
		Quality: livekit.ConnectionQuality_GOOD, Judged: true,
	})
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
