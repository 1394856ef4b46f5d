package auth_test

import (
	"errors"

	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/internal/auth"
	"careline/internal/clock"
)

func grants() *lkauth.ClaimGrants {
	yes := true
	g := &lkauth.ClaimGrants{
		Identity:   "ann",
		Name:       "Ann",
		Metadata:   "m",
		Attributes: map[string]string{"a": "b", "A": "c"},
		Video:      &lkauth.VideoGrant{RoomJoin: true, Room: "r", CanPublishData: &yes},
		RoomConfig: (*lkauth.RoomConfiguration)(&livekit.RoomConfiguration{Name: "r", MaxParticipants: 3}),
	}
	g.SetParticipantKind(livekit.ParticipantInfo_AGENT)
	return g
}

func TestMintVerifyRefresh(t *testing.T) {
	fake := clock.NewFake(now)
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	minter, verifier := auth.NewMinter(keys, fake), auth.NewVerifier(keys, fake)
	token, err := minter.Mint(testKey, grants(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	check := func(token string, expires time.Time) *auth.Claims {
		t.Helper()
		got, err := verifier.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		if !got.Expires.Equal(expires) {
			t.Errorf("expires %v, want %v", got.Expires, expires)
		}
		if got.Identity != "ann" || got.Name != "Ann" || got.Kind != livekit.ParticipantInfo_AGENT ||
			got.Metadata != "m" || got.Attributes["a"] != "b" || got.Attributes["A"] != "c" ||
			got.RoomConfig.GetMaxParticipants() != 3 ||
			!got.Video.RoomJoin || got.Video.Room != "r" || !*got.Video.CanPublishData || got.Video.CanPublish != nil {
			t.Errorf("claims %+v", got)
		}
		return got
	}
	claims := check(token, now.Add(time.Hour))

	fake.Advance(30 * time.Minute)
	refreshed, err := minter.Refresh(claims, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !check(refreshed, now.Add(time.Hour)).Refreshed || claims.Refreshed {
		t.Error("a refreshed token does not say that it is one, or another does")
	}

	fake.Advance(25 * time.Minute)
	refreshed, err = minter.Refresh(claims, 0)
	if err != nil {
		t.Fatal(err)
	}
	check(refreshed, now.Add(65*time.Minute))

	// What LiveKit's own reader makes of it.
	if _, err := lkauth.ParseAPIToken(refreshed); err != nil {
		t.Error(err)
	}

	// Refreshed again and again, it ends where the limit says, counted from the first.
	first := claims
	for range 20 {
		if refreshed, err = minter.Refresh(claims, 90*time.Minute); err != nil {
			break
		}
		if claims, err = verifier.Verify(refreshed); err != nil {
			t.Fatal(err)
		}
		if !claims.NotBefore.Equal(first.NotBefore) || claims.Expires.After(now.Add(90*time.Minute)) {
			t.Errorf("valid from %v to %v", claims.NotBefore, claims.Expires)
		}
		fake.Advance(5 * time.Minute)
	}
	if !errors.Is(err, auth.ErrLifetimeOver) || fake.Now().Before(now.Add(89*time.Minute)) {
		t.Errorf("after %v: %v", fake.Now().Sub(now), err)
	}
}

func TestVerifyTakesLiveKitTokens(t *testing.T) {
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	token, err := lkauth.NewAccessToken(testKey, testSecret).SetIdentity("ann").
		SetVideoGrant(&lkauth.VideoGrant{RoomJoin: true, Room: "r"}).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	got, err := auth.NewVerifier(keys, clock.Real{}).LimitLifetime(24 * time.Hour).Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	if got.Identity != "ann" || !got.Video.RoomJoin {
		t.Errorf("claims %+v", got)
	}
}

func TestMintRefuses(t *testing.T) {
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	minter := auth.NewMinter(keys, clock.NewFake(now))
	big := &lkauth.ClaimGrants{Metadata: strings.Repeat("m", auth.MaxTokenLength)}
	for name, mint := range map[string]func() (string, error){
		"unknown key": func() (string, error) { return minter.Mint("nobody", grants(), time.Hour) },
		"no lifetime": func() (string, error) { return minter.Mint(testKey, grants(), 0) },
		"too long":    func() (string, error) { return minter.Mint(testKey, big, time.Hour) },
	} {
		if token, err := mint(); err == nil || token != "" {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestNewKeysRefuses(t *testing.T) {
	for name, secrets := range map[string]map[string]string{
		"no keys":      {},
		"empty id":     {"": "secret"},
		"empty secret": {"id": ""},
	} {
		if _, err := auth.NewKeys(secrets); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestKeysShowNoSecret(t *testing.T) {
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(format, keys); strings.Contains(s, testSecret) || !strings.Contains(s, testKey) {
			t.Errorf("%s prints %s", format, s)
		}
	}
}

func TestFromRequest(t *testing.T) {
	for _, c := range []struct {
		name    string
		target  string
		headers []string
		token   string
		err     error
	}{
		{"header", "/rtc", []string{"Bearer a.b.c"}, "a.b.c", nil},
		{"query", "/rtc?access_token=a.b.c", nil, "a.b.c", nil},
		{"header wins", "/rtc?access_token=q", []string{"Bearer h"}, "h", nil},
		{"neither", "/rtc?x=1", nil, "", auth.ErrNoToken},
		{"empty in the query", "/rtc?access_token=", nil, "", auth.ErrNoToken},
		{"basic", "/rtc?access_token=q", []string{"Basic QTpC"}, "", auth.ErrScheme},
		{"scheme in lower case", "/rtc", []string{"bearer h"}, "", auth.ErrScheme},
		{"bare token", "/rtc", []string{"a.b.c"}, "", auth.ErrScheme},
		{"empty header", "/rtc?access_token=q", []string{""}, "", auth.ErrScheme},
		{"empty bearer", "/rtc?access_token=q", []string{"Bearer "}, "", auth.ErrScheme},
		{"two headers", "/rtc", []string{"Bearer a", "Bearer b"}, "", auth.ErrScheme},
		{"two in the query", "/rtc?access_token=a&access_token=b", nil, "", auth.ErrDuplicate},
		{"malformed neighbour", "/rtc?%zz=1&access_token=a", nil, "a", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, c.target, nil)
			for _, h := range c.headers {
				r.Header.Add("Authorization", h)
			}
			token, err := auth.FromRequest(r)
			if token != c.token || err != c.err {
				t.Errorf("%q, %v; want %q, %v", token, err, c.token, c.err)
			}
		})
	}
}
