package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
)

const desk = "https://desk.example"

// gate is an authenticator with everything on it, and what a test moves.
type gate struct {
	*auth.Authenticator
	clock       *clock.Fake
	revocations *auth.RevocationList
}

func newGate(t testing.TB, secure bool) gate {
	t.Helper()
	c := clock.NewFake(now)
	revocations := auth.NewRevocationList(3, c)
	return gate{auth.NewAuthenticator(auth.AuthenticatorConfig{
		Verifier:    newVerifierAt(t, c),
		Clock:       c,
		Sessions:    auth.NewSessions(secure, c),
		Revocations: revocations,
		Origins:     auth.Origins{desk},
		Proxies:     auth.Proxies{netip.MustParsePrefix("192.0.2.0/28")},
		BadTokens:   5,
	}), c, revocations}
}

// request is one from 198.51.100.1 to https://calls.example with headers of
// the form "Name: value".
func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Host, r.RemoteAddr = "calls.example", "198.51.100.1:5000"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// login returns the cookie, as a header, and the session.
func (g gate) login(t testing.TB, claims string) (cookie string, s *auth.Session) {
	t.Helper()
	w := httptest.NewRecorder()
	s, err := g.Login(w, request("POST", "/v1/session", "Authorization: Bearer "+good(claims), "Origin: https://calls.example"))
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return "Cookie: " + cookie, s
}

func TestOriginAndCSRF(t *testing.T) {
	g := newGate(t, true)
	cookie, session := g.login(t, claims(""))
	csrf := "X-CSRF-Token: " + session.CSRF
	const own, upgrade, sameSite = "Origin: https://calls.example", "Upgrade: websocket", "Sec-Fetch-Site: same-origin"
	for _, c := range []struct {
		name    string
		method  string
		headers []string
		want    error
	}{
		{"read by an own page", "GET", []string{cookie, own}, nil},
		{"read by an own page without Origin", "GET", []string{cookie, sameSite}, nil},
		{"head by an own page without Origin", "HEAD", []string{cookie, sameSite}, nil},
		{"read by a listed page", "GET", []string{cookie, "Origin: " + desk}, nil},
		{"WebSocket of an own page", "GET", []string{cookie, own, upgrade}, nil},
		{"WebSocket of a listed page", "GET", []string{cookie, "Origin: " + desk, upgrade}, nil},
		{"own port written out", "GET", []string{cookie, "Origin: https://calls.example:443"}, auth.ErrOrigin},
		{"write by an own page", "POST", []string{cookie, own, csrf}, nil},
		{"write by a listed page", "DELETE", []string{cookie, "Origin: " + desk, csrf}, nil},

		{"nothing about the page", "GET", []string{cookie}, auth.ErrOrigin},
		{"typed address", "GET", []string{cookie, "Sec-Fetch-Site: none"}, auth.ErrOrigin},
		{"read by a page of the same site", "GET", []string{cookie, "Sec-Fetch-Site: same-site"}, auth.ErrOrigin},
		{"read by a foreign page", "GET", []string{cookie, "Sec-Fetch-Site: cross-site"}, auth.ErrOrigin},
		{"read by another origin", "GET", []string{cookie, "Origin: https://evil.example"}, auth.ErrOrigin},
		{"another origin that calls itself the same", "GET", []string{cookie, "Origin: https://evil.example", sameSite}, auth.ErrOrigin},
		{"null origin", "GET", []string{cookie, "Origin: null"}, auth.ErrOrigin},
		{"empty origin", "GET", []string{cookie, "Origin: "}, auth.ErrOrigin},
		{"two origins", "GET", []string{cookie, own, "Origin: https://evil.example"}, auth.ErrOrigin},
		{"own name without TLS", "GET", []string{cookie, "Origin: http://calls.example"}, auth.ErrOrigin},
		{"own name on another port", "GET", []string{cookie, "Origin: https://calls.example:8443"}, auth.ErrOrigin},
		{"own name as a prefix", "GET", []string{cookie, "Origin: https://calls.example.evil.example"}, auth.ErrOrigin},
		{"own name as a suffix", "GET", []string{cookie, "Origin: https://evilcalls.example"}, auth.ErrOrigin},
		{"sub-domain of a listed origin", "GET", []string{cookie, "Origin: https://x.desk.example"}, auth.ErrOrigin},
		{"WebSocket without Origin", "GET", []string{cookie, upgrade, sameSite}, auth.ErrOrigin},
		{"WebSocket of another origin", "GET", []string{cookie, upgrade, "Origin: https://evil.example"}, auth.ErrOrigin},

		{"write without token", "POST", []string{cookie, own}, auth.ErrCSRF},
		{"write with an empty token", "POST", []string{cookie, own, "X-CSRF-Token: "}, auth.ErrCSRF},
		{"write with another token", "PUT", []string{cookie, own, "X-CSRF-Token: " + strings.Repeat("A", len(session.CSRF))}, auth.ErrCSRF},
		{"write with two tokens", "PATCH", []string{cookie, own, csrf, csrf}, auth.ErrCSRF},
		{"write by another origin", "POST", []string{cookie, "Origin: https://evil.example", csrf}, auth.ErrOrigin},
		{"write without Origin", "DELETE", []string{cookie, sameSite, csrf}, auth.ErrOrigin},
		{"method of no standard", "CHANGE", []string{cookie, own}, auth.ErrCSRF},

		{"no cookie", "GET", []string{own}, auth.ErrNoToken},
		{"invented cookie", "GET", []string{"Cookie: __Host-session=x", own}, auth.ErrSession},
		{"the name without prefix", "GET", []string{strings.Replace(cookie, "__Host-", "", 1), own}, auth.ErrNoToken},
		{"two cookies", "GET", []string{cookie, cookie, own}, auth.ErrDuplicate},
		{"a token beside the cookie wins", "POST", []string{cookie, "Authorization: Bearer " + good(claims(""))}, nil},
		{"a bad token is not made good by the cookie", "GET", []string{cookie, own, "Authorization: Bearer x"}, auth.ErrMalformed},
	} {
		got, err := g.Authenticate(request(c.method, "/", c.headers...))
		if err != c.want || (got == nil) != (err != nil) {
			t.Errorf("%s: claims %v, error %v; want %v", c.name, got, err, c.want)
		}
		if status := auth.StatusOf(err); (err == auth.ErrOrigin || err == auth.ErrCSRF) && status != http.StatusForbidden {
			t.Errorf("%s: status %d", c.name, status)
		}
	}
}

