package api

import (
	"context"
	"net/http"
	"time"
)

// Session is what a page may know of its session. The cookie itself is out of its reach.
type Session struct {
	Identity  string    `json:"identity" example:"operator-7"`
	CSRFToken string    `json:"csrf_token" doc:"To be sent as X-CSRF-Token with everything that changes something" example:"S5U2YVKJR6UJ44KY6LKJ37Z3HY"`
	ExpiresAt time.Time `json:"expires_at" doc:"When the token's time is over" example:"2026-11-21T14:00:00Z"`
}

// Revocation takes tokens of the asking API key back.
type Revocation struct {
	TokenID  string    `json:"token_id,omitempty" doc:"One token, by its jti; or" example:"7c1f"`
	Identity string    `json:"identity,omitempty" doc:"all tokens of an identity"`
	Until    time.Time `json:"until,omitempty" doc:"Until when it holds; without, until all that are signed now have expired"`
}

var (
	anyToken    = Permission{Name: "token", About: "Any valid token."}
	ownSession  = Permission{Name: "session", About: "The session's cookie, from an allowed origin."}
	tokenRevoke = Permission{Name: "token:revoke", About: "Grant roomCreate."}
)

// describeSessions describes what the server answers beside the API, since cookies are its matter.
func (a *API) describeSessions() {
	example := Session{"operator-7", "S5U2YVKJR6UJ44KY6LKJ37Z3HY", exampleTime.Add(6 * time.Hour)}
	limited := []int{http.StatusTooManyRequests}
	register(a, operation{
		id: "beginSession", method: http.MethodPost, path: "/v1/session", tag: "Sessions", need: anyToken, status: http.StatusCreated, elsewhere: true,
		summary: "Exchange a token for a cookie", errors: limited, response: example,
		about: "The token comes in the Authorization header. The cookie is HttpOnly and SameSite=Strict, and over TLS named __Host-session; it is taken by the API and by the WebSockets of calls, from pages of this server and of allowed origins.",
	}, nowhere[empty, body[Session]])
	register(a, operation{
		id: "readSession", method: http.MethodGet, path: "/v1/session", tag: "Sessions", need: ownSession, elsewhere: true,
		summary: "Read what a page needs to use its session", errors: limited, response: example,
	}, nowhere[empty, body[Session]])
	register(a, operation{
		id: "endSession", method: http.MethodDelete, path: "/v1/session", tag: "Sessions", need: ownSession, status: http.StatusNoContent, elsewhere: true,
		summary: "End a session", errors: limited,
	}, nowhere[empty, empty])
	register(a, operation{
		id: "revokeTokens", method: http.MethodPost, path: "/v1/revocations", tag: "Sessions", need: tokenRevoke, status: http.StatusNoContent, elsewhere: true,
		summary: "Take tokens back", errors: []int{http.StatusMethodNotAllowed}, request: Revocation{TokenID: "7c1f"},
		about: "They are refused from now on, and who came in with one leaves within a second. It holds for tokens of the API key that signed the asking one.",
	}, nowhere[body[Revocation], empty])
}

// nowhere is the handler of what is only described.
func nowhere[I, O any](context.Context, *I) (*O, error) {
	return nil, newProblem(http.StatusNotFound, "")
}
