package auth

import (
	"encoding/json"
	"slices"
	"strings"
)

// Rights are the claims by which a token gives rights outside of rooms, and says who has them. They are ours; LiveKit's SDKs leave them alone.
type Rights struct {
	Permissions  []string `json:"permissions,omitempty"`
	Organization string   `json:"org,omitempty"`
	Type         string   `json:"type,omitempty"`  // user, business_user, contact, ai, guest, phone
	Scope        *Scope   `json:"scope,omitempty"` // nil: anywhere
}

// Scope bounds rights.
type Scope struct {
	Conversation string `json:"conversation,omitempty"` // the only one
}

const (
	maxPermissions = 64
	maxClaim       = 256 // bytes of an organisation, a type, a permission or a conversation
)

// parseRights is strict: a claim of another type, one that is empty, too long or has control characters, an unknown scope or a permission that
// is given twice makes the token invalid, because whoever signed it meant something else.
func parseRights(members map[string]json.RawMessage) (Rights, error) {
	var r Rights
	for name, to := range map[string]*string{"org": &r.Organization, "type": &r.Type} {
		if err := text(members[name], to); err != nil {
			return r, err
		}
		if members[name] != nil && !plain(*to) {
			return r, ErrClaims
		}
	}
	if raw := members["permissions"]; raw != nil {
		var list []json.RawMessage
		if raw[0] != '[' || json.Unmarshal(raw, &list) != nil || len(list) > maxPermissions {
			return r, ErrClaims
		}
		for _, item := range list {
			var p string
			if err := text(item, &p); err != nil || !plain(p) || slices.Contains(r.Permissions, p) {
				return r, ErrClaims
			}
			r.Permissions = append(r.Permissions, p)
		}
	}
	if raw := members["scope"]; raw != nil {
		var scope map[string]json.RawMessage
		if raw[0] != '{' || json.Unmarshal(raw, &scope) != nil || len(scope) != 1 {
			return r, ErrClaims
		}
		r.Scope = new(Scope)
		if err := text(scope["conversation"], &r.Scope.Conversation); err != nil || !plain(r.Scope.Conversation) {
			return r, ErrClaims
		}
	}
	return r, nil
}

func plain(s string) bool {
	return s != "" && len(s) <= maxClaim && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
