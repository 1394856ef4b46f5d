package signal

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/livekit/protocol/livekit"

	"careline/internal/auth"
	"careline/sfu"
)

// entry is what a request to join, resume or validate asks for, after everything was checked that needs no room.
type entry struct {
	claims *auth.Claims
	join   sfu.JoinRequest
	resume bool

	// of a resume
	sid    string
	reason livekit.ReconnectReason
	sync   *livekit.SyncState

	// wishes of the client that only its grants can allow
	suffix     string // of the identity, for a second connection that publishes
	metadata   string
	attributes map[string]string
}

func (e *entry) resumeRequest() sfu.ResumeRequest {
	return sfu.ResumeRequest{
		Room:           e.join.Room,
		Identity:       e.join.Identity,
		ParticipantSID: e.sid,
		Permission:     e.join.Permission,
		Client:         e.join.Client,
		Reason:         e.reason,
	}
}

// read checks the token, then the request's parameters, then whether the one allows the other. needsJoinRequest is set on the v1 paths.
// strict is set on the validate paths, where a client wants to hear of mistakes that a join forgives.
func (h *Handler) read(r *http.Request, needsJoinRequest, strict bool) (*entry, error) {
	claims, err := h.authenticate(r)
	if err != nil {
		return nil, err
	}
	// ParseQuery returns what it understood beside the error, which would quote the query.
	query, _ := url.ParseQuery(r.URL.RawQuery)
	var e *entry
	switch {
	case query.Get("join_request") != "":
		e, err = readJoin(query.Get("join_request"))
	case needsJoinRequest:
		err = &refusal{status: http.StatusBadRequest, text: "join_request is required"}
	default:
		e, err = readQuery(query, strict)
	}
	if err != nil {
		return nil, err
	}
	e.claims = claims
	e.join.Credential = sfu.Credential{APIKey: claims.APIKey, TokenID: claims.ID, Identity: claims.Identity}
	e.join.Client = completeClient(e.join.Client, r.UserAgent())
	e.join.Returns = claims.Refreshed
	return e, e.allow()
}

func (h *Handler) authenticate(r *http.Request) (*auth.Claims, error) {
	claims, err := h.cfg.Auth.Authenticate(r)
	if errors.Is(err, auth.ErrNoToken) {
		return nil, errNoAccess
	}
	if err != nil {
		return nil, &refusal{status: auth.StatusOf(err), text: err.Error(), retryAfter: auth.RetryAfter(err)}
	}
	if claims.Video == nil {
		return nil, errNoAccess
	}
	return claims, nil
}
