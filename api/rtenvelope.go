package api

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"careline/chat"
	"careline/internal/event"
)

// Envelope is what the feeds tell.
type Envelope struct {
	Version        int       `json:"v" example:"1"`
	Type           string    `json:"type" doc:"What happened; hello, ping, reset and bye are about the feed itself" example:"message.created"`
	ConversationID string    `json:"conv,omitempty" doc:"The conversation; of events of a call that has none, the call" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Position       uint64    `json:"cpos,omitempty" doc:"In the conversation's log: from 1, without holes. Absent of what is of the moment" example:"41"`
	Cursor         string    `json:"cursor,omitempty" doc:"To resume behind this. Absent of what is of the moment"`
	At             time.Time `json:"at" example:"2026-11-21T08:05:00Z"`
	Actor          string    `json:"actor,omitempty" doc:"user_id of who caused it" example:"operator-7"`
	Data           any       `json:"data,omitempty" doc:"By type. Of messages: message, as the API shows it, beside what the log has"`
}

// The types of envelopes that are about the feed itself.
const (
	helloType = "hello"
	pingType  = "ping"
	resetType = "reset"
	byeType   = "bye"
)

// messageNews is the data of an envelope about a message.
type messageNews struct {
	chat.MessageEvent
	Message *Message `json:"message,omitempty"`
}

// receiptNews is the data of receipt.updated.
type receiptNews struct {
	UserID    string `json:"user_id"`
	Delivered uint64 `json:"delivered_seq"`
	Read      uint64 `json:"read_seq,omitempty"`
}

// typingNews is the data of typing.
type typingNews struct {
	UserID string `json:"user_id"`
	On     bool   `json:"on"`
}

// helloNews is the data of hello.
type helloNews struct {
	UserID  string `json:"user_id"`
	Resumed bool   `json:"resumed"` // what was missed follows, or a reset
}

// resetNews is the data of reset: what a client has to read anew.
type resetNews struct {
	Conversations []resetPlace `json:"conversations"`
	More          bool         `json:"more,omitempty"` // there are others, which were active longer ago
}

type resetPlace struct {
	ConversationID string `json:"conv"`
	Last           uint64 `json:"last_cpos"`
}

// byeNews is the data of bye.
type byeNews struct {
	RetryIn int64 `json:"retry_in"` // milliseconds
}

// news is one envelope, rendered once for everybody who gets it.
type news struct {
	full, bare []byte       // bare: without what the message says, for guests who came after it was written; nil until wanted
	before, at event.Cursor // the places of the log before and behind it; zero of what is of the moment
	told       *chat.Happening
	stream     string
	seq        uint64 // of the message that it tells of; 0: of none
}

// lasts tells whether it is in the log.
func (n *news) lasts() bool { return n.told != nil }

// newsOf makes an envelope of an event. before is the place of the log behind the event before it.
func newsOf(h *chat.Happening, before event.Cursor) *news {
	n := &news{before: before, at: h.Cursor(), told: h, stream: h.Stream}
	if h.Message != nil {
		n.seq = h.Message.Seq
	}
	return n
}

// text is what somebody with a seat gets.
func (n *news) text(seat chat.Seat) ([]byte, error) {
	to := &n.full
	if n.seq > 0 && n.seq <= seat.After {
		to = &n.bare
	}
	if *to != nil {
		return *to, nil
	}
	h := n.told
	e := envelopeOf(&h.Event)
	if h.Message != nil && to == &n.full {
		data, err := event.Decode[chat.MessageEvent](&h.Event)
		if err != nil {
			return nil, err
		}
		m := viewMessage(h.Message)
		e.Data = messageNews{data, &m}
	}
	var err error
	if *to, err = json.Marshal(e); err != nil {
		return nil, fmt.Errorf("encode an envelope: %w", err)
	}
	return *to, nil
}

func envelopeOf(e *event.Event) Envelope {
	out := Envelope{
		Version: 1, Type: string(e.Type), ConversationID: e.Stream, Position: e.StreamPos, Cursor: writePlace(e.Cursor()), At: e.At, Actor: e.Actor,
	}
	switch {
	case e.Type == chat.ConversationDeleted: // without who was in it
		if data, err := event.Decode[chat.ConversationEvent](e); err == nil {
			data.People = nil
			out.Data = data
		}
	case len(e.Data) > 0:
		out.Data = e.Data
	}
	return out
}

// newsOfMoment makes an envelope of a notice.
func newsOfMoment(n *chat.Notice, now time.Time) (*news, error) {
	e := Envelope{Version: 1, Type: string(n.Type), ConversationID: n.Conversation, At: now.UTC(), Actor: n.Principal}
	switch n.Type {
	case chat.ReceiptUpdated:
		e.Data = receiptNews{n.Principal, n.Delivered, n.Read}
	case chat.TypingNotice:
		e.Data = typingNews{n.Principal, n.On}
	}
	text, err := json.Marshal(e)
	return &news{full: text, stream: n.Conversation}, err
}

// writePlace makes the opaque text of a place in the log.
func writePlace(c event.Cursor) string {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:], c.Pos)
	binary.BigEndian.PutUint32(b[8:], c.Check)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// readPlace reads it back.
func readPlace(cursor string) (event.Cursor, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) != 12 {
		return event.Cursor{}, false
	}
	return event.Cursor{Pos: binary.BigEndian.Uint64(b), Check: binary.BigEndian.Uint32(b[8:])}, true
}
