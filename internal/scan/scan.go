// Package scan asks a scanner whether a file is malicious. Clamd is the one that there is.
package scan

import (
	"context"
	"errors"
	"io"
)

// State is what is known of a file.
type State string

// The states. A file begins as Pending where there is a scanner, as Skipped where there is none or it does not take the file.
const (
	Pending  State = "pending"
	Clean    State = "clean"
	Infected State = "infected"
	Skipped  State = "skipped"
)

// Verdict is what a scanner says of a file.
type Verdict struct {
	State     State  // Clean, Infected or Skipped
	Signature string // of what was found, or why it was skipped
}

// Scanner looks for what is malicious. An error says nothing of the file: it is to be asked again.
type Scanner interface {
	Scan(ctx context.Context, content io.Reader) (Verdict, error)
}

// ErrScanner says that the scanner could not be asked, or did not answer in its own words.
var ErrScanner = errors.New("scanner failed")
