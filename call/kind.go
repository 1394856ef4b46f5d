package call

import (
	"slices"

	"github.com/livekit/protocol/livekit"
)

// Kind says what a call is for.
type Kind string

// The kinds of calls.
const (
	Direct     Kind = "direct"     // exactly two people
	Conference Kind = "conference" // a host, operators, guests
	Broadcast  Kind = "broadcast"  // named speakers, and an audience that does not see itself
)

// Role is what somebody is in a call.
type Role string

// The roles. A kind of call has some of them.
const (
	Party    Role = "party"    // one of the two of a direct call
	Host     Role = "host"     // of a conference or a broadcast
	Operator Role = "operator" // helps the host of a conference
	Guest    Role = "guest"    // of a conference
	Speaker  Role = "speaker"  // of a broadcast: may publish
	Viewer   Role = "viewer"   // of a broadcast
)

var rolesOf = map[Kind][]Role{
	Direct:     {Party},
	Conference: {Host, Operator, Guest},
	Broadcast:  {Host, Speaker, Viewer},
}

// Valid tells whether there is such a kind.
func (k Kind) Valid() bool { return rolesOf[k] != nil }

// Has tells whether calls of the kind have such a role.
func (k Kind) Has(r Role) bool { return slices.Contains(rolesOf[k], r) }

// Stranger is the role of somebody with a token whom nobody named. Of a direct call it is taken only while a place is free.
func (k Kind) Stranger() Role {
	switch k {
	case Conference:
		return Guest
	case Broadcast:
		return Viewer
	default:
		return Party
	}
}

// Ability is something that a role may or may not do in its call.
type Ability uint8

// The abilities.
const (
	Read     Ability = iota // the call, and who is in it as far as the call shows them
	ReadAll                 // everybody in it, with devices and quality, invitations and bans
	Moderate                // mute, lower hands, let speak, admit, invite guests
	Manage                  // change, lock, remove, ban, name people
	End
)

var abilities = map[Role][]Ability{
	Party:    {Read, End},
	Host:     {Read, ReadAll, Moderate, Manage, End},
	Operator: {Read, ReadAll, Moderate},
	Guest:    {Read},
	Speaker:  {Read},
	Viewer:   {Read},
}

// May tells whether the role has an ability.
func (r Role) May(a Ability) bool { return slices.Contains(abilities[r], a) }

// publishes tells whether the role has a voice of its own.
func (r Role) publishes() bool { return r != Viewer }

// narrow takes out of a permission what the role does not have. granted: the host let a viewer speak.
func (r Role) narrow(p *livekit.ParticipantPermission, granted bool) {
	switch {
	case granted:
		p.CanPublish, p.CanPublishData, p.CanPublishSources = true, true, nil
	case !r.publishes():
		p.CanPublish, p.CanPublishSources = false, nil
	}
}
