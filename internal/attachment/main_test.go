package attachment

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"careline/internal/blob"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/inspect"
	"careline/internal/seal"
	"careline/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a service with what it stands on.
type bench struct {
	*Service
	t     testing.TB
	dir   string
	db    *store.DB
	blobs *blob.Store
	vault *seal.Vault
	clock *clock.Fake
	stop  func() // ends everything, as the end of the process would
}

func open(t *testing.T, change func(*Options)) *bench { return openAt(t, t.TempDir(), change) }

func openAt(t testing.TB, dir string, change func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, dir: dir, clock: clock.NewFake(time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC))}
	quiet := slog.New(slog.DiscardHandler)
	var running sync.WaitGroup
	openDB := func(name string) *store.DB {
		db, err := store.Open(store.Options{Path: filepath.Join(dir, name), Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			if err := db.Run(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	b.db = openDB("careline.db")
	keys := openDB("keys.db")
	var err error
	if b.vault, err = seal.New(keys, bytes.Repeat([]byte{7}, seal.KeySize), b.clock); err != nil {
		t.Fatal(err)
	}
	if b.blobs, err = blob.New(blob.Options{Folder: filepath.Join(dir, "blobs"), DB: b.db, Vault: b.vault, Logger: quiet, Clock: b.clock}); err != nil {
		t.Fatal(err)
	}
	opts := Options{
		DB: b.db, Blobs: b.blobs, Vault: b.vault, Clock: b.clock, Logger: quiet, Deny: inspect.DefaultDeny(),
		Scope: func(conversation, principal string) string { return "chat/" + conversation + "/" + principal },
	}
	if change != nil {
		change(&opts)
	}
	b.Service = New(opts)
	b.stop = sync.OnceFunc(func() {
		if err := errors.Join(b.blobs.Close(), b.db.Close(), keys.Close()); err != nil {
			t.Error(err)
		}
		running.Wait()
	})
	t.Cleanup(b.stop)
	return b
}

// run runs the service until the function that it returns is called.
func (b *bench) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.Run(ctx); err != nil {
			b.t.Error(err)
		}
	})
	return func() { cancel(); running.Wait() }
}

func (b *bench) begin(name, declared string, length int) Upload {
	b.t.Helper()
	u, err := b.Begin(b.t.Context(), Offer{Conversation: "conv", By: "ann", Name: name, Declared: declared, Length: int64(length)})
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// send uploads a file in one go.
func (b *bench) send(name, declared string, content []byte) (File, error) {
	b.t.Helper()
	u := b.begin(name, declared, len(content))
	if len(content) > 0 {
		if _, err := b.Append(b.t.Context(), u.ID, "ann", 0, bytes.NewReader(content)); err != nil {
			b.t.Fatal(err)
		}
	}
	return b.Finish(b.t.Context(), u.ID, "ann")
}

func (b *bench) mustSend(name, declared string, content []byte) File {
	b.t.Helper()
	f, err := b.send(name, declared, content)
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

func (b *bench) read(id, reader string, v Variant) ([]byte, error) {
	_, content, err := b.Open(b.t.Context(), id, reader, v)
	if err != nil {
		return nil, err
	}
	all, err := io.ReadAll(content)
	return all, errors.Join(err, content.Close())
}

func (b *bench) update(fn func(*store.Tx) error) {
	b.t.Helper()
	if err := b.db.Update(b.t.Context(), fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) attach(id, message string) {
	b.t.Helper()
	b.update(func(tx *store.Tx) error { return b.Attach(tx, id, "conv", "ann", message) })
}

// files counts the blobs that are left after collecting.
func (b *bench) files() int {
	b.t.Helper()
	if err := b.blobs.Collect(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	r, err := b.blobs.Verify(b.t.Context())
	if err != nil || len(r.Problems) > 0 {
		b.t.Fatalf("%+v, %v", r, err)
	}
	return r.Files
}

func wantKind(t *testing.T, err error, k errs.Kind) {
	t.Helper()
	if !errs.Is(err, k) {
		t.Errorf("%v is not of kind %v", err, k)
	}
}

// secret stands in the metadata of photos.
const secret = "Somebody's Phone 4711"

// photo returns a JPEG picture with EXIF that turns it by 90 degrees, tells of a place, and holds secret.
func photo(t *testing.T, width, height int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetRGBA(x, y, color.RGBA{uint8(x), uint8(y), 100, 255})
		}
	}
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, m, nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02" +
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + "\x88\x25\x00\x04\x00\x00\x00\x01\x00\x00\x00\x26" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00" + secret
	n := len(exif) + 2
	return bytes.Join([][]byte{plain.Bytes()[:2], {0xff, 0xe1, byte(n >> 8), byte(n)}, []byte(exif), plain.Bytes()[2:]}, nil)
}
