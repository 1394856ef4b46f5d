package auth

import (
	"bytes"
	"encoding/json"
	"math"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
)

// Claims is what a verified token says. The pointers and maps belong to the
// one caller of Verify and are shared with Grants.
type Claims struct {
	APIKey      string // the key that signed
	ID          string // jti; may be empty
	Identity    string // sub, else jti; may be empty in tokens for server APIs
	Name        string
	Kind        livekit.ParticipantInfo_Kind
	KindDetails []livekit.ParticipantInfo_KindDetail
	Metadata    string
	Attributes  map[string]string
	Video       *lkauth.VideoGrant         // nil when the token has none
	RoomConfig  *livekit.RoomConfiguration // nil when the token has none
	Rights                                 // in chats and what is kept of them
	Refreshed   bool                       // by Minter.Refresh: who has it was in a session
	NotBefore   time.Time                  // zero when the token has none
	Expires     time.Time
	Grants      *lkauth.ClaimGrants // everything, as LiveKit's types have it
}

// registered are the claims of RFC 7519 that are looked at. A null counts as
// a value of the wrong type.
type registered struct {
	issuer, subject, id        string
	issued, notBefore, expires time.Time // zero when absent
	refreshed                  bool
	rights                     Rights
}

// parseRegistered matches names exactly, as encoding/json does only for maps.
func parseRegistered(raw []byte) (registered, error) {
	var r registered
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return r, ErrMalformed
	}
	for name, to := range map[string]*string{"iss": &r.issuer, "sub": &r.subject, "jti": &r.id} {
		if err := text(members[name], to); err != nil {
			return r, err
		}
	}
	for name, to := range map[string]*time.Time{"iat": &r.issued, "nbf": &r.notBefore, "exp": &r.expires} {
		if err := date(members[name], to); err != nil {
			return r, err
		}
	}
	r.refreshed = string(members["refreshed"]) == "true"
	var err error
	r.rights, err = parseRights(members)
	return r, err
}

func text(raw json.RawMessage, to *string) error {
	if raw == nil {
		return nil
	}
	if raw[0] != '"' || json.Unmarshal(raw, to) != nil {
		return ErrClaims
	}
	return nil
}

// lastDate is the last second of the year 9999, the end of what RFC 3339 and
// JSON times can say.
const lastDate = 253402300799

// date reads a NumericDate of RFC 7519 section 2: seconds since 1970, possibly
// with a fraction.
func date(raw json.RawMessage, to *time.Time) error {
	if raw == nil {
		return nil
	}
	var seconds float64
	if bytes.Equal(raw, []byte("null")) || json.Unmarshal(raw, &seconds) != nil {
		return ErrClaims
	}
	if seconds < 0 || seconds > lastDate {
		return ErrClaims
	}
	whole, part := math.Modf(seconds)
	*to = time.Unix(int64(whole), int64(part*1e9)).UTC()
	return nil
}

func newClaims(r registered, grants *lkauth.ClaimGrants) *Claims {
	grants.Identity = r.subject
	if grants.Identity == "" {
		grants.Identity = r.id
	}
	return &Claims{
		APIKey:      r.issuer,
		ID:          r.id,
		Identity:    grants.Identity,
		Name:        grants.Name,
		Kind:        grants.GetParticipantKind(),
		KindDetails: grants.GetKindDetails(),
		Metadata:    grants.Metadata,
		Attributes:  grants.Attributes,
		Video:       grants.Video,
		RoomConfig:  grants.GetRoomConfiguration(),
		Rights:      r.rights,
		Refreshed:   r.refreshed,
		NotBefore:   r.notBefore,
		Expires:     r.expires,
		Grants:      grants,
	}
}
