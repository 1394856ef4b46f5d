package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
	"testing"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
)

const (
	testKey    = "APItest"
	testSecret = "a-secret-of-thirty-two-bytes-or-more"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func at(d time.Duration) int64 { return now.Add(d).Unix() }

func newVerifier(t testing.TB) *auth.Verifier { return newVerifierAt(t, clock.NewFake(now)) }

func newVerifierAt(t testing.TB, c clock.Clock) *auth.Verifier {
	t.Helper()
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret, "APIother": strings.Repeat("o", 32)})
	if err != nil {
		t.Fatal(err)
	}
	return auth.NewVerifier(keys, c).LimitLifetime(24 * time.Hour)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// signed puts a token together by hand, so that it can be wrong in any way.
func signed(header, claims, secret string) string {
	return signedBy(sha256.New, header, claims, secret)
}

func signedBy(hash func() hash.Hash, header, claims, secret string) string {
	body := encode(header) + "." + encode(claims)
	mac := hmac.New(hash, []byte(secret))
	mac.Write([]byte(body))
	return body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const goodHeader = `{"alg":"HS256","typ":"JWT"}`

func good(claims string) string { return signed(goodHeader, claims, testSecret) }

// claims adds members to a key, an identity and an expiry in a minute.
func claims(more string) string {
	return fmt.Sprintf(`{"iss":%q,"sub":"ann","exp":%d%s}`, testKey, at(time.Minute), more)
}

func timed(members string) string { return fmt.Sprintf(`{"iss":%q,"sub":"ann"%s}`, testKey, members) }

func exp(d time.Duration) string { return timed(fmt.Sprintf(`,"exp":%d`, at(d))) }

// matrix is what a token can look like and what must come of it; the fuzz
// target starts from it.
func matrix() []struct {
	name  string
	token string
	want  error
} {
	plain := good(claims(""))
	parts := strings.Split(plain, ".")
	lastByte := plain[len(plain)-1]
	swapped := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
	return []struct {
		name  string
		token string
		want  error
	}{
		{"plain", plain, nil},
		{"no type", signed(`{"alg":"HS256"}`, claims(""), testSecret), nil},
		{"type in lower case", signed(`{"alg":"HS256","typ":"jwt"}`, claims(""), testSecret), nil},
		{"key id without effect", signed(`{"alg":"HS256","kid":"../../etc/passwd"}`, claims(""), testSecret), nil},
		{"embedded key without effect", signed(`{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}`, claims(""), testSecret), nil},

		{"empty", "", auth.ErrNoToken},
		{"1 MB of dots", strings.Repeat(".", 1<<20), auth.ErrTooLong},
		{"16 KiB of dots", strings.Repeat(".", auth.MaxTokenLength), auth.ErrMalformed},
		{"over-long though valid", good(claims(fmt.Sprintf(`,"metadata":%q`, strings.Repeat("m", auth.MaxTokenLength)))), auth.ErrTooLong},
		{"one part", parts[0], auth.ErrMalformed},
		{"two parts", parts[0] + "." + parts[1], auth.ErrMalformed},
		{"four parts", plain + ".AAAA", auth.ErrMalformed},
		{"padded base64", parts[0] + "=." + parts[1] + "." + parts[2], auth.ErrMalformed},
		{"line feed", parts[0] + "." + parts[1] + ".\n" + parts[2], auth.ErrMalformed},
		{"trailing bits in base64", plain[:len(plain)-1] + string(lastByte+1), auth.ErrMalformed},
		{"header is no JSON", signed(`alg`, claims(""), testSecret), auth.ErrMalformed},
		{"header is an array", signed(`["alg","HS256"]`, claims(""), testSecret), auth.ErrMalformed},
		{"claims are a number", good(`7`), auth.ErrMalformed},
		{"claims with something behind", good(claims("") + "{}"), auth.ErrMalformed},
		{"claims not UTF-8", good(claims(",\"name\":\"\xff\"")), auth.ErrMalformed},
		{"claims nested deeply", good(claims(`,"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000))), auth.ErrMalformed},

		{"alg none", signed(`{"alg":"none"}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"alg none, no signature", encode(`{"alg":"none"}`) + "." + encode(claims("")) + ".", auth.ErrAlgorithm},
		{"alg None", signed(`{"alg":"None"}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"alg RS256", signed(`{"alg":"RS256","typ":"JWT"}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"alg HS512", signedBy(sha512.New, `{"alg":"HS512"}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"alg in lower case", signed(`{"alg":"hs256"}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"alg missing", signed(`{"typ":"JWT"}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"alg under another name", signed(`{"Alg":"HS256"}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"alg a list", signed(`{"alg":["HS256"]}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"alg null", signed(`{"alg":null}`, claims(""), testSecret), auth.ErrAlgorithm},
		{"another type", signed(`{"alg":"HS256","typ":"JOSE"}`, claims(""), testSecret), auth.ErrType},
		{"type a number", signed(`{"alg":"HS256","typ":1}`, claims(""), testSecret), auth.ErrType},
		{"crit", signed(`{"alg":"HS256","crit":["x"],"x":1}`, claims(""), testSecret), auth.ErrCritical},
		{"crit b64", signed(`{"alg":"HS256","b64":false,"crit":["b64"]}`, claims(""), testSecret), auth.ErrCritical},
		{"crit empty", signed(`{"alg":"HS256","crit":[]}`, claims(""), testSecret), auth.ErrCritical},
		{"crit null", signed(`{"alg":"HS256","crit":null}`, claims(""), testSecret), auth.ErrCritical},

		{"duplicate alg", signed(`{"alg":"none","alg":"HS256"}`, claims(""), testSecret), auth.ErrDuplicate},
		{"duplicate exp", good(claims(fmt.Sprintf(`,"exp":%d`, at(time.Hour)))), auth.ErrDuplicate},
		{"duplicate exp by escape", good(claims(fmt.Sprintf(`,"\u0065xp":%d`, at(time.Hour)))), auth.ErrDuplicate},
		{"duplicate video in other case", good(claims(`,"video":{"room":"a"},"VIDEO":{"room":"b"}`)), auth.ErrDuplicate},
		{"duplicate in video", good(claims(`,"video":{"room":"a","room":"b"}`)), auth.ErrDuplicate},
		{"duplicate in a list", good(claims(`,"x":[{"a":1,"a":2}]`)), auth.ErrDuplicate},
		{"duplicate attribute", good(claims(`,"attributes":{"a":"1","a":"2"}`)), auth.ErrDuplicate},
		{"attributes that differ in case", good(claims(`,"attributes":{"a":"1","A":"2"}`)), nil},
		{"duplicate by long s", good(claims(`,"ſub":"bob"`)), auth.ErrDuplicate},

		{"wrong secret", signed(goodHeader, claims(""), testSecret+"x"), auth.ErrSignature},
		{"empty secret", signed(goodHeader, claims(""), ""), auth.ErrSignature},
		{"another key's secret", signed(goodHeader, claims(""), strings.Repeat("o", 32)), auth.ErrSignature},
		{"unknown key", good(fmt.Sprintf(`{"iss":"nobody","exp":%d}`, at(time.Minute))), auth.ErrSignature},
		{"no key", good(fmt.Sprintf(`{"exp":%d}`, at(time.Minute))), auth.ErrSignature},
		{"no signature", parts[0] + "." + parts[1] + ".", auth.ErrSignature},
		{"half a signature", parts[0] + "." + parts[1] + "." + parts[2][:20], auth.ErrSignature},
		{"changed signature", swapped, auth.ErrSignature},
		{"changed claims", parts[0] + "." + encode(claims(`,"name":"x"`)) + "." + parts[2], auth.ErrSignature},
		{"expired by another's secret", signed(goodHeader, exp(-time.Hour), "x"), auth.ErrSignature},

		{"no expiry", good(timed("")), auth.ErrNoExpiry},
		{"expiry under another name", good(timed(fmt.Sprintf(`,"EXP":%d`, at(time.Minute)))), auth.ErrNoExpiry},
		{"expired 9 s ago", good(exp(-9 * time.Second)), nil},
		{"expired 10 s ago", good(exp(-10 * time.Second)), auth.ErrExpired},
		{"expired 11 s ago", good(exp(-11 * time.Second)), auth.ErrExpired},
		{"expired in 1970", good(timed(`,"exp":0`)), auth.ErrExpired},
		{"expiry with a fraction", good(timed(fmt.Sprintf(`,"exp":%d.75`, at(time.Minute)))), nil},
		{"expiry a string", good(timed(fmt.Sprintf(`,"exp":"%d"`, at(time.Minute)))), auth.ErrClaims},
		{"expiry null", good(timed(`,"exp":null`)), auth.ErrClaims},
		{"expiry negative", good(timed(`,"exp":-1`)), auth.ErrClaims},
		{"expiry huge", good(timed(`,"exp":1e300`)), auth.ErrClaims},
		{"expiry beyond any float", good(timed(`,"exp":1e999`)), auth.ErrClaims},
		{"expiry of 400 digits", good(timed(`,"exp":` + strings.Repeat("9", 400))), auth.ErrClaims},
		{"expiry beyond the year 9999", good(timed(`,"exp":253402300800`)), auth.ErrClaims},
		{"not before in 9 s", good(claims(fmt.Sprintf(`,"nbf":%d`, at(9*time.Second)))), nil},
		{"not before in 11 s", good(claims(fmt.Sprintf(`,"nbf":%d`, at(11*time.Second)))), auth.ErrNotYet},
		{"not before true", good(claims(`,"nbf":true`)), auth.ErrClaims},
		{"issued in 11 s", good(claims(fmt.Sprintf(`,"iat":%d`, at(11*time.Second)))), auth.ErrNotYet},
		{"valid for 24 h", good(exp(24 * time.Hour)), nil},
		{"valid for more", good(exp(24*time.Hour + time.Second)), auth.ErrLifetime},
		{"issued long ago for more", good(claims(fmt.Sprintf(`,"iat":%d`, at(-25*time.Hour)))), auth.ErrLifetime},
		{"not before long ago for more", good(claims(fmt.Sprintf(`,"nbf":%d`, at(-25*time.Hour)))), auth.ErrLifetime},

		{"subject a number", good(fmt.Sprintf(`{"iss":%q,"sub":7,"exp":%d}`, testKey, at(time.Minute))), auth.ErrClaims},
		{"subject an object", good(fmt.Sprintf(`{"iss":%q,"sub":{},"exp":%d}`, testKey, at(time.Minute))), auth.ErrClaims},
		{"subject null", good(fmt.Sprintf(`{"iss":%q,"sub":null,"exp":%d}`, testKey, at(time.Minute))), auth.ErrClaims},
		{"issuer a list", good(fmt.Sprintf(`{"iss":[%q],"exp":%d}`, testKey, at(time.Minute))), auth.ErrClaims},
		{"name a number", good(claims(`,"name":5`)), auth.ErrClaims},
		{"video a string", good(claims(`,"video":"all"`)), auth.ErrClaims},
		{"room join a string", good(claims(`,"video":{"roomJoin":"true"}`)), auth.ErrClaims},
		{"attribute a number", good(claims(`,"attributes":{"a":1}`)), auth.ErrClaims},
		{"room configuration a list", good(claims(`,"roomConfig":[]`)), auth.ErrClaims},
	}
}

func TestVerify(t *testing.T) {
	v := newVerifier(t)
	for _, c := range matrix() {
		t.Run(c.name, func(t *testing.T) {
			got, err := v.Verify(c.token)
			if err != c.want {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if (got == nil) != (err != nil) {
				t.Fatalf("claims %v beside error %v", got, err)
			}
			if err == nil && (got.Identity != "ann" || got.APIKey != testKey) {
				t.Errorf("identity %q, key %q", got.Identity, got.APIKey)
			}
			if err != nil && errs.KindOf(err) != errs.Denied {
				t.Errorf("kind %v", errs.KindOf(err))
			}
		})
	}
}

func TestVerifyReadsClaims(t *testing.T) {
	v := newVerifier(t)
	got, err := v.Verify(good(fmt.Sprintf(`{"iss":%q,"jti":"from-jti","identity":"forged","exp":%d,"nbf":%d,
		"name":"Ann","kind":"agent","metadata":"m","attributes":{"a":"b"},
		"video":{"roomJoin":true,"room":"r","canPublish":false,"canPublishSources":["camera"]},
		"roomConfig":{"name":"cfg","emptyTimeout":7,"unknownField":1}}`, testKey, at(time.Hour), at(-time.Minute))))
	if err != nil {
		t.Fatal(err)
	}
	if got.Identity != "from-jti" || got.Grants.Identity != "from-jti" {
		t.Errorf("identity %q, in the grants %q", got.Identity, got.Grants.Identity)
	}
	if got.Name != "Ann" || got.Kind.String() != "AGENT" || got.Metadata != "m" || got.Attributes["a"] != "b" {
		t.Errorf("claims %+v", got)
	}
	if got.Video.Room != "r" || !got.Video.RoomJoin || got.Video.GetCanPublish() || !got.Video.GetCanSubscribe() || got.Video.CanSubscribe != nil {
		t.Errorf("video grant %+v", got.Video)
	}
	if got.RoomConfig.GetName() != "cfg" || got.RoomConfig.GetEmptyTimeout() != 7 {
		t.Errorf("room configuration %v", got.RoomConfig)
	}
	if got.Expires.Unix() != at(time.Hour) || got.NotBefore.Unix() != at(-time.Minute) {
		t.Errorf("valid from %v to %v", got.NotBefore, got.Expires)
	}
}

func TestErrorTextsNameNoTokenParts(t *testing.T) {
	v := newVerifier(t)
	for _, c := range matrix() {
		if c.want == nil || c.token == "" {
			continue
		}
		_, err := v.Verify(c.token)
		for _, part := range append(strings.Split(c.token, "."), "ann", testKey, testSecret) {
			if len(part) > 2 && strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q holds %q", c.name, err, part)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, c := range matrix() {
		f.Add(c.token)
	}
	closed := []error{
		auth.ErrNoToken, auth.ErrTooLong, auth.ErrMalformed, auth.ErrDuplicate, auth.ErrAlgorithm,
		auth.ErrType, auth.ErrCritical, auth.ErrSignature, auth.ErrClaims, auth.ErrNoExpiry,
		auth.ErrExpired, auth.ErrNotYet, auth.ErrLifetime,
	}
	v := newVerifier(f)
	check := func(t *testing.T, token string) {
		got, err := v.Verify(token)
		if err == nil {
			if got.APIKey == "" || got.Grants == nil || got.Expires.Before(now.Add(-auth.Leeway)) {
				t.Fatalf("accepted %+v", got)
			}
			return
		}
		for _, e := range closed {
			if errors.Is(err, e) {
				return
			}
		}
		t.Fatalf("error %v is not of the closed list", err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		check(t, token)
		check(t, good(token))                           // so that claims are reached
		check(t, signed(token, claims(""), testSecret)) // and headers
	})
}
