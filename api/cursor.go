package api

import (
	"encoding/base64"
	"encoding/json"

	"careline/internal/errs"
)

var errCursor = errs.New(errs.Invalid, "the cursor is not one that was given out")

// writeCursor makes an opaque text of where a list goes on.
func writeCursor(place any) string {
	b, err := json.Marshal(place)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// readCursor reads it back; the empty one is the beginning.
func readCursor[P any](cursor string) (place P, err error) {
	if cursor == "" {
		return place, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || json.Unmarshal(b, &place) != nil {
		return place, errCursor
	}
	return place, nil
}
