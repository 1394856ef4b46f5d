package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"careline/chat"
	"careline/internal/errs"
)

// Problem is the body of every answer that is no success (RFC 9457). Values of the request are never in it.
type Problem struct {
	Type     string   `json:"type" doc:"What kind of problem it is, as a URI reference to its description" example:"/v1/docs#problem-not-found"`
	Title    string   `json:"title" doc:"The kind in words" example:"Not found"`
	Status   int      `json:"status" doc:"HTTP status code" example:"404"`
	Detail   string   `json:"detail,omitempty" doc:"What happened this time" example:"there is no such call"`
	Instance string   `json:"instance,omitempty" doc:"The request, as its answer's X-Request-Id and the server's log name it" example:"req_k7m2q4zj5x3wb6v2n3r5t6y7ce"`
	Code     string   `json:"code" doc:"Stable name of the kind, for programs" example:"not-found"`
	Errors   []Detail `json:"errors,omitempty" doc:"What is wrong where in the request"`
}

// Detail is one thing that is wrong with a request.
type Detail struct {
	Location string `json:"location,omitempty" doc:"Where, as a path" example:"body.people[0].identity"`
	Message  string `json:"message" doc:"What was expected" example:"expected length >= 1"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// problemKinds are the codes, by status where the status says all.
var problemKinds = []struct {
	status      int
	code, title string
	about       string
}{
	{http.StatusBadRequest, "bad-request", "Bad request", "The request could not be read: it is no JSON, or a header makes no sense."},
	{http.StatusUnauthorized, "unauthorized", "Unauthorized", "There is no token, or it is not valid. The detail says why."},
	{http.StatusForbidden, "forbidden", "Forbidden", "Who asks is known and may not do this."},
	{http.StatusForbidden, "infected", "Infected", "The scanner found something malicious in the file: nobody can read it."},
	{http.StatusNotFound, "not-found", "Not found", "It is not there, or who asks has no right to know that it is."},
	{http.StatusMethodNotAllowed, "method-not-allowed", "Method not allowed", "There is no such operation here; the Allow header says which there are."},
	{http.StatusConflict, "conflict", "Conflict", "It is in a state that forbids this."},
	{http.StatusConflict, "conversation-closed", "Conversation closed", "Nothing can be written in it until it is opened again."},
	{http.StatusConflict, "legal-hold", "Legal hold", "It has to be kept as it is until the hold is lifted."},
	{http.StatusConflict, "participant-limit", "Too many participants", "The conversation or call takes no more people; a direct one has two."},
	{http.StatusConflict, "call-live", "Call under way", "The conversation has a call already, and somebody is in it: join that one, or end it."},
	{http.StatusConflict, "not-ringing", "Not ringing", "The call does not ring for who asks, or not any more: it was declined, missed, cancelled or ended."},
	{http.StatusConflict, "already-taken", "Answered already", "The call was answered on another device of the same person."},
	{http.StatusPreconditionFailed, "revision-mismatch", "Changed meanwhile", "If-Match names another revision than the present one: read it again."},
	{http.StatusRequestEntityTooLarge, "too-large", "Too large", "The body is larger than the operation takes, or a picture has too many pixels."},
	{http.StatusUnsupportedMediaType, "unsupported-media-type", "Unsupported media type", "Bodies are application/json; a file is of a type that is not accepted."},
	{http.StatusUnprocessableEntity, "validation", "Not valid", "The request was read and asks for something impossible; errors say where."},
	{http.StatusUnprocessableEntity, "idempotency-mismatch", "Idempotency key used before", "The key was used for another request. A retry has the same method, path and body."},
	{http.StatusUnprocessableEntity, "not-a-party", "Not a party", "The business user takes no part in the transaction, as far as is known."},
	{http.StatusTooManyRequests, "rate-limited", "Too many", "A limit was reached; Retry-After says when to come back where time helps."},
	{http.StatusInternalServerError, "internal", "Internal error", "Our fault. The server's log has the details under the instance."},
	{http.StatusServiceUnavailable, "unavailable", "Unavailable", "Not now: the server starts, stops or cannot store anything."},
}

func newProblem(status int, detail string, details ...Detail) *Problem {
	for _, k := range problemKinds {
		if k.status == status {
			return &Problem{Type: problemURI(k.code), Title: k.title, Status: status, Code: k.code, Detail: detail, Errors: details}
		}
	}
	if status < http.StatusInternalServerError {
		p := newProblem(http.StatusBadRequest, detail, details...)
		p.Status = status
		return p
	}
	return newProblem(http.StatusInternalServerError, "")
}

func problemOf(code, detail string) *Problem {
	for _, k := range problemKinds {
		if k.code == code {
			return &Problem{Type: problemURI(code), Title: k.title, Status: k.status, Code: code, Detail: detail}
		}
	}
	return newProblem(http.StatusInternalServerError, "")
}

func problemURI(code string) string { return "/v1/docs#problem-" + code }

var statusOf = map[errs.Kind]int{
	errs.Invalid:     http.StatusUnprocessableEntity,
	errs.Denied:      http.StatusForbidden,
	errs.NotFound:    http.StatusNotFound,
	errs.Conflict:    http.StatusConflict,
	errs.Limit:       http.StatusTooManyRequests,
	errs.Unavailable: http.StatusServiceUnavailable,
}

// asProblem is the one place where the engines' errors become problems. What went wrong inside stays inside.
func asProblem(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return newProblem(http.StatusServiceUnavailable, "it took too long")
	}
	if code, detail, ok := chat.Code(err); ok {
		return problemOf(code, detail)
	}
	for _, c := range ownCodes {
		if errors.Is(err, c.err) {
			return problemOf(c.code, c.err.Error())
		}
	}
	if status, known := statusOf[errs.KindOf(err)]; known {
		return newProblem(status, err.Error())
	}
	return newProblem(http.StatusInternalServerError, "")
}

// huma makes its errors by package variables; ours does not depend on anything of one server.
func init() {
	huma.NewError = func(status int, message string, list ...error) huma.StatusError {
		details := make([]Detail, 0, len(list))
		for _, err := range list {
			if d, ok := detailOf(err); ok {
				details = append(details, d)
			}
		}
		if status >= http.StatusInternalServerError {
			return newProblem(status, "")
		}
		return newProblem(status, strings.ToLower(message), details...)
	}
	huma.NewErrorWithContext = func(_ huma.Context, status int, message string, list ...error) huma.StatusError {
		return huma.NewError(status, message, list...)
	}
}

// detailOf keeps what was expected and where, and drops the value that was there. Errors of the JSON reader quote the body.
func detailOf(err error) (Detail, bool) {
	if err == nil {
		return Detail{}, false
	}
	d, ok := err.(huma.ErrorDetailer)
	if !ok {
		return Detail{Message: "cannot be read"}, true
	}
	detail := d.ErrorDetail()
	if detail.Location == "body" && detail.Value != nil {
		if _, text := detail.Value.(string); text {
			return Detail{"body", "expected JSON of the described form"}, true
		}
	}
	return Detail{detail.Location, detail.Message}, true
}

// WriteProblem answers with the problem of a status, for handlers beside the API.
func WriteProblem(w http.ResponseWriter, status int, detail string) {
	writeProblem(w, newProblem(status, detail))
}

// writeProblem answers outside an operation.
func writeProblem(w http.ResponseWriter, p *Problem) {
	p = p.of(requestID(w.Header()))
	w.Header().Set("Content-Type", problemType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone, which is its right
}
