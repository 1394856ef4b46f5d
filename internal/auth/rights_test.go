package auth_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
)

func TestRights(t *testing.T) {
	v := newVerifier(t)
	for _, c := range []struct {
		members string
		want    auth.Rights
		err     error
	}{
		{``, auth.Rights{}, nil},
		{`,"permissions":["chat:read","SYSTEM_BROADCAST_CREATION_EXECUTOR"],"org":"acme","type":"user","scope":{"conversation":"01J"}`,
			auth.Rights{Permissions: []string{"chat:read", "SYSTEM_BROADCAST_CREATION_EXECUTOR"}, Organization: "acme", Type: "user", Scope: &auth.Scope{Conversation: "01J"}}, nil},
		{`,"permissions":[]`, auth.Rights{}, nil},
		{`,"permissions":"chat:read"`, auth.Rights{}, auth.ErrClaims},
		{`,"permissions":null`, auth.Rights{}, auth.ErrClaims},
		{`,"permissions":[1]`, auth.Rights{}, auth.ErrClaims},
		{`,"permissions":[null]`, auth.Rights{}, auth.ErrClaims},
		{`,"permissions":[""]`, auth.Rights{}, auth.ErrClaims},
		{`,"permissions":["a","a"]`, auth.Rights{}, auth.ErrClaims},
		{`,"permissions":["a\u0000"]`, auth.Rights{}, auth.ErrClaims},
		{`,"permissions":{"chat:read":true}`, auth.Rights{}, auth.ErrClaims},
		{`,"permissions":["` + strings.Repeat(`x`, 257) + `"]`, auth.Rights{}, auth.ErrClaims},
		{`,"Permissions":["chat:read"]`, auth.Rights{}, nil},
		{`,"permissions":["a"],"Permissions":["chat:read"]`, auth.Rights{}, auth.ErrDuplicate},
		{`,"org":7`, auth.Rights{}, auth.ErrClaims},
		{`,"org":""`, auth.Rights{}, auth.ErrClaims},
		{`,"type":["user"]`, auth.Rights{}, auth.ErrClaims},
		{`,"scope":{}`, auth.Rights{}, auth.ErrClaims},
		{`,"scope":"01J"`, auth.Rights{}, auth.ErrClaims},
		{`,"scope":{"call":"x"}`, auth.Rights{}, auth.ErrClaims},
		{`,"scope":{"conversation":null}`, auth.Rights{}, auth.ErrClaims},
		{`,"scope":{"conversation":"x","call":"y"}`, auth.Rights{}, auth.ErrClaims},
	} {
		got, err := v.Verify(good(claims(c.members)))
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.members, err, c.err)
		}
		if err == nil && !reflect.DeepEqual(got.Rights, c.want) {
			t.Errorf("%s: %+v", c.members, got.Rights)
		}
	}
}

// TestRightsSurviveRefresh and minting.
func TestRightsSurviveRefresh(t *testing.T) {
	fake := clock.NewFake(now)
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	minter, verifier := auth.NewMinter(keys, fake), auth.NewVerifier(keys, fake)
	want := auth.Rights{Permissions: []string{"chat:read"}, Organization: "acme", Type: "contact", Scope: &auth.Scope{Conversation: "01J"}}
	token, err := minter.MintWith(testKey, grants(), want, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := verifier.Verify(token)
		if err != nil || !reflect.DeepEqual(got.Rights, want) {
			t.Fatalf("%+v %v", got, err)
		}
		if token, err = minter.Refresh(got, 0); err != nil {
			t.Fatal(err)
		}
	}
}