func TestOriginWithoutTLS(t *testing.T) {
	g := newGate(t, false)
	cookie, _ := g.login(t, claims(""))
	if !strings.HasPrefix(cookie, "Cookie: session=") {
		t.Errorf("cookie %s", cookie)
	}
	for origin, want := range map[string]error{
		"http://calls.example":  nil,
		"https://calls.example": nil,
		"ws://calls.example":    auth.ErrOrigin,
		"http://other.example":  auth.ErrOrigin,
	} {
		if _, err := g.Authenticate(request("GET", "/", cookie, "Origin: "+origin)); err != want {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

func TestLoginRefuses(t *testing.T) {
	g := newGate(t, true)
	bearer := "Authorization: Bearer " + good(claims(""))
	for _, c := range []struct {
		name    string
		target  string
		headers []string
		want    error
	}{
		{"without a page", "/", []string{bearer}, nil},
		{"foreign page", "/", []string{bearer, "Origin: https://evil.example"}, auth.ErrOrigin},
		{"token in the query", "/?access_token=" + good(claims("")), nil, auth.ErrNoToken},
		{"expired", "/", []string{"Authorization: Bearer " + good(exp(-time.Hour))}, auth.ErrExpired},
		{"nobody", "/", nil, auth.ErrNoToken},
	} {
		w := httptest.NewRecorder()
		if _, err := g.Login(w, request("POST", c.target, c.headers...)); err != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		if set := w.Header().Get("Set-Cookie"); (set != "") != (c.want == nil) {
			t.Errorf("%s: cookie %q", c.name, set)
		}
	}
}

func TestCookieIsKeptFromScriptsAndOtherHosts(t *testing.T) {
	g := newGate(t, true)
	w := httptest.NewRecorder()
	if _, err := g.Login(w, request("POST", "/", "Authorization: Bearer "+good(claims("")))); err != nil {
		t.Fatal(err)
	}
	c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "__Host-session" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" ||
		!c.Expires.Equal(now.Add(time.Minute).Truncate(time.Second)) || len(c.Value) < 40 {
		t.Errorf("cookie %v", c)
	}
}

func TestSessionEnds(t *testing.T) {
	own := "Origin: https://calls.example"
	uses := func(g gate, cookie string) error {
		_, err := g.Authenticate(request("GET", "/", cookie, own))
		return err
	}
	t.Run("by logout", func(t *testing.T) {
		g := newGate(t, true)
		cookie, s := g.login(t, claims(""))
		if err := g.Logout(httptest.NewRecorder(), request("DELETE", "/", cookie, own)); err != auth.ErrCSRF {
			t.Errorf("a logout without token: %v", err)
		}
		w := httptest.NewRecorder()
		if err := g.Logout(w, request("DELETE", "/", cookie, own, "X-CSRF-Token: "+s.CSRF)); err != nil {
			t.Fatal(err)
		}
		if set := w.Header().Get("Set-Cookie"); !strings.Contains(set, "__Host-session=;") || !strings.Contains(set, "Max-Age=0") {
			t.Errorf("cookie %q", set)
		}
		if err := uses(g, cookie); err != auth.ErrSession {
			t.Error(err)
		}
	})
	t.Run("with its token", func(t *testing.T) {
		g := newGate(t, true)
		cookie, _ := g.login(t, claims(""))
		g.clock.Advance(time.Minute)
		if err := uses(g, cookie); err != auth.ErrSession {
			t.Error(err)
		}
	})
	t.Run("with its key", func(t *testing.T) {
		g := newGate(t, true)
		cookie, _ := g.login(t, claims(""))
		keys, err := auth.NewKeys(map[string]string{"other": testSecret})
		if err != nil {
			t.Fatal(err)
		}
		g.SetKeys(keys)
		if err := uses(g, cookie); err != auth.ErrRevoked {
			t.Error(err)
		}
	})
	t.Run("by revocation", func(t *testing.T) {
		g := newGate(t, true)
		cookie, _ := g.login(t, claims(""))
		if err := g.revocations.Revoke(auth.Revocation{APIKey: testKey, Identity: "ann", Until: now.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if err := uses(g, cookie); err != auth.ErrRevoked {
			t.Error(err)
		}
	})
	t.Run("by a new login with it", func(t *testing.T) {
		g := newGate(t, true)
		cookie, _ := g.login(t, claims(""))
		if _, err := g.Login(httptest.NewRecorder(), request("POST", "/", cookie, "Authorization: Bearer "+good(claims("")))); err != nil {
			t.Fatal(err)
		}
		if err := uses(g, cookie); err != auth.ErrSession {
			t.Error(err)
		}
	})
	t.Run("by too many of one person", func(t *testing.T) {
		g := newGate(t, true)
		first, _ := g.login(t, claims(""))
		other, _ := g.login(t, strings.Replace(claims(""), "ann", "bob", 1))
		var last string
		for range 10 {
			last, _ = g.login(t, claims(""))
		}
		if uses(g, first) != auth.ErrSession || uses(g, last) != nil || uses(g, other) != nil {
			t.Error("not the oldest of the person")
		}
	})
}

func TestRevocations(t *testing.T) {
	g := newGate(t, true)
	bearer := func(claims string) error {
		_, err := g.Authenticate(request("GET", "/", "Authorization: Bearer "+good(claims)))
		return err
	}
	ann, id, bob := claims(""), claims(`,"jti":"t1"`), strings.Replace(claims(""), "ann", "bob", 1)
	check := func(when string, wantAnn, wantID, wantBob error) {
		t.Helper()
		if a, i, b := bearer(ann), bearer(id), bearer(bob); a != wantAnn || i != wantID || b != wantBob {
			t.Errorf("%s: %v, %v, %v", when, a, i, b)
		}
	}
	check("before", nil, nil, nil)
	add := func(r auth.Revocation) {
		t.Helper()
		if err := g.revocations.Revoke(r); err != nil {
			t.Fatal(err)
		}
	}
	add(auth.Revocation{APIKey: "APIother", Identity: "ann", Until: now.Add(time.Hour)})
	check("another key's", nil, nil, nil)
	add(auth.Revocation{APIKey: testKey, TokenID: "t1", Until: now.Add(10 * time.Second)})
	check("one token", nil, auth.ErrRevoked, nil)
	add(auth.Revocation{APIKey: testKey, Identity: "bob", Until: now.Add(time.Hour)})
	check("one identity", nil, auth.ErrRevoked, auth.ErrRevoked)
	if err := g.revocations.Revoke(auth.Revocation{APIKey: testKey, Until: now.Add(time.Hour)}); !errs.Is(err, errs.Limit) {
		t.Errorf("a fourth where three fit: %v", err)
	}
	check("none was forgotten", nil, auth.ErrRevoked, auth.ErrRevoked)
	g.clock.Advance(10 * time.Second)
	check("one is over", nil, nil, auth.ErrRevoked)
	add(auth.Revocation{APIKey: testKey, Until: now.Add(time.Hour)})
	check("the whole key", auth.ErrRevoked, auth.ErrRevoked, auth.ErrRevoked)
	for _, r := range []auth.Revocation{{Identity: "ann"}, {APIKey: testKey, Identity: "ann", TokenID: "x"}} {
		if err := g.revocations.Revoke(r); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestForgedTokensThrottleOnlyThemselves floods with forged tokens: their
// address hears no reasons any more, good tokens from there and others do not
// notice.
func TestForgedTokensThrottleOnlyThemselves(t *testing.T) {
	g := newGate(t, true)
	bearer := func(token, from string, headers ...string) error {
		r := request("GET", "/", append(headers, "Authorization: Bearer "+token)...)
		r.RemoteAddr = from
		_, err := g.Authenticate(r)
		return err
	}
	forged := signed(goodHeader, claims(""), "guess")
	const attacker, other, proxy = "203.0.113.9:1", "203.0.113.10:1", "192.0.2.1:1"
	for range 5 {
		if err := bearer(forged, attacker); err != auth.ErrSignature {
			t.Fatal(err)
		}
	}
	err := bearer(forged, attacker)
	if auth.StatusOf(err) != http.StatusTooManyRequests || auth.RetryAfter(err) != 12 || !errs.Is(err, errs.Limit) {
		t.Errorf("%v, status %d, after %d s", err, auth.StatusOf(err), auth.RetryAfter(err))
	}
	for what, err := range map[string]error{
		"a good token":                  bearer(good(claims("")), attacker),
		"an expired token":              matches(bearer(good(exp(-time.Hour)), attacker), auth.ErrExpired),
		"another address":               matches(bearer(forged, other), auth.ErrSignature),
		"a proxy that nobody trusts":    matches(bearer(forged, other, "X-Forwarded-For: 203.0.113.9"), auth.ErrSignature),
		"another one behind a proxy":    matches(bearer(forged, proxy, "X-Forwarded-For: 203.0.113.9, 198.51.100.7"), auth.ErrSignature),
		"this machine without a proxy":  matches(bearer(forged, "127.0.0.1:1"), auth.ErrSignature),
		"the attacker behind the proxy": limited(bearer(forged, proxy, "X-Forwarded-For: 198.51.100.8, 203.0.113.9")),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range 100 { // one line, many addresses
		err = bearer(forged, fmt.Sprintf("[2001:db8:1:2::%x]:1", n))
	}
	if limited(err) != nil || bearer(forged, "[2001:db8:1:3::1]:1") != auth.ErrSignature {
		t.Errorf("an IPv6 line: %v", err)
	}
	g.clock.Advance(12 * time.Second)
	if err := bearer(forged, attacker); err != auth.ErrSignature {
		t.Errorf("after a while: %v", err)
	}
}

func matches(err, want error) error {
	if err == want {
		return nil
	}
	return fmt.Errorf("%v, want %w", err, want)
}

func limited(err error) error {
	if auth.StatusOf(err) == http.StatusTooManyRequests {
		return nil
	}
	return fmt.Errorf("not limited: %w", err)
}

// FuzzCookie sends any cookie, origin and CSRF token beside a session that is
// open: only its own cookie, from an allowed page, with its token, gets in.
func FuzzCookie(f *testing.F) {
	g := newGate(f, true)
	cookie, session := g.login(f, claims(""))
	cookie = strings.TrimPrefix(cookie, "Cookie: ")
	f.Add("POST", cookie, desk, session.CSRF, "same-origin")
	f.Add("GET", cookie, "https://calls.example", "", "")
	f.Add("GET", cookie, "", "", "same-origin")
	f.Add("GET", cookie+"; "+cookie, desk, "", "same-origin")
	f.Add("get", cookie+";", "null", "", "none")
	f.Add("GET", "__Host-session=\""+cookie+"\"", "https://calls.example:443", "", "")
	f.Fuzz(func(t *testing.T, method, cookie, origin, csrf, site string) {
		r := request("GET", "/")
		r.Method = method
		for name, value := range map[string]string{"Cookie": cookie, "Origin": origin, auth.CSRFHeader: csrf, "Sec-Fetch-Site": site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		c, err := g.Authenticate(r)
		if err != nil {
			if auth.StatusOf(err) != http.StatusUnauthorized && auth.StatusOf(err) != http.StatusForbidden {
				t.Fatalf("status of %v", err)
			}
			return
		}
		safe := method == "GET" || method == "HEAD" || method == "OPTIONS"
		allowed := origin == desk || origin == "https://calls.example" || origin == "" && safe && site == "same-origin"
		if c.Identity != "ann" || !allowed || !safe && csrf != session.CSRF {
			t.Fatalf("let in: %s, origin %q, CSRF token %q", method, origin, csrf)
		}
	})
}
