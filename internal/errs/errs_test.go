package errs_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"careline/internal/errs"
)

func TestKindSurvivesWrapping(t *testing.T) {
	base := errs.New(errs.NotFound, "no such room")
	wrapped := fmt.Errorf("join %q: %w", "r", base)
	cases := []struct {
		err  error
		kind errs.Kind
		text string
	}{
		{base, errs.NotFound, "no such room"},
		{wrapped, errs.NotFound, `join "r": no such room`},
		{errs.With(errs.Denied, wrapped), errs.Denied, `join "r": no such room`},
		{errs.Errorf(errs.Limit, "read: %w", io.EOF), errs.Limit, "read: EOF"},
		{io.EOF, errs.Internal, "EOF"},
	}
	for _, c := range cases {
		if got := errs.KindOf(c.err); got != c.kind || c.err.Error() != c.text {
			t.Errorf("%v: kind %v, want %v", c.err, got, c.kind)
		}
		if !errs.Is(c.err, c.kind) {
			t.Errorf("Is(%v, %v) is false", c.err, c.kind)
		}
	}
	if !errors.Is(cases[3].err, io.EOF) {
		t.Error("the cause is lost")
	}
	if errs.With(errs.Denied, nil) != nil || errs.Is(nil, errs.Internal) {
		t.Error("nil must stay nil and be of no kind")
	}
}

func TestKindsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for k := errs.Internal; k <= errs.Unavailable; k++ {
		if seen[k.String()] || k.String() == "" {
			t.Errorf("kind %d has no name of its own: %q", k, k)
		}
		seen[k.String()] = true
	}
	if errs.Kind(99).String() != "Kind(99)" {
		t.Error("an unknown kind must show its number")
	}
}
