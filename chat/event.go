package chat

import (
	"careline/internal/event"
	"careline/internal/scan"
)

// The types of events, each with the type of its data.
const (
	ConversationCreated  event.Type = "conversation.created"  // ConversationEvent
	ConversationUpdated  event.Type = "conversation.updated"  // ConversationEvent
	ConversationLinked   event.Type = "conversation.linked"   // ConversationEvent
	ConversationClosed   event.Type = "conversation.closed"   // ConversationEvent
	ConversationReopened event.Type = "conversation.reopened" // ConversationEvent
	ConversationDeleted  event.Type = "conversation.deleted"  // ConversationEvent
	ParticipantJoined    event.Type = "participant.joined"    // ParticipantEvent
	ParticipantLeft      event.Type = "participant.left"      // ParticipantEvent
	ParticipantRemoved   event.Type = "participant.removed"   // ParticipantEvent
	ParticipantUpdated   event.Type = "participant.updated"   // ParticipantEvent
	MessageCreated       event.Type = "message.created"       // MessageEvent
	MessageUpdated       event.Type = "message.updated"       // MessageEvent
	MessageDeleted       event.Type = "message.deleted"       // MessageEvent
	MessageErased        event.Type = "message.erased"        // ErasedEvent: everything of one sender in the conversation

	AttachmentScanned event.Type = "attachment.scanned" // ScannedEvent

	// Of the moment only: Notices, not in the log.
	ReceiptUpdated event.Type = "receipt.updated"
	TypingNotice   event.Type = "typing"
)

// ConversationEvent is the data of events about a conversation.
type ConversationEvent struct {
	Type      Type     `json:"type"`
	Destroyed bool     `json:"destroyed,omitempty"` // of a deletion: by retention, for good
	People    []string `json:"people,omitempty"`    // of a destroyed one: who was in it, because nothing else says so any more
}

// ParticipantEvent is the data of events about people.
type ParticipantEvent struct {
	ID        string `json:"id"`
	Principal string `json:"principal"`
	Role      Role   `json:"role"`
}

// MessageEvent is the data of events about a message. What it says is read with the reader's rights.
type MessageEvent struct {
	Seq      uint64   `json:"seq"`
	ID       string   `json:"id"`
	Kind     Kind     `json:"kind"`
	EditNo   uint64   `json:"edit_no,omitempty"`
	Mentions []string `json:"mentions,omitempty"`
	Outside  []string `json:"outside,omitempty"` // those of the mentioned who are not in the conversation
}

// ScannedEvent is the data of AttachmentScanned.
type ScannedEvent struct {
	ID   string     `json:"id"` // of the file
	Scan scan.State `json:"scan"`
}

// ErasedEvent is the data of MessageErased.
type ErasedEvent struct {
	Sender string `json:"sender"`
}

// Moved returns whose place in the conversation an event changes; empty: nobody's. Who was erased is not in it any more.
func Moved(e *event.Event) (principal string, err error) {
	switch e.Type {
	case ParticipantJoined, ParticipantLeft, ParticipantRemoved, ParticipantUpdated:
		data, err := event.Decode[ParticipantEvent](e)
		return data.Principal, err
	case MessageErased:
		data, err := event.Decode[ErasedEvent](e)
		return data.Sender, err
	}
	return "", nil
}
