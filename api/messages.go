package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"careline/chat"
	"careline/internal/errs"
)

// textBody bounds bodies with a text, whose characters may take twelve bytes each in JSON.
const textBody = 160 << 10

// MessagePath is the path of a message.
type MessagePath struct {
	ConversationPath
	Seq uint64 `path:"seq" minimum:"1" doc:"The message's number in the conversation" example:"3"`
}

// NewMessage is a message to send.
type NewMessage struct {
	Kind        chat.Kind  `json:"kind,omitempty" enum:"text,image,file,location" doc:"Without: text" example:"text"`
	Text        string     `json:"text,omitempty" maxLength:"32000" doc:"At most 8,000 characters (code points)" example:"We are on our way."`
	Lang        string     `json:"lang,omitempty" maxLength:"35" doc:"Language tag of the text, where known" example:"en"`
	Location    *Location  `json:"location,omitempty" doc:"Of kind location"`
	LiveUntil   *time.Time `json:"live_until,omitempty" doc:"Until when the location will be updated, within a day"`
	Attachments []string   `json:"attachments,omitempty" maxItems:"20" doc:"Ids of uploaded files"`
	ReplyTo     uint64     `json:"reply_to_seq,omitempty"`
	Mentions    []string   `json:"mentions,omitempty" maxItems:"50" doc:"user_id of each"`
	SentAt      *time.Time `json:"sent_at,omitempty" doc:"When it was written, where that was earlier"`
	ClientKey   string     `json:"client_key,omitempty" maxLength:"255" doc:"As Idempotency-Key; one of the two is needed" example:"8e03978e-40d5-43e8-bc93-6894a57f9324"`
	Filter      any        `json:"filter,omitempty" hidden:"true"`
}

// MessageQuery asks for a part of a conversation. At most one of after, before, around and cursor is given; without any it is the newest messages.
type MessageQuery struct {
	After  *uint64     `json:"after,omitempty" doc:"Messages after this number" example:"0"`
	Before *uint64     `json:"before,omitempty" doc:"Messages before this number"`
	Around *uint64     `json:"around,omitempty" doc:"Messages on both sides of this number, and it"`
	Kinds  []chat.Kind `json:"kinds,omitempty" maxItems:"5" enum:"text,image,file,location,system" doc:"Only these"`
	Limit  int         `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"Without: 50" example:"50"`
	Cursor string      `json:"cursor,omitempty" maxLength:"512"`
}

// MessageList is a part of a conversation, oldest first.
type MessageList struct {
	Items      []Message `json:"items"`
	NextCursor string    `json:"next_cursor,omitempty" doc:"For what comes after; absent when that is nothing now"`
	PrevCursor string    `json:"prev_cursor,omitempty" doc:"For what comes before"`
}

// Marks is how far somebody got.
type Marks struct {
	Delivered uint64 `json:"delivered_seq" doc:"Everything up to this message has arrived" example:"3"`
	Read      uint64 `json:"read_seq" doc:"Everything up to this message was read" example:"3"`
}

// TypingNote says whether somebody is writing.
type TypingNote struct {
	On bool `json:"on" example:"true"`
}

// ReceiptList is who received and read a message.
type ReceiptList struct {
	Items []MessageReceipt `json:"items"`
}

// MessageReceipt is how far a message got with one reader.
type MessageReceipt struct {
	ParticipantID string `json:"participant_id" example:"01KAJ3V7Q8DWXJ6N3ZQ4T7V9PC"`
	UserID        string `json:"user_id" example:"traveller-381"`
	Status        string `json:"status" enum:"stored,delivered,read" example:"read"`
}

// EventList is a part of a conversation's log.
type EventList struct {
	Items []ChatEvent `json:"items"`
	Last  uint64      `json:"last_cpos" doc:"Position of the newest event there is" example:"41"`
	Reset bool        `json:"reset,omitempty" doc:"Some of what was asked for is not kept any more: read the conversation anew"`
}

// exampleMessage is used by others, which come before it.
var exampleMessage = Message{
	ConversationID: "01KAJ3V7Q8S6Z0Y5T1R9W2X4MB", Seq: 3, ID: "01KAJ3W0Z5BK8Y3M6P9S2V5X7Q", Kind: chat.Text, Sender: "operator-7", Text: "We are on our way.", CreatedAt: exampleTime,
	Delivery: ParticipantMessage{SenderID: "01KAJ3V7Q8DWXJ6N3ZQ4T7V9PC", Status: "delivered", Recipients: 1, Delivered: 1},
}

