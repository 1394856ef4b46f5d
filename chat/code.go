package chat

import (
	"errors"

	"careline/internal/attachment"
	"careline/internal/blob"
	"careline/internal/inspect"
)

// codes are the errors that clients know by a name of their own, on every way in.
var codes = []struct {
	err  error
	code string
}{
	{ErrClosed, "conversation-closed"},
	{ErrHeld, "legal-hold"},
	{ErrRevision, "revision-mismatch"},
	{ErrOtherRequest, "idempotency-mismatch"},
	{ErrNoParty, "not-a-party"},
	{ErrFull, "participant-limit"},
	{blob.ErrTooLarge, "too-large"},
	{inspect.ErrTooManyPixels, "too-large"},
	{inspect.ErrDenied, "unsupported-media-type"},
	{attachment.ErrInfected, "infected"},
}

// Code returns the name and the sentence of an error of conversations or their files; ok is false for one that its kind names well enough.
func Code(err error) (code, detail string, ok bool) {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code, c.err.Error(), true
		}
	}
	return "", "", false
}
