package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
)

// signedWith puts a token together by hand; sign returns the signature.
func signedWith(sign func(body string) []byte, header, claims string) string {
	body := encode(header) + "." + encode(claims)
	return body + "." + base64.RawURLEncoding.EncodeToString(sign(body))
}

func of(issuer string) string {
	return fmt.Sprintf(`{"iss":%q,"sub":"ann","exp":%d}`, issuer, at(time.Minute))
}

// TestKeys crosses algorithms, keys and key ids: which key checks a token is
// decided by its issuer and, among the keys of one issuer, by its key id; the
// algorithm is the key's.
func TestKeys(t *testing.T) {
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecPrivate, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const old, next = "an-old-secret-of-thirty-two-bytes-or-more", "a-next-secret-of-thirty-two-bytes-or-more"
	keys, err := auth.NewKeySet([]auth.Key{
		{ID: "hs", Secret: []byte(testSecret)},
		{ID: "ed", Public: edPublic},
		{ID: "ec", Public: &ecPrivate.PublicKey},
		{ID: "turning", KeyID: "1", Secret: []byte(old)},
		{ID: "turning", KeyID: "2", Secret: []byte(next)},
		{ID: "turning", KeyID: "3", Public: edPublic},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := auth.NewVerifier(keys, clock.NewFake(now))
	ed := func(body string) []byte { return ed25519.Sign(edPrivate, []byte(body)) }
	ec := func(body string) []byte {
		sum := sha256.Sum256([]byte(body))
		r, s, err := ecdsa.Sign(rand.Reader, ecPrivate, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	ecDER := func(body string) []byte {
		sum := sha256.Sum256([]byte(body))
		der, err := ecdsa.SignASN1(rand.Reader, ecPrivate, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	zeros := func(n int) func(string) []byte { return func(string) []byte { return make([]byte, n) } }
	der, err := x509.MarshalPKIXPublicKey(edPublic)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))

	for _, c := range []struct {
		name  string
		token string
		want  error
	}{
		{"HS256", signed(goodHeader, of("hs"), testSecret), nil},
		{"EdDSA", signedWith(ed, `{"alg":"EdDSA"}`, of("ed")), nil},
		{"ES256", signedWith(ec, `{"alg":"ES256"}`, of("ec")), nil},

		{"EdDSA called HS256", signedWith(ed, goodHeader, of("ed")), auth.ErrSignature},
		{"EdDSA called Ed25519", signedWith(ed, `{"alg":"Ed25519"}`, of("ed")), auth.ErrAlgorithm},
		{"EdDSA for the ES256 issuer", signedWith(ed, `{"alg":"EdDSA"}`, of("ec")), auth.ErrSignature},
		{"EdDSA for the HS256 issuer", signedWith(ed, `{"alg":"EdDSA"}`, of("hs")), auth.ErrSignature},
		{"HS256 for the EdDSA issuer", signed(goodHeader, of("ed"), testSecret), auth.ErrSignature},
		{"HS256 by the public key", signed(goodHeader, of("ed"), string(edPublic)), auth.ErrSignature},
		{"HS256 by its DER", signed(goodHeader, of("ed"), string(der)), auth.ErrSignature},
		{"HS256 by its PEM", signed(goodHeader, of("ed"), asPEM), auth.ErrSignature},
		{"HS256 by its base64", signed(goodHeader, of("ed"), base64.StdEncoding.EncodeToString(der)), auth.ErrSignature},
		{"ES256 of zeros", signedWith(zeros(64), `{"alg":"ES256"}`, of("ec")), auth.ErrSignature},
		{"ES256 in DER", signedWith(ecDER, `{"alg":"ES256"}`, of("ec")), auth.ErrSignature},
		{"ES256 too short", signedWith(zeros(63), `{"alg":"ES256"}`, of("ec")), auth.ErrSignature},
		{"ES256 empty", signedWith(zeros(0), `{"alg":"ES256"}`, of("ec")), auth.ErrSignature},
		{"EdDSA of zeros", signedWith(zeros(64), `{"alg":"EdDSA"}`, of("ed")), auth.ErrSignature},
		{"EdDSA too long", signedWith(zeros(1000), `{"alg":"EdDSA"}`, of("ed")), auth.ErrSignature},
		{"ES384", signedWith(ec, `{"alg":"ES384"}`, of("ec")), auth.ErrAlgorithm},
		{"ES256K", signedWith(ec, `{"alg":"ES256K"}`, of("ec")), auth.ErrAlgorithm},
		{"PS256", signedWith(ec, `{"alg":"PS256"}`, of("ec")), auth.ErrAlgorithm},
		{"none for a public key", encode(`{"alg":"none"}`) + "." + encode(of("ed")) + ".", auth.ErrAlgorithm},

		{"old key by its id", signed(`{"alg":"HS256","kid":"1"}`, of("turning"), old), nil},
		{"next key by its id", signed(`{"alg":"HS256","kid":"2"}`, of("turning"), next), nil},
		{"public key by its id", signedWith(ed, `{"alg":"EdDSA","kid":"3"}`, of("turning")), nil},
		{"old key without id", signed(goodHeader, of("turning"), old), nil},
		{"next key without id", signed(goodHeader, of("turning"), next), nil},
		{"next key by the old one's id", signed(`{"alg":"HS256","kid":"1"}`, of("turning"), next), auth.ErrSignature},
		{"secret by the public key's id", signed(`{"alg":"HS256","kid":"3"}`, of("turning"), next), auth.ErrSignature},
		{"unknown id where all have one", signed(`{"alg":"HS256","kid":"4"}`, of("turning"), next), auth.ErrSignature},
		{"path as id", signed(`{"alg":"HS256","kid":"../../dev/null"}`, of("turning"), ""), auth.ErrSignature},
		{"query as id", signed(`{"alg":"HS256","kid":"x' UNION SELECT 'k"}`, of("turning"), "k"), auth.ErrSignature},
		{"another issuer's id", signed(`{"alg":"HS256","kid":"1"}`, of("hs"), old), auth.ErrSignature},
		{"id without effect on a single key", signed(`{"alg":"HS256","kid":"1"}`, of("hs"), testSecret), nil},
		{"id a number", signed(`{"alg":"HS256","kid":1}`, of("turning"), old), auth.ErrMalformed},
		{"id a list", signed(`{"alg":"HS256","kid":["1"]}`, of("turning"), old), auth.ErrMalformed},
		{"two ids", signed(`{"alg":"HS256","kid":"1","kid":"2"}`, of("turning"), old), auth.ErrDuplicate},
		{"key in the header", signedWith(ed, `{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"`+base64.RawURLEncoding.EncodeToString(edPublic)+`"}}`, of("hs")), auth.ErrSignature},
		{"address of a key in the header", signed(`{"alg":"HS256","jku":"https://evil.example/keys","x5u":"https://evil.example"}`, of("hs"), "guess"), auth.ErrSignature},
	} {
		if _, err := v.Verify(c.token); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}

	minter := auth.NewMinter(keys, clock.NewFake(now))
	for _, id := range []string{"hs", "turning"} {
		token, err := minter.Mint(id, grants(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := v.Verify(token); err != nil || c.APIKey != id {
			t.Errorf("%s: %v, %v", id, c, err)
		}
	}
	if _, err := minter.Mint("ed", grants(), time.Hour); !errors.Is(err, auth.ErrPublicOnly) {
		t.Errorf("minted by a public key: %v", err)
	}
	if got := keys.Signer(); got != "hs" {
		t.Errorf("%q signs", got)
	}
	if s := fmt.Sprintf("%v %+v %#v", keys, keys, keys); strings.Contains(s, testSecret) || !strings.Contains(s, "turning") {
		t.Errorf("prints %s", s)
	}
}

func TestRefreshKeepsTheTokenID(t *testing.T) {
	fake := clock.NewFake(now)
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	v := auth.NewVerifier(keys, fake)
	c, err := v.Verify(good(claims(`,"jti":"t1"`)))
	if err != nil {
		t.Fatal(err)
	}
	refreshed, err := auth.NewMinter(keys, fake).Refresh(c, 0)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := v.Verify(refreshed); err != nil || again.ID != "t1" || again.Identity != "ann" {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestNewKeySetRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte(testSecret)
	many := make([]auth.Key, 9)
	for i := range many {
		many[i] = auth.Key{ID: "a", KeyID: fmt.Sprint(i), Secret: secret}
	}
	for name, keys := range map[string][]auth.Key{
		"none":                      nil,
		"same id, no key ids":       {{ID: "a", Secret: secret}, {ID: "a", Secret: secret}},
		"same id, one key id":       {{ID: "a", KeyID: "1", Secret: secret}, {ID: "a", Secret: secret}},
		"same id, same key id":      {{ID: "a", KeyID: "1", Secret: secret}, {ID: "a", KeyID: "1", Secret: secret}},
		"nine of one id":            many,
		"another curve":             {{ID: "a", Public: &p384.PublicKey}},
		"private key":               {{ID: "a", Public: p384}},
		"short key":                 {{ID: "a", Public: ed25519.PublicKey("short")}},
		"secret beside public key":  {{ID: "a", Secret: secret, Public: ed25519.PublicKey(make([]byte, 32))}},
		"neither":                   {{ID: "a"}},
		"no id":                     {{Secret: secret}},
		"no id beside a public key": {{Public: ed25519.PublicKey(make([]byte, 32))}},
	} {
		if _, err := auth.NewKeySet(keys); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
