package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of header and claims. Room configurations, the
// deepest thing that a token holds, need about ten.
const maxDepth = 32

// checkObject reports whether raw is one JSON object in valid UTF-8 in which
// no object has two members of one name: parsers disagree on which of the two
// counts, so a token could say different things to different readers. Names
// that differ only in case count as one, since encoding/json matches them so,
// except among attributes and in roomConfig, whose names are matched exactly.
func checkObject(raw []byte) error {
	if !utf8.Valid(raw) {
		return ErrMalformed
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return ErrMalformed
	}
	if err := checkMembers(d, true, 1); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ErrMalformed
	}
	return nil
}

// checkMembers reads an object of which the opening brace has been read.
func checkMembers(d *json.Decoder, fold bool, depth int) error {
	seen := make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return ErrMalformed
		}
		exact := name == "attributes" || name == "roomConfig"
		if fold {
			name = foldCase(name)
		}
		if seen[name] {
			return ErrDuplicate
		}
		seen[name] = true
		if err := checkValue(d, fold && !exact, depth); err != nil {
			return err
		}
	}
	return closing(d)
}

// foldCase maps names that strings.EqualFold takes for equal to one name.
func foldCase(name string) string {
	// Lower then upper brings the few letters together that lower case keeps
	// apart, such as the long s and the Kelvin sign.
	return strings.ToLower(strings.ToUpper(name))
}

func checkValue(d *json.Decoder, fold bool, depth int) error {
	t, err := d.Token()
	if err != nil {
		return ErrMalformed
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return ErrMalformed
	}
	if delim == '{' {
		return checkMembers(d, fold, depth+1)
	}
	for d.More() {
		if err := checkValue(d, fold, depth+1); err != nil {
			return err
		}
	}
	return closing(d)
}

func closing(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return ErrMalformed
	}
	return nil
}
