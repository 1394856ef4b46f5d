package signal

import (
	"errors"
	"net/http"
	"strconv"

	"careline/internal/errs"
)

// refusal is an answer given instead of an upgrade. Its text reaches the client and the log, so it never quotes what the client sent.
type refusal struct {
	status     int
	text       string
	retryAfter int // seconds; 0: the client is not told when to try again
}

func (r *refusal) Error() string { return r.text }

var statuses = map[errs.Kind]int{
	errs.Invalid:     http.StatusBadRequest,
	errs.Denied:      http.StatusForbidden,
	errs.NotFound:    http.StatusNotFound,
	errs.Conflict:    http.StatusConflict,
	errs.Limit:       http.StatusServiceUnavailable,
	errs.Unavailable: http.StatusServiceUnavailable,
	errs.Internal:    http.StatusInternalServerError,
}

// outcome is the one place where errors become statuses. Clients learn the text from the validate paths, since a browser shows no body of a
// failed upgrade. What went wrong inside stays inside.
func outcome(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	kind := errs.KindOf(err)
	if kind == errs.Internal {
		return &refusal{status: http.StatusInternalServerError, text: "internal error"}
	}
	r := &refusal{status: statuses[kind], text: err.Error()}
	if r.status == http.StatusServiceUnavailable {
		r.retryAfter = 1
	}
	return r
}

func writeText(w http.ResponseWriter, status int, text string) {
	(&refusal{status: status, text: text}).write(w)
}

func (r *refusal) write(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if r.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(r.retryAfter))
	}
	w.WriteHeader(r.status)
	_, _ = w.Write([]byte(r.text)) // the client may be gone, which is its right
}
