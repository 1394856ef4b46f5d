package api

import (
	"encoding/json"
	"time"

	"careline/chat"
)

// Conversation is a conversation as one of its members sees it.
type Conversation struct {
	ID             string      `json:"id" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Type           chat.Type   `json:"type" enum:"direct,group,incident,transaction" example:"incident"`
	Status         chat.Status `json:"status" enum:"active,closed" example:"active"`
	Subject        string      `json:"subject,omitempty" example:"Lost passport in Lima"`
	Links          []Link      `json:"links,omitempty" doc:"What it belongs to"`
	IncidentID     string      `json:"incident_id,omitempty" doc:"The first link of this type, as the next three"`
	TransactionID  string      `json:"transaction_id,omitempty"`
	TicketID       string      `json:"ticket_id,omitempty"`
	DeviceID       string      `json:"device_id,omitempty"`
	Ticket         *ChatTicket `json:"ticket,omitempty" doc:"The root of a chat about a transaction"`
	CallID         string      `json:"call_id,omitempty" doc:"Of the call that belongs to it"`
	CreatedAt      time.Time   `json:"created_at" example:"2026-11-21T08:00:00Z"`
	CreatedBy      string      `json:"created_by" example:"operator-7"`
	Participants   int         `json:"participants" doc:"How many are in it" example:"2"`
	Revision       uint64      `json:"revision" example:"1"`
	LastSeq        uint64      `json:"last_seq" doc:"Number of the newest message" example:"3"`
	LastActivityAt time.Time   `json:"last_activity_at" example:"2026-11-21T08:05:00Z"`
	LastMessage    *Message    `json:"last_message,omitempty"`
	Unread         uint64      `json:"unread" doc:"Messages of others that are still there, after read_seq" example:"1"`
	Me             Member      `json:"me" doc:"The place of who asks"`
	DeliveredSeq   uint64      `json:"delivered_seq" example:"3"`
	ReadSeq        uint64      `json:"read_seq" example:"2"`
	RetentionClass string      `json:"retention_class,omitempty"`
	ClosedAt       *time.Time  `json:"closed_at,omitempty"`
	ClosedBy       string      `json:"closed_by,omitempty"`
	CloseReason    string      `json:"close_reason,omitempty"`
}

// ChatTicket is the root of conversations about one thing.
type ChatTicket struct {
	ID            string `json:"id" example:"01KAJ3V7Q8E2H5K8N1Q4T7W0Z3"`
	Kind          string `json:"kind" enum:"transaction" example:"transaction"`
	TransactionID string `json:"transaction_id,omitempty" example:"TX-9001"`
	Snapshot      any    `json:"snapshot,omitempty" doc:"What was told of the transaction when the ticket was made"`
}

// Member is somebody's place in a conversation.
type Member struct {
	ID             string     `json:"id" doc:"Of the place" example:"01KAJ3V7Q8DWXJ6N3ZQ4T7V9PC"`
	UserID         string     `json:"user_id" doc:"The identity (sub) of the person's tokens" example:"operator-7"`
	Name           string     `json:"name,omitempty" example:"Ines"`
	Type           chat.Kin   `json:"type" enum:"user,business_user,contact,ai,guest,phone" example:"user"`
	IsAI           bool       `json:"is_ai,omitempty"`
	OrganizationID string     `json:"organization_id,omitempty"`
	Role           chat.Role  `json:"role" enum:"client,agent,supervisor,ai,guest,system" example:"agent"`
	State          chat.State `json:"state" enum:"active,left,removed" example:"active"`
	JoinedAt       time.Time  `json:"joined_at" example:"2026-11-21T08:00:00Z"`
	LeftAt         *time.Time `json:"left_at,omitempty"`
	MutedUntil     *time.Time `json:"muted_until,omitempty"`
	HidesReceipts  bool       `json:"hides_receipts,omitempty" doc:"The others do not learn how far this one has read"`
	DeliveredSeq   *uint64    `json:"delivered_seq,omitempty"`
	ReadSeq        *uint64    `json:"read_seq,omitempty" doc:"Absent where it is hidden"`
	Erased         bool       `json:"erased,omitempty"`
}

func viewMember(p *chat.Participant, name string) Member {
	return Member{
		ID: p.ID, UserID: p.Principal, Name: name, Type: p.Kin, IsAI: p.Kin == chat.AI, OrganizationID: p.Organization, Role: p.Role, State: p.State,
		JoinedAt: p.JoinedAt, LeftAt: orNil(p.LeftAt), MutedUntil: orNil(p.MutedUntil), HidesReceipts: p.HidesReads, Erased: !p.ErasedAt.IsZero(),
	}
}

func viewConversation(v *chat.ConversationView) Conversation {
	c := Conversation{
		ID: v.ID, Type: v.Type, Status: v.Status, Subject: v.Subject, CallID: v.Room, CreatedAt: v.CreatedAt, CreatedBy: v.CreatedBy, Participants: v.Active,
		Revision: v.Rev, LastSeq: v.LastSeq, LastActivityAt: v.LastActivity, Unread: v.Unread, Me: viewMember(&v.Me, v.MyName),
		DeliveredSeq: v.Marks.Delivered, ReadSeq: v.Marks.Read, RetentionClass: v.RetentionClass,
		ClosedAt: orNil(v.ClosedAt), ClosedBy: v.ClosedBy, CloseReason: v.CloseReason,
	}
	for _, l := range v.Links {
		c.Links = append(c.Links, Link(l))
		for kind, to := range map[string]*string{
			chat.IncidentLink: &c.IncidentID, chat.TransactionLink: &c.TransactionID, chat.TicketLink: &c.TicketID, chat.DeviceLink: &c.DeviceID,
		} {
			if l.Type == kind && *to == "" {
				*to = l.ID
			}
		}
	}
	if v.Ticket != nil {
		c.Ticket = &ChatTicket{ID: v.Ticket.ID, Kind: v.Ticket.Kind, TransactionID: v.Ticket.Transaction}
		if len(v.Ticket.Snapshot) > 0 {
			c.Ticket.Snapshot = v.Ticket.Snapshot
		}
	}
	if v.Last != nil {
		m := viewMessage(v.Last)
		c.LastMessage = &m
	}
	return c
}

// Location is a place in WGS 84.
type Location struct {
	Latitude   float64    `json:"lat" minimum:"-90" maximum:"90" doc:"Degrees" example:"-12.0464"`
	Longitude  float64    `json:"lon" minimum:"-180" maximum:"180" doc:"Degrees" example:"-77.0428"`
	Accuracy   *float64   `json:"accuracy,omitempty" minimum:"0" doc:"Metres"`
	Altitude   *float64   `json:"altitude,omitempty" doc:"Metres"`
	Heading    *float64   `json:"heading,omitempty" minimum:"0" maximum:"360" doc:"Degrees from north"`
	CapturedAt *time.Time `json:"captured_at,omitempty"`
}

func (l *Location) location() *chat.Location {
	if l == nil {
		return nil
	}
	out := &chat.Location{Latitude: l.Latitude, Longitude: l.Longitude, Accuracy: l.Accuracy, Altitude: l.Altitude, Heading: l.Heading}
	if l.CapturedAt != nil {
		out.CapturedAt = l.CapturedAt.UTC()
	}
	return out
}

func viewLocation(l *chat.Location) *Location {
	if l == nil {
		return nil
	}
	return &Location{l.Latitude, l.Longitude, l.Accuracy, l.Altitude, l.Heading, orNil(l.CapturedAt)}
}

// Attachment is a file of a message.
type Attachment struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Type   string `json:"type" doc:"As the server found it" example:"image/jpeg"`
	Size   int64  `json:"size" doc:"Bytes"`
	SHA256 string `json:"sha256" doc:"Of the content, in hexadecimal"`
	Width  int    `json:"width,omitempty" doc:"Pixels"`
	Height int    `json:"height,omitempty" doc:"Pixels"`
}

// SystemNote is what a system message says: clients put the code into words.
type SystemNote struct {
	Code   string            `json:"code" example:"participant_joined"`
	Params map[string]string `json:"params,omitempty"`
}

// ParticipantMessage is a message's way to its readers.
type ParticipantMessage struct {
	SenderID   string `json:"sender_id,omitempty" doc:"The place of the author; absent for the server" example:"01KAJ3V7Q8DWXJ6N3ZQ4T7V9PC"`
	Status     string `json:"status" enum:"stored,delivered,read" doc:"delivered and read: to and by all others in the conversation" example:"delivered"`
	Recipients int    `json:"recipients" doc:"Others in the conversation; 0 with the next two in very large ones" example:"1"`
	Delivered  int    `json:"delivered" doc:"To how many of them" example:"1"`
	Read       int    `json:"read" doc:"By how many of them, as far as they show it"`
}

// Message is a message as a member sees it.
type Message struct {
	ConversationID string             `json:"conversation_id" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Seq            uint64             `json:"seq" doc:"Its number in the conversation: from 1, without holes" example:"3"`
	ID             string             `json:"id" example:"01KAJ3W0Z5BK8Y3M6P9S2V5X7Q"`
	Kind           chat.Kind          `json:"kind" enum:"text,image,file,location,system" example:"text"`
	Sender         string             `json:"sender,omitempty" doc:"The author's user_id; absent for the server" example:"operator-7"`
	OnBehalfOf     string             `json:"on_behalf_of,omitempty" doc:"Whom an agent wrote down in a call: the user_id; sender is the agent"`
	Generated      bool               `json:"generated,omitempty" doc:"An agent wrote it in a call"`
	Text           string             `json:"text,omitempty" doc:"As it was sent. It is no HTML" example:"We are on our way."`
	Lang           string             `json:"lang,omitempty" example:"en"`
	Location       *Location          `json:"location,omitempty"`
	LiveUntil      *time.Time         `json:"live_until,omitempty" doc:"Until when the location is updated"`
	Attachments    []Attachment       `json:"attachments,omitempty"`
	ReplyTo        uint64             `json:"reply_to_seq,omitempty"`
	Mentions       []string           `json:"mentions,omitempty"`
	System         *SystemNote        `json:"system,omitempty"`
	CreatedAt      time.Time          `json:"created_at" example:"2026-11-21T08:05:00Z"`
	SentAt         *time.Time         `json:"sent_at,omitempty" doc:"As the author's client says"`
	EditedAt       *time.Time         `json:"edited_at,omitempty"`
	Revision       uint64             `json:"revision" doc:"How often it was edited" example:"0"`
	DeletedAt      *time.Time         `json:"deleted_at,omitempty" doc:"Then nothing of what it said is shown"`
	Erased         bool               `json:"erased,omitempty" doc:"What it said is gone for good"`
	Delivery       ParticipantMessage `json:"participantMessage"`
}

