package auth

import "careline/internal/errs"

// All errors that checking a token or finding it in a request can return.
// They are of kind errs.Denied, ErrSessionsFull excepted, and are returned as they are, unwrapped, so
// that no text of the token can ride along.
var (
	ErrNoToken   = errs.New(errs.Denied, "no token was sent")
	ErrScheme    = errs.New(errs.Denied, "the Authorization header is not a single Bearer token")
	ErrTooLong   = errs.New(errs.Denied, "the token is too long")
	ErrMalformed = errs.New(errs.Denied, "the token is malformed")
	ErrDuplicate = errs.New(errs.Denied, "the token has duplicate members")
	ErrAlgorithm = errs.New(errs.Denied, "the token is not signed with an algorithm that is accepted")
	ErrType      = errs.New(errs.Denied, "the token is not of type JWT")
	ErrCritical  = errs.New(errs.Denied, "the token needs an extension that is not supported")
	// ErrSignature also stands for an unknown API key: who has no secret
	// learns nothing about which keys exist.
	ErrSignature = errs.New(errs.Denied, "the token's API key or signature is not valid")
	ErrClaims    = errs.New(errs.Denied, "the token has a claim of the wrong type or range")
	ErrNoExpiry  = errs.New(errs.Denied, "the token has no expiry")
	ErrExpired   = errs.New(errs.Denied, "the token has expired")
	ErrNotYet    = errs.New(errs.Denied, "the token is not valid yet")
	ErrLifetime  = errs.New(errs.Denied, "the token is valid for longer than this server allows")
	ErrRevoked   = errs.New(errs.Denied, "the token was revoked")
	ErrSession   = errs.New(errs.Denied, "the session has ended")
	ErrOrigin    = errs.New(errs.Denied, "pages of this origin may not use the session")
	ErrCSRF      = errs.New(errs.Denied, "the session's X-CSRF-Token is missing or wrong")

	ErrSessionsFull = errs.New(errs.Limit, "too many sessions")
)