func (a *API) registerMessages() {
	const base = "/v1/conversations/{conversationId}"
	missing := []int{http.StatusNotFound}
	register(a, operation{
		id: "sendMessage", method: http.MethodPost, path: base + "/messages", tag: "Messages", need: ChatWrite, status: http.StatusCreated, private: true, largest: textBody,
		summary: "Send a message",
		about: "It is answered once the message is on disk. A retry with the same key gets the first answer again with status 200, for as long as the conversation is kept; " +
			"503 says that the message was not stored.",
		errors:  []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict},
		request: NewMessage{Text: "We are on our way.", ClientKey: "8e03978e-40d5-43e8-bc93-6894a57f9324"}, response: exampleStored,
	}, a.sendMessage)
	register(a, operation{
		id: "listMessages", method: http.MethodPost, path: base + "/messages/view", tag: "Messages", need: ChatRead, private: true, summary: "Read messages",
		about: "Oldest first. Guests see what was written since they came.", errors: missing, request: MessageQuery{After: new(uint64), Limit: 50},
		response: MessageList{Items: []Message{exampleMessage}},
	}, a.listMessages)
	register(a, operation{
		id: "getMessage", method: http.MethodGet, path: base + "/messages/{seq}", tag: "Messages", need: ChatRead, summary: "Read a message", errors: missing, response: exampleMessage,
	}, a.getMessage)
	register(a, operation{
		id: "listReceipts", method: http.MethodGet, path: base + "/messages/{seq}/receipts", tag: "Messages", need: ChatRead, summary: "List who received and read a message",
		about: "At most 1,000 people.", errors: missing, response: ReceiptList{[]MessageReceipt{{"01KAJ3V7Q8DWXJ6N3ZQ4T7V9PC", "traveller-381", "read"}}},
	}, a.listReceipts)
	register(a, operation{
		id: "setReceipts", method: http.MethodPut, path: base + "/receipts", tag: "Messages", need: ChatRead, summary: "Say how far one has received and read",
		about:  "Marks never go back and end at the newest message; what was read was delivered. Answers with the marks as they are then.",
		errors: missing, request: Marks{3, 3}, response: Marks{3, 3},
	}, a.setReceipts)
	register(a, operation{
		id: "setTyping", method: http.MethodPost, path: base + "/typing", tag: "Messages", need: ChatWrite, private: true, summary: "Say that one is writing",
		about: "It ends by itself after 6 s. More often than every 3 s, and where more than 50 people are, nobody is told.", errors: missing, request: TypingNote{true},
	}, a.setTyping)
	register(a, operation{
		id: "listEvents", method: http.MethodGet, path: base + "/events", tag: "Messages", need: ChatRead, summary: "Read what happened in a conversation",
		about: "For clients that missed something: all durable events after a position, in order.", errors: missing,
		response: EventList{Items: []ChatEvent{{
			Version: 1, Type: "message.created", ConversationID: exampleMessage.ConversationID, Position: 41, At: exampleTime, Actor: "operator-7",
			Data: json.RawMessage(`{"seq":3,"id":"01KAJ3W0Z5BK8Y3M6P9S2V5X7Q","kind":"text"}`),
		}}, Last: 41},
	}, a.listEvents)
}

// draft is the message as it is written.
func (b *NewMessage) draft() (chat.Draft, error) {
	if b.Filter != nil {
		return chat.Draft{}, errs.New(errs.Invalid, "this sends a message; to read some, POST the filter to the path with /view behind it")
	}
	d := chat.Draft{
		ClientKey: b.ClientKey, Kind: b.Kind, Text: b.Text, Lang: b.Lang, Location: b.Location.location(), Attachments: b.Attachments, ReplyTo: b.ReplyTo, Mentions: b.Mentions,
	}
	if b.LiveUntil != nil {
		d.LiveUntil = *b.LiveUntil
	}
	if b.SentAt != nil {
		d.SentAt = *b.SentAt
	}
	return d, nil
}

type sentMessage struct {
	Status   int
	Location string `header:"Location"`
	Body     Stored
}

func (a *API) sendMessage(ctx context.Context, in *struct {
	ConversationPath
	Key  string `header:"Idempotency-Key" maxLength:"255" doc:"Makes a retry safe; the same as client_key"`
	Body NewMessage
}) (*sentMessage, error) {
	d, err := in.Body.draft()
	if err != nil {
		return nil, err
	}
	if d.ClientKey == "" {
		d.ClientKey = in.Key
	}
	r, err := a.chats.Append(ctx, chatCallerOf(ctx), in.ConversationID, d)
	if err != nil {
		return nil, err
	}
	out := &sentMessage{Status: http.StatusCreated, Body: viewStored(&r)}
	out.Location = "/v1/conversations/" + r.Conversation + "/messages/" + formatSeq(r.Seq)
	if r.Duplicate {
		out.Status = http.StatusOK
	}
	return out, nil
}

func (a *API) listMessages(ctx context.Context, in *struct {
	ConversationPath
	Body MessageQuery
}) (*body[MessageList], error) {
	q := &in.Body
	given := 0
	for _, is := range []bool{q.After != nil, q.Before != nil, q.Around != nil, q.Cursor != ""} {
		if is {
			given++
		}
	}
	if given > 1 {
		return nil, errs.New(errs.Invalid, "only one of after, before, around and cursor can be given")
	}
	w := chat.Window{After: q.After, Before: q.Before, Around: q.Around, Limit: q.Limit, Kinds: q.Kinds}
	if q.Cursor != "" {
		from, err := readCursor[messageCursor](q.Cursor)
		if err != nil {
			return nil, err
		}
		if w.After, w.Before = from.After, from.Before; (w.After == nil) == (w.Before == nil) {
			return nil, errCursor
		}
	}
	if w.Limit == 0 {
		w.Limit = 50
	}
	list, err := a.chats.Messages(ctx, chatCallerOf(ctx), in.ConversationID, w)
	if err != nil {
		return nil, err
	}
	out := MessageList{Items: make([]Message, 0, len(list.Items))}
	for i := range list.Items {
		out.Items = append(out.Items, viewMessage(&list.Items[i]))
	}
	if list.More {
		out.NextCursor = writeCursor(messageCursor{After: &list.Next})
	}
	if list.Prev > 0 {
		out.PrevCursor = writeCursor(messageCursor{Before: &list.Prev})
	}
	return &body[MessageList]{out}, nil
}

// messageCursor is where a list of messages goes on.
type messageCursor struct{ After, Before *uint64 }

type taggedMessage struct {
	ETag string `header:"ETag" doc:"The revision, for If-Match"`
	Body Message
}

func (a *API) getMessage(ctx context.Context, in *MessagePath) (*taggedMessage, error) {
	m, err := a.chats.Message(ctx, chatCallerOf(ctx), in.ConversationID, in.Seq)
	return shownMessage(&m, err)
}

func shownMessage(m *chat.MessageView, err error) (*taggedMessage, error) {
	if err != nil {
		return nil, err
	}
	return &taggedMessage{writeTag(m.EditNo), viewMessage(m)}, nil
}

const maxReceipts = 1000

func (a *API) listReceipts(ctx context.Context, in *MessagePath) (*body[ReceiptList], error) {
	list, err := a.chats.Progress(ctx, chatCallerOf(ctx), in.ConversationID, in.Seq, maxReceipts)
	if err != nil {
		return nil, err
	}
	out := ReceiptList{Items: make([]MessageReceipt, 0, len(list))}
	for _, p := range list {
		status := "stored"
		switch {
		case p.Read:
			status = "read"
		case p.Delivered:
			status = "delivered"
		}
		out.Items = append(out.Items, MessageReceipt{p.Participant, p.Principal, status})
	}
	return &body[ReceiptList]{out}, nil
}

func (a *API) setReceipts(ctx context.Context, in *struct {
	ConversationPath
	Body Marks
}) (*body[Marks], error) {
	m, err := a.chats.Mark(ctx, chatCallerOf(ctx), in.ConversationID, chat.Marks(in.Body))
	return &body[Marks]{Marks(m)}, err
}

func (a *API) setTyping(ctx context.Context, in *struct {
	ConversationPath
	Body TypingNote
}) (*empty, error) {
	return nil, a.chats.Typing(ctx, chatCallerOf(ctx), in.ConversationID, in.Body.On)
}

func (a *API) listEvents(ctx context.Context, in *struct {
	ConversationPath
	After uint64 `query:"after" doc:"Position after which to begin; 0: the beginning" example:"40"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
}) (*body[EventList], error) {
	list, err := a.chats.Events(ctx, chatCallerOf(ctx), in.ConversationID, in.After, in.Limit)
	if err != nil {
		return nil, err
	}
	out := EventList{Items: make([]ChatEvent, 0, len(list.Items)), Last: list.Last, Reset: list.Trimmed}
	for _, e := range list.Items {
		out.Items = append(out.Items, ChatEvent{1, string(e.Type), e.Stream, e.StreamPos, e.At, e.Actor, e.Data})
	}
	return &body[EventList]{out}, nil
}