func viewMessage(m *chat.MessageView) Message {
	v := Message{
		ConversationID: m.Conversation, Seq: m.Seq, ID: m.ID, Kind: m.Kind, Sender: m.Sender, OnBehalfOf: m.OnBehalfOf, Generated: m.Generated,
		Text: m.Text, Lang: m.Lang, Location: viewLocation(m.Location), LiveUntil: orNil(m.LiveUntil), ReplyTo: m.ReplyTo, CreatedAt: m.At, SentAt: orNil(m.SentAt), EditedAt: orNil(m.EditedAt), Revision: m.EditNo,
		DeletedAt: orNil(m.DeletedAt), Erased: m.Erased,
		Delivery: ParticipantMessage{SenderID: m.Author, Status: "stored", Recipients: m.Others, Delivered: m.Delivered, Read: m.Read},
	}
	if m.DeletedAt.IsZero() {
		v.Mentions = m.Mentions
	}
	for _, a := range m.Attachments {
		v.Attachments = append(v.Attachments, Attachment(a))
	}
	if m.System != nil {
		v.System = &SystemNote{m.System.Code, m.System.Params}
	}
	switch {
	case m.Others > 0 && m.Read == m.Others:
		v.Delivery.Status = "read"
	case m.Others > 0 && m.Delivered == m.Others:
		v.Delivery.Status = "delivered"
	}
	return v
}

// Stored says where a message is kept.
type Stored struct {
	ConversationID string    `json:"conversation_id" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Seq            uint64    `json:"seq" example:"3"`
	ID             string    `json:"id" example:"01KAJ3W0Z5BK8Y3M6P9S2V5X7Q"`
	CreatedAt      time.Time `json:"created_at" example:"2026-11-21T08:05:00Z"`
	Duplicate      bool      `json:"duplicate,omitempty" doc:"It was kept before, under the same key"`
}

func viewStored(r *chat.Receipt) Stored {
	return Stored{r.Conversation, r.Seq, r.ID, r.At, r.Duplicate}
}

// ChatEvent is what happened in a conversation, as the log has it.
type ChatEvent struct {
	Version        int             `json:"v" example:"1"`
	Type           string          `json:"type" example:"message.created"`
	ConversationID string          `json:"conv" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Position       uint64          `json:"cpos" doc:"In the conversation: from 1, without holes" example:"41"`
	At             time.Time       `json:"at" example:"2026-11-21T08:05:00Z"`
	Actor          string          `json:"actor,omitempty" doc:"user_id of who caused it" example:"operator-7"`
	Data           json.RawMessage `json:"data,omitempty" doc:"By type. It names messages and holds nothing of them"`
}
