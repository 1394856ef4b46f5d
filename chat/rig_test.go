package chat

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"careline/internal/audit"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/seal"
	"careline/internal/store"
)

var ctx = context.Background()

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// rig is a service over stores on disk.
type rig struct {
	*Service
	t     testing.TB
	db    *store.DB
	keys  *store.DB
	chain *audit.Chain
	log   *event.Log
	vault *seal.Vault
	clock *clock.Fake
	dir   string
	files Files
	hear  *ears
}

// ears keep the notices.
type ears struct {
	mu   sync.Mutex
	list []Notice
}

func (e *ears) Notice(n Notice) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, n)
}

func (e *ears) take() []Notice {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.list
	e.list = nil
	return list
}

func newRig(t testing.TB) *rig { return newRigIn(t, t.TempDir(), nil) }

func newRigIn(t testing.TB, dir string, files Files) *rig {
	t.Helper()
	r := &rig{t: t, clock: clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)), dir: dir, hear: new(ears), files: files}
	var close func()
	var err error
	r.Service, close, err = r.start(r.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(close)
	r.Watch(r.hear)
	return r
}

// start opens everything and makes a service.
func (r *rig) start(c clock.Clock) (*Service, func(), error) {
	master, _, err := seal.ReadMaster(filepath.Join(r.dir, "master.key"))
	if err != nil {
		return nil, nil, err
	}
	if r.db, err = store.Open(store.Options{Path: filepath.Join(r.dir, "store.db"), Logger: quiet()}); err != nil {
		return nil, nil, err
	}
	if r.keys, err = store.Open(store.Options{Path: filepath.Join(r.dir, "keys.db"), Logger: quiet()}); err != nil {
		return nil, nil, err
	}
	if r.vault, err = seal.New(r.keys, master, c); err != nil {
		return nil, nil, err
	}
	r.chain, r.log = audit.New(c), event.NewLog(r.db, c, quiet())
	running, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() { _ = r.db.Run(running) })
	wait.Go(func() { _ = r.keys.Run(running) })
	s := New(Config{Log: r.log, Chain: r.chain, Vault: r.vault, Files: r.files, Clock: c, Logger: quiet()})
	return s, func() {
		cancel()
		wait.Wait()
		if err := r.db.Close(); err != nil {
			r.t.Error(err)
		}
		if err := r.keys.Close(); err != nil {
			r.t.Error(err)
		}
	}, nil
}

var everything = []Permission{
	Create, Read, Write, EditOwn, EditAny, DeleteOwn, DeleteAny, DeleteWhole, Search, Join, Export, Close, AuditRead, AuditSearch, RetentionAdmin, HoldAdmin, Erase,
	Transactions,
}

// who is somebody with all permissions.
func who(principal string) *Caller {
	return &Caller{Principal: principal, Name: "Name of " + principal, Kin: User, Permissions: everything, From: "test"}
}

func with(principal string, permissions ...Permission) *Caller {
	c := who(principal)
	c.Permissions = permissions
	return c
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// group makes a group of people, the first of whom makes it.
func (r *rig) group(people ...string) string {
	r.t.Helper()
	n := NewConversation{Type: Group}
	for _, p := range people[1:] {
		n.People = append(n.People, Person{Principal: p, Name: "Name of " + p})
	}
	made, err := r.Create(ctx, who(people[0]), n)
	r.must(err)
	return made.ID
}

var keysGiven struct {
	mu sync.Mutex
	n  int
}

func freshKey() string {
	keysGiven.mu.Lock()
	defer keysGiven.mu.Unlock()
	keysGiven.n++
	return fmt.Sprint("key-", keysGiven.n)
}

// say sends a text and returns its number.
func (r *rig) say(conversation, principal, text string) uint64 {
	r.t.Helper()
	got, err := r.Append(ctx, who(principal), conversation, Draft{ClientKey: freshKey(), Text: text})
	r.must(err)
	return got.Seq
}

func (r *rig) read(conversation, principal string) []MessageView {
	r.t.Helper()
	list, err := r.Messages(ctx, who(principal), conversation, Window{Limit: 100})
	r.must(err)
	return list.Items
}

func (r *rig) unread(conversation, principal string) uint64 {
	r.t.Helper()
	v, err := r.Get(ctx, who(principal), conversation)
	r.must(err)
	return v.Unread
}

func (r *rig) verify() uint64 {
	r.t.Helper()
	n, err := r.chain.Verify(ctx, r.db, nil)
	r.must(err)
	return n
}

func isKind(t *testing.T, err error, k errs.Kind) {
	t.Helper()
	if !errs.Is(err, k) {
		t.Errorf("%v, want %v", err, k)
	}
}
