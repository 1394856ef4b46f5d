// Package errs sorts errors into a small closed list of kinds that every
// engine uses and every edge translates in one place, to a status, a protocol
// code or an exit code.
package errs

import (
	"errors"
	"fmt"
)

// Kind says what the caller can do about an error.
type Kind uint8

// The kinds. An error without a kind is Internal.
const (
	Internal    Kind = iota // our fault; details belong in the log only
	Invalid                 // the request makes no sense as it stands
	Denied                  // the caller may not do that
	NotFound                // what was named is not there
	Conflict                // it is there, in a state that forbids this
	Limit                   // a bound was reached; later or smaller may work
	Unavailable             // not now: starting, stopping or overloaded
)

var names = [...]string{"internal", "invalid", "denied", "not found", "conflict", "limit", "unavailable"}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

type kinded struct {
	kind Kind
	err  error
}

func (e *kinded) Error() string { return e.err.Error() }

func (e *kinded) Unwrap() error { return e.err }

// New returns an error of a kind with a text that may be shown to the caller.
func New(k Kind, text string) error { return &kinded{k, errors.New(text)} }

// Errorf is New with fmt.Errorf, %w included.
func Errorf(k Kind, format string, args ...any) error {
	return &kinded{k, fmt.Errorf(format, args...)}
}

// With gives err a kind, over any that it has; nil stays nil.
func With(k Kind, err error) error {
	if err == nil {
		return nil
	}
	return &kinded{k, err}
}

// KindOf returns the outermost kind in err's chain, Internal when there is
// none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*kinded](err); ok {
		return e.kind
	}
	return Internal
}

// Is reports whether err is of kind k. A nil error is of no kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
