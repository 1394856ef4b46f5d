package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

func newVault(t *testing.T, master []byte) (*Vault, *store.DB) {
	t.Helper()
	db, err := store.Open(store.Options{Path: filepath.Join(t.TempDir(), "keys.db"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	running, cancel := context.WithCancel(ctx)
	var run sync.WaitGroup
	run.Go(func() {
		if err := db.Run(running); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		run.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	v, err := New(db, master, clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	return v, db
}

var master = bytes.Repeat([]byte{7}, KeySize)

func TestSealedContentOpensOnlyInItsPlace(t *testing.T) {
	v, _ := newVault(t, master)
	k, err := v.Key(ctx, "conv-1/ann")
	if err != nil {
		t.Fatal(err)
	}
	other, err := v.Key(ctx, "conv-1/ben")
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("where are you")
	sealed := k.Seal(content, "7")
	if bytes.Contains(sealed, content) || bytes.Equal(sealed, k.Seal(content, "7")) || len(sealed) != len(content)+28 {
		t.Errorf("sealed is %x", sealed)
	}
	if got, err := k.Open(sealed, "7"); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%q, %v", got, err)
	}
	for what, open := range map[string]func() ([]byte, error){
		"another place": func() ([]byte, error) { return k.Open(sealed, "8") },
		"another key":   func() ([]byte, error) { return other.Open(sealed, "7") },
		"cut":           func() ([]byte, error) { return k.Open(sealed[:len(sealed)-1], "7") },
		"short":         func() ([]byte, error) { return k.Open(sealed[:5], "7") },
		"nothing":       func() ([]byte, error) { return k.Open(nil, "7") },
		"changed":       func() ([]byte, error) { b := bytes.Clone(sealed); b[20] ^= 1; return k.Open(b, "7") },
	} {
		if got, err := open(); !errors.Is(err, ErrSealed) || got != nil {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}

func TestOneKeyForEachScope(t *testing.T) {
	v, db := newVault(t, master)
	var wg sync.WaitGroup
	sealed := make([][]byte, 16)
	for i := range sealed {
		wg.Go(func() {
			k, err := v.Key(ctx, "scope")
			if err != nil {
				t.Error(err)
				return
			}
			sealed[i] = k.Seal([]byte{byte(i)}, "p")
		})
	}
	wg.Wait()
	// Another process, which has nothing in memory.
	again, err := New(db, master, clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := again.Find(ctx, "scope")
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range sealed {
		if got, err := k.Open(s, "p"); err != nil || got[0] != byte(i) {
			t.Errorf("%d: %v, %v", i, got, err)
		}
	}
	if _, err := again.Find(ctx, "unknown"); !errs.Is(err, errs.NotFound) || errors.Is(err, ErrErased) {
		t.Errorf("no key: %v", err)
	}
	stranger, err := New(db, bytes.Repeat([]byte{8}, KeySize), clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Find(ctx, "scope"); !errors.Is(err, ErrSealed) {
		t.Errorf("with another master key: %v", err)
	}
}

func TestDestroyedKeysStayDestroyed(t *testing.T) {
	v, db := newVault(t, master)
	k, err := v.Key(ctx, "gone")
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Seal([]byte("secret"), "1")
	if err := v.Destroy(ctx, "gone", "never-was"); err != nil {
		t.Fatal(err)
	}
	if err := v.Destroy(ctx, "gone"); err != nil {
		t.Errorf("again: %v", err)
	}
	for _, scope := range []string{"gone", "never-was"} {
		for _, ask := range []func(context.Context, string) (*Key, error){v.Key, v.Find} {
			if _, err := ask(ctx, scope); !errors.Is(err, ErrErased) {
				t.Errorf("%s: %v", scope, err)
			}
		}
	}
	err = db.View(ctx, func(tx *store.Tx) error {
		r, err := keys.Get(tx, "gone")
		if r.Wrapped != nil || r.Destroyed.IsZero() {
			t.Errorf("the key store has %+v", r)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if fresh, err := New(db, master, clock.Real{}); err != nil {
		t.Error(err)
	} else if _, err := fresh.Find(ctx, "gone"); !errors.Is(err, ErrErased) {
		t.Errorf("%x opens after a restart: %v", sealed, err)
	}
}

func TestNamesTellNothingWithoutTheKey(t *testing.T) {
	v, db := newVault(t, master)
	ann, err := v.Key(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	ben, err := v.Key(ctx, "ben")
	if err != nil {
		t.Fatal(err)
	}
	again, err := New(db, master, clock.Real{})
	if err != nil {
		t.Fatal(err)
	}
	annLater, err := again.Find(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	name := ann.Name([]byte("content"))
	if !bytes.Equal(name, annLater.Name([]byte("content"))) || len(name) != 32 {
		t.Errorf("the name changed: %x", name)
	}
	if bytes.Equal(name, ben.Name([]byte("content"))) || bytes.Equal(name, ann.Name([]byte("other"))) {
		t.Error("a name stands for two things")
	}
}

func TestManyKeys(t *testing.T) {
	v, _ := newVault(t, master)
	first, err := v.Key(ctx, "0")
	if err != nil {
		t.Fatal(err)
	}
	sealed := first.Seal([]byte("x"), "")
	v.mu.Lock()
	for i := range cached {
		v.open[fmt.Sprint("filler-", i)] = first
	}
	v.mu.Unlock()
	if _, err := v.Key(ctx, "1"); err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	n := len(v.open)
	v.mu.Unlock()
	if n > cached {
		t.Errorf("%d keys are held", n)
	}
	if k, err := v.Find(ctx, "0"); err != nil {
		t.Error(err)
	} else if _, err := k.Open(sealed, ""); err != nil {
		t.Error(err)
	}
}

func TestMasterKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "master.key")
	first, made, err := ReadMaster(path)
	if err != nil || !made || len(first) != KeySize {
		t.Fatalf("%v, %v", made, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if again, made, err := ReadMaster(path); err != nil || made || !bytes.Equal(again, first) {
		t.Errorf("%v, %v", made, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadMaster(path); err == nil {
		t.Error("a short key was taken")
	}
	if _, err := New(nil, []byte("short"), clock.Real{}); err == nil {
		t.Error("a short master key was taken")
	}
}

func FuzzOpen(f *testing.F) {
	aead, err := newAEAD(master)
	if err != nil {
		f.Fatal(err)
	}
	k := &Key{scope: "scope", aead: aead}
	f.Add(k.Seal([]byte("content"), "place"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if content, err := k.Open(b, "elsewhere"); err == nil || content != nil {
			t.Errorf("%x opens", b)
		}
	})
}
