package attachment

import (
	"log/slog"
	"time"

	"careline/internal/blob"
	"careline/internal/clock"
	"careline/internal/inspect"
	"careline/internal/scan"
	"careline/internal/seal"
	"careline/internal/store"
)

// Policy says what becomes of pictures' metadata.
type Policy string

// The policies.
const (
	Strip      Policy = "strip"       // it is taken out
	Keep       Policy = "keep"        // it stays
	KeepSealed Policy = "keep_sealed" // it is taken out, and the untouched file kept aside for those who may read originals
)

// Limits is how much is taken.
type Limits struct {
	File    int64         // bytes of a file; 0: 25 MiB
	Open    int           // uploads that a person has not finished, and files not attached to a message; 0: 50
	Pending int64         // bytes of these; 0: ten times File
	Piece   int64         // bytes that are written at once, and lost at most when the server dies; 0: 8 MiB
	Life    time.Duration // how long an upload goes on, and a file waits for its message; 0: a day
}

// Options is what a Service is made of.
type Options struct {
	DB      *store.DB
	Blobs   *blob.Store
	Vault   *seal.Vault
	Scope   func(conversation, principal string) string // of the key of what somebody writes in a conversation
	Scanner scan.Scanner                                // nil: files are not scanned
	Policy  Policy                                      // empty: Strip
	Deny    inspect.Deny
	Limits  Limits
	// Scanned is told, in the transaction that writes it, what the scanner said of a file. Its Secret is empty. Nil: nobody.
	Scanned func(tx *store.Tx, f File) error
	// Rang is called after that transaction. Nil: nobody.
	Rang   func()
	Clock  clock.Clock  // nil: clock.Real{}
	Logger *slog.Logger // nil: slog.Default()
}

// Service is the attachments of a server. Its methods may be called from any goroutine.
type Service struct {
	// immutable
	opts  Options
	small *inspect.Thumbnailer
	wake  chan struct{} // there is something to scan
}

// New returns a service. It starts nothing: Run does.
func New(opts Options) *Service {
	l := &opts.Limits
	if l.File == 0 {
		l.File = 25 << 20
	}
	if l.Open == 0 {
		l.Open = 50
	}
	if l.Pending == 0 {
		l.Pending = 10 * l.File
	}
	if l.Piece == 0 {
		l.Piece = 8 << 20
	}
	if l.Life == 0 {
		l.Life = 24 * time.Hour
	}
	if opts.Policy == "" {
		opts.Policy = Strip
	}
	if opts.Clock == nil {
		opts.Clock = clock.Real{}
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return &Service{opts: opts, small: inspect.NewThumbnailer(0), wake: make(chan struct{}, 1)}
}
