package auth

import (
	"net/http"
	"net/url"
	"strings"
)

// FromRequest returns the token of a request, or ErrNoToken or ErrScheme. The
// Authorization header wins over the query parameter access_token, which
// browsers need since they cannot set headers on a WebSocket: a URL with it
// must not be logged. Several headers are ErrScheme; several parameters are
// ErrDuplicate.
func FromRequest(r *http.Request) (token string, err error) {
	if headers := r.Header.Values("Authorization"); len(headers) > 0 {
		token, ok := strings.CutPrefix(headers[0], "Bearer ")
		if !ok || len(headers) > 1 || token == "" {
			return "", ErrScheme
		}
		return token, nil
	}
	// A malformed pair elsewhere in the query is not this function's concern;
	// the error would quote it.
	query, _ := url.ParseQuery(r.URL.RawQuery)
	switch tokens := query["access_token"]; {
	case len(tokens) > 1:
		return "", ErrDuplicate
	case len(tokens) == 0 || tokens[0] == "":
		return "", ErrNoToken
	default:
		return tokens[0], nil
	}
}
