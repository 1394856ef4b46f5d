package auth

import (
	"net/http"
	"slices"
	"strings"
)

// Origins are web origins (RFC 6454) such as https://desk.example, in the form
// in which browsers send them.
type Origins []string

func withoutDefaultPort(scheme, host string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// Allows tells whether a page of this origin may use this server's cookie: its
// own pages and those of the origins listed. secure says that the server is
// reached by HTTPS only, so that a page of the same name without it is foreign.
func (o Origins) Allows(r *http.Request, origin string, secure bool) bool {
	if slices.Contains(o, origin) {
		return true
	}
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok || host == "" || scheme != "https" && (secure || scheme != "http") {
		return false
	}
	return host == withoutDefaultPort(scheme, strings.ToLower(r.Host))
}

// check is the rule for requests with a cookie. Browsers name the origin with
// everything but simple reads of the page's own server; of those they say that
// they are such.
func (o Origins) check(r *http.Request, secure bool) error {
	origins := r.Header.Values("Origin")
	switch {
	case len(origins) == 1 && o.Allows(r, origins[0], secure):
		return nil
	case len(origins) == 0 && isSafe(r) && !isUpgrade(r) && r.Header.Get("Sec-Fetch-Site") == "same-origin":
		return nil
	}
	return ErrOrigin
}

// isSafe tells whether the method changes nothing (RFC 9110 section 9.2.1).
func isSafe(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
}

func isUpgrade(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }
