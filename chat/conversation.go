package chat

import (
	"slices"
	"time"

	"careline/internal/errs"
	"careline/internal/names"
)

// Type says what a conversation is for, and with it which there may be only one of.
type Type string

// The types.
const (
	Direct      Type = "direct"      // between two people: one for each pair
	Group       Type = "group"       // any number of them
	Incident    Type = "incident"    // one for each incident and set of roles
	Transaction Type = "transaction" // one for each transaction and business user
)

// Valid tells whether there is such a type.
func (t Type) Valid() bool { return slices.Contains([]Type{Direct, Group, Incident, Transaction}, t) }

// Status is what can be done with a conversation.
type Status string

// The statuses. A deleted conversation is there for nobody but retention and erasure.
const (
	Active  Status = "active"
	Closed  Status = "closed"
	Deleted Status = "deleted"
)

// Link is what a conversation belongs to.
type Link struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// The types of links.
const (
	IncidentLink    = "incident"
	TicketLink      = "ticket"
	TransactionLink = "transaction"
	DeviceLink      = "device"
)

const (
	maxLinks   = 32
	maxLinkID  = 256  // bytes
	maxSubject = 200  // characters
	maxPeople  = 1000 // that are named in one request

	// MaxMembers bounds the people that a conversation has had.
	MaxMembers = 10_000

	// smallest is the size up to which something is written for each member when a conversation becomes active again.
	small = 50
)

// Sealed is content under the key of a conversation and of who wrote it.
type Sealed struct {
	By  string `json:"by,omitempty"`
	Box []byte `json:"box,omitempty"`
}

// Conversation is the record of a conversation; what changes with each message is in its Head.
type Conversation struct {
	ID             string    `json:"id"`
	Type           Type      `json:"type"`
	Status         Status    `json:"status"`
	Subject        Sealed    `json:"subject,omitzero"`
	Links          []Link    `json:"links,omitempty"`
	Ticket         string    `json:"ticket,omitempty"`
	Room           string    `json:"room,omitempty"` // of the call that belongs to it
	CreatedAt      time.Time `json:"created_at"`
	CreatedBy      string    `json:"created_by"`
	Members        int       `json:"members"` // that it has had
	Active         int       `json:"active"`  // of them now
	Rev            uint64    `json:"rev"`
	ClosedAt       time.Time `json:"closed_at,omitzero"`
	ClosedBy       string    `json:"closed_by,omitempty"`
	CloseReason    string    `json:"close_reason,omitempty"`
	DeletedAt      time.Time `json:"deleted_at,omitzero"`
	DeletedBy      string    `json:"deleted_by,omitempty"`
	Doomed         bool      `json:"doomed,omitempty"`      // by retention, which has begun to destroy it
	DestroyedAt    time.Time `json:"destroyed_at,omitzero"` // by retention: nothing can be read any more
	RetentionClass string    `json:"retention_class,omitempty"`

	OpenKey   string `json:"open_key,omitempty"`   // of which there is one at most
	CreateKey string `json:"create_key,omitempty"` // by which a retry of its creation finds it
	Bucket    int64  `json:"bucket"`               // of its last activity, as its members' rows have it
	Large     bool   `json:"large,omitempty"`      // it had more than small members: its members' rows do not say when it was active
}

// Head is what every message changes.
type Head struct {
	LastSeq      uint64    `json:"last_seq"`
	Countable    uint64    `json:"countable"` // messages that count as unread, deleted ones included
	LastActivity time.Time `json:"last_activity"`
}

// bucketSpan is how exactly the indexes know when a conversation was active; lists read the conversations of one span and sort them.
const bucketSpan = 10 * time.Minute

// always is the bucket of large conversations, which lists look at first.
const always = int64(1) << 62

func bucketOf(t time.Time) int64 { return t.Unix() / int64(bucketSpan/time.Second) }

func (c *Conversation) linked(l Link) bool { return slices.Contains(c.Links, l) }

func checkLinks(links []Link) error {
	if len(links) > maxLinks {
		return errs.Errorf(errs.Invalid, "more than %d links", maxLinks)
	}
	for _, l := range links {
		switch l.Type {
		case IncidentLink, TicketLink, TransactionLink, DeviceLink:
		default:
			return errs.New(errs.Invalid, "a link is to none of incident, ticket, transaction, device")
		}
		if !validID(l.ID) {
			return errs.Errorf(errs.Invalid, "the id of a link is empty, longer than %d bytes or has control characters", maxLinkID)
		}
	}
	return nil
}

func validID(id string) bool { return id != "" && len(id) <= maxLinkID && names.Safe(id) }

func checkSubject(subject string) error {
	if !names.Safe(subject) || len([]rune(subject)) > maxSubject {
		return errs.Errorf(errs.Invalid, "the subject is longer than %d characters or has control characters", maxSubject)
	}
	return nil
}
