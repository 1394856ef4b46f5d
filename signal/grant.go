package signal

import (
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/internal/names"
	"careline/sfu"
)

// The refusals below are those of LiveKit, which clients and their users know.
var (
	errNoAccess   = &refusal{status: http.StatusUnauthorized, text: "no permissions to access the room"}
	errDenied     = &refusal{status: http.StatusUnauthorized, text: "permissions denied"}
	errNoIdentity = &refusal{status: http.StatusBadRequest, text: "identity cannot be empty"}
	errNoRoom     = &refusal{status: http.StatusBadRequest, text: "no room name"}
	errIdentity   = &refusal{status: http.StatusBadRequest, text: "identity is too long or has control characters"}
	errRoomName   = &refusal{status: http.StatusBadRequest, text: "room name is too long or has control characters"}
	errName       = &refusal{status: http.StatusBadRequest, text: "participant name is too long"}
	errEncoding   = &refusal{status: http.StatusBadRequest, text: "text is not UTF-8"}
)

// allow completes the join from the claims, or says why they do not allow it.
func (e *entry) allow() error {
	c, grant := e.claims, e.claims.Video
	if !grant.RoomJoin {
		return errDenied
	}
	j := &e.join
	j.Room, j.Identity, j.Name, j.Kind = grant.Room, c.Identity, names.Visible(c.Name), c.Kind
	j.Metadata, j.Attributes, j.RoomConfig = c.Metadata, c.Attributes, c.RoomConfig
	j.Permission = permission(grant)
	if j.Identity == "" {
		return errNoIdentity
	}
	if j.Room == "" {
		return errNoRoom
	}
	if e.suffix != "" {
		if !j.Permission.CanPublish {
			return errDenied
		}
		j.Identity += "#" + e.suffix
		j.AutoSubscribe = false
		j.Permission.CanSubscribe = false
	}
	if e.metadata != "" || len(e.attributes) > 0 {
		if !j.Permission.CanUpdateMetadata {
			return errDenied
		}
		for key := range e.attributes {
			if sfu.ReservedAttribute(key) {
				return errDenied
			}
		}
		e.describe()
	}
	return checkTexts(j)
}

// describe lets the client's own words win over the token's. An empty value does not delete: a token's key is not the client's to remove
// before it is in the room.
func (e *entry) describe() {
	j := &e.join
	if e.metadata != "" {
		j.Metadata = e.metadata
	}
	if j.Attributes = maps.Clone(j.Attributes); j.Attributes == nil {
		j.Attributes = make(map[string]string, len(e.attributes))
	}
	for key, value := range e.attributes {
		if value != "" {
			j.Attributes[key] = value
		}
	}
}

func checkTexts(j *sfu.JoinRequest) error {
	for key, value := range j.Attributes {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return errEncoding
		}
	}
	switch {
	case !utf8.ValidString(j.Identity + j.Room + j.Name + j.Metadata):
		return errEncoding // protobuf could not carry it to anybody
	case !names.Safe(j.Identity):
		return errIdentity
	case !names.Safe(j.Room):
		return errRoomName
	case !names.Fits(j.Name):
		return errName
	}
	return nil
}

// permission resolves what a grant leaves open: publishing and subscribing are allowed unless denied, data follows publishing.
func permission(g *lkauth.VideoGrant) *livekit.ParticipantPermission {
	p := &livekit.ParticipantPermission{
		CanSubscribe:          g.GetCanSubscribe(),
		CanPublish:            g.GetCanPublish(),
		CanPublishData:        g.GetCanPublishData(),
		Hidden:                g.Hidden,
		Recorder:              g.Recorder,
		CanUpdateMetadata:     g.GetCanUpdateOwnMetadata(),
		Agent:                 g.Agent,
		CanSubscribeMetrics:   g.GetCanSubscribeMetrics(),
		CanManageAgentSession: g.GetCanManageAgentSession(),
	}
	if len(g.CanPublishSources) == 0 {
		return p
	}
	// A source that we do not know must not become "unknown source": that is one that clients can publish. When none is left, an empty list
	// would mean all.
	p.CanPublishSources = slices.DeleteFunc(g.GetCanPublishSources(), func(s livekit.TrackSource) bool {
		return s == livekit.TrackSource_UNKNOWN
	})
	if len(p.CanPublishSources) == 0 {
		p.CanPublish = false
	}
	return p
}
