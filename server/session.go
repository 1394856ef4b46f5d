package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"careline/api"
	"careline/internal/auth"
	"careline/internal/errs"
)

const (
	sessionPath    = "/v1/session"
	revocationPath = "/v1/revocations"

	maxRevocationBody = 4 << 10 // bytes
)

// sessionState is what a page may know of its session. The cookie itself is
// out of its reach.
type sessionState struct {
	Identity  string    `json:"identity"`
	CSRFToken string    `json:"csrf_token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// serveSession exchanges a token for a cookie (POST), tells a page that was
// loaded again what it needs to use it (GET), and ends the session (DELETE).
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request) {
	if !s.allowPage(w, r, "GET, POST, DELETE") {
		return
	}
	var session *auth.Session
	var err error
	status := http.StatusOK
	switch r.Method {
	case http.MethodPost:
		session, err = s.auth.Login(w, r)
		status = http.StatusCreated
	case http.MethodGet:
		session, err = s.auth.Session(r)
	case http.MethodDelete:
		if err = s.auth.Logout(w, r); err == nil {
			s.calls.api.Recheck()
			w.WriteHeader(http.StatusNoContent)
			return
		}
	default:
		refuseMethod(w, "GET, POST, DELETE, OPTIONS")
		return
	}
	if err != nil {
		refuseIdentity(w, err)
		return
	}
	writeJSON(w, "application/json", status, sessionState{session.Claims.Identity, session.CSRF, session.Claims.Expires})
}

// serveRevocations takes back tokens of the API key that signed the request's:
// one by its id, or all of an identity. Who may make and delete rooms may do
// this too.
func (s *Server) serveRevocations(w http.ResponseWriter, r *http.Request) {
	if !s.allowPage(w, r, "POST") {
		return
	}
	if r.Method != http.MethodPost {
		refuseMethod(w, "POST, OPTIONS")
		return
	}
	claims, err := s.auth.Authenticate(r)
	if err != nil {
		refuseIdentity(w, err)
		return
	}
	if claims.Video == nil || !claims.Video.RoomCreate {
		api.WriteProblem(w, http.StatusForbidden, "this needs a token with the grant roomCreate")
		return
	}
	var body struct {
		TokenID  string    `json:"token_id"`
		Identity string    `json:"identity"`
		Until    time.Time `json:"until"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRevocationBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil || (body.TokenID == "") == (body.Identity == "") {
		api.WriteProblem(w, http.StatusUnprocessableEntity, "expected {token_id or identity, until: a time in RFC 3339, optional}")
		return
	}
	if body.Until.IsZero() { // by then all that is signed now has expired
		body.Until = s.clock.Now().Add(max(s.cfg.Tokens.MaxLifetime, 24*time.Hour) + auth.Leeway)
	}
	if err := s.Revoke(r.Context(), auth.Revocation{APIKey: claims.APIKey, TokenID: body.TokenID, Identity: body.Identity, Until: body.Until}); err != nil {
		refuseIdentity(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// allowPage lets pages of allowed origins read the answer, and answers the
// question of their browsers whether they may ask. False says that it did.
func (s *Server) allowPage(w http.ResponseWriter, r *http.Request, methods string) bool {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if slices.Contains(s.cfg.HTTP.AllowedOrigins, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Access-Control-Expose-Headers", "Retry-After, Idempotent-Replay")
	}
	if r.Method != http.MethodOptions {
		return true
	}
	if h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", methods)
		h.Set("Access-Control-Allow-Headers", strings.Join([]string{"Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Upload-Offset", auth.CSRFHeader}, ", "))
		h.Set("Access-Control-Max-Age", "3600")
	}
	w.WriteHeader(http.StatusNoContent)
	return false
}

// refuseIdentity answers an error of package auth.
func refuseIdentity(w http.ResponseWriter, err error) {
	status := auth.StatusOf(err)
	if errs.Is(err, errs.Invalid) {
		status = http.StatusUnprocessableEntity
	}
	if after := auth.RetryAfter(err); after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(after))
	}
	if errors.Is(err, auth.ErrNoToken) {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	api.WriteProblem(w, status, err.Error())
}

func refuseMethod(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	api.WriteProblem(w, http.StatusMethodNotAllowed, "this path does not have that method")
}

func writeJSON(w http.ResponseWriter, contentType string, status int, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone if this fails
}
