package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"careline/chat"
	"careline/internal/auth"
	"careline/internal/errs"
)

// maxRef bounds what a client calls a frame, in bytes.
const maxRef = 255

// Frame is what every frame of a client has.
type Frame struct {
	Type string `json:"type" enum:"hello,send,edit,delete,mark,typing,focus,activity,pong" example:"send"`
	Ref  string `json:"ref,omitempty" maxLength:"255" doc:"What the client calls the frame: its ack or nack names it. Without, there is no ack" example:"7"`
}

// HelloFrame is the first frame.
type HelloFrame struct {
	Frame
	Resume string `json:"resume,omitempty" doc:"The newest cursor that the client has; without, the feed begins now"`
	Focus  string `json:"focus,omitempty" doc:"As the frame focus"`
}

// SendFrame sends a message.
type SendFrame struct {
	Frame
	ConversationID string `json:"conv"`
	NewMessage
}

// EditFrame edits a message.
type EditFrame struct {
	Frame
	ConversationID string `json:"conv"`
	Seq            uint64 `json:"seq" example:"3"`
	Revision       uint64 `json:"revision" doc:"That was read" example:"0"`
	MessageChange
}

// DeleteFrame deletes a message.
type DeleteFrame struct {
	Frame
	ConversationID string  `json:"conv"`
	Seq            uint64  `json:"seq" example:"3"`
	Revision       *uint64 `json:"revision,omitempty" doc:"Only while it is the present one"`
	Reason         string  `json:"reason,omitempty" maxLength:"200"`
}

// MarkFrame says how far one has received and read.
type MarkFrame struct {
	Frame
	ConversationID string `json:"conv"`
	Delivered      uint64 `json:"delivered,omitempty" example:"3"`
	Read           uint64 `json:"read,omitempty" example:"3"`
}

// TypingFrame says that one is writing, or not any more.
type TypingFrame struct {
	Frame
	ConversationID string `json:"conv"`
	On             bool   `json:"on" example:"true"`
}

// FocusFrame says which conversation one looks at.
type FocusFrame struct {
	Frame
	ConversationID *string `json:"conv" doc:"null: none"`
}

// Ack answers a frame that was done. What it has depends on the frame.
type Ack struct {
	Version        int        `json:"v" example:"1"`
	Type           string     `json:"type" enum:"ack" example:"ack"`
	Ref            string     `json:"ref,omitempty" example:"7"`
	ConversationID string     `json:"conv,omitempty" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Seq            uint64     `json:"seq,omitempty" doc:"Of the message" example:"3"`
	ID             string     `json:"id,omitempty" doc:"Of the message that was sent" example:"01KAJ3W0Z5BK8Y3M6P9S2V5X7Q"`
	CreatedAt      *time.Time `json:"created_at,omitempty" doc:"Of the message that was sent" example:"2026-11-21T08:05:00Z"`
	Duplicate      bool       `json:"dup,omitempty" doc:"The message was kept before, under the same key"`
	Revision       *uint64    `json:"revision,omitempty" doc:"Of the message that was edited"`
	Delivered      *uint64    `json:"delivered,omitempty" doc:"The marks as they are now"`
	Read           *uint64    `json:"read,omitempty"`
}

// Nack answers a frame that was refused.
type Nack struct {
	Version    int      `json:"v" example:"1"`
	Type       string   `json:"type" enum:"nack" example:"nack"`
	Ref        string   `json:"ref,omitempty" example:"7"`
	Problem    *Problem `json:"problem"`
	RetryAfter float64  `json:"retry_after,omitempty" doc:"Seconds, with the code rate-limited" example:"0.05"`
}

var (
	errFrame      = newProblem(http.StatusBadRequest, "this is no frame: JSON with a type, a ref of 255 bytes at most, and the members of the type")
	errFrameType  = newProblem(http.StatusUnprocessableEntity, "there are no frames of this type")
	errHelloTwice = errs.New(errs.Conflict, "hello is the first frame, and only that")
)

// readFrame reads the members of a frame's type, and no others.
func readFrame(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if d.Decode(into) != nil || d.More() {
		return errFrame
	}
	return nil
}

// readHead reads what every frame has.
func readHead(data []byte) (head Frame, err error) {
	if json.Unmarshal(data, &head) != nil || len(head.Ref) > maxRef {
		return Frame{}, errFrame
	}
	return head, nil
}

// desk does what frames ask for, in the name of one caller.
type desk struct {
	// immutable
	chats  *chat.Service
	caller *chat.Caller
	sends  *auth.Limiter[string]
}

// do does what a frame asks for. A nil answer is none: nobody wants one.
func (d *desk) do(ctx context.Context, head Frame, data []byte) (ack *Ack, err error) {
	ack = &Ack{Version: 1, Type: "ack", Ref: head.Ref}
	switch head.Type {
	case "hello":
		err = errHelloTwice
	case "send":
		err = d.send(ctx, data, ack)
	case "edit":
		err = d.edit(ctx, data, ack)
	case "delete":
		err = d.delete(ctx, data, ack)
	case "mark":
		err = d.mark(ctx, data, ack)
	case "typing":
		err = d.typing(ctx, data, ack)
	case "focus":
		err = readFrame(data, new(FocusFrame))
	case "activity", "pong":
		err = readFrame(data, new(Frame))
	default:
		err = errFrameType
	}
	if err == nil && head.Ref == "" {
		ack = nil
	}
	return ack, err
}

// take refuses what comes too fast.
func (d *desk) take() error {
	if wait, ok := d.sends.Take(d.caller.Principal); !ok {
		return errs.With(errs.Limit, &auth.Throttled{After: wait})
	}
	return nil
}

func (d *desk) send(ctx context.Context, data []byte, ack *Ack) error {
	var f SendFrame
	if err := readFrame(data, &f); err != nil {
		return err
	}
	if err := d.take(); err != nil {
		return err
	}
	draft, err := f.draft()
	if err != nil {
		return err
	}
	r, err := d.chats.Append(ctx, d.caller, f.ConversationID, draft)
	if err != nil {
		return err
	}
	ack.ConversationID, ack.Seq, ack.ID, ack.CreatedAt, ack.Duplicate = r.Conversation, r.Seq, r.ID, &r.At, r.Duplicate
	return nil
}

func (d *desk) edit(ctx context.Context, data []byte, ack *Ack) error {
	var f EditFrame
	if err := readFrame(data, &f); err != nil {
		return err
	}
	if err := d.take(); err != nil {
		return err
	}
	m, err := d.chats.Edit(ctx, d.caller, f.ConversationID, f.Seq, chat.Edit{Text: f.Text, Lang: f.Lang, Mentions: f.Mentions, Reason: f.Reason, Revision: f.Revision})
	ack.ConversationID, ack.Seq, ack.Revision = f.ConversationID, f.Seq, &m.EditNo
	return err
}

func (d *desk) delete(ctx context.Context, data []byte, ack *Ack) error {
	var f DeleteFrame
	if err := readFrame(data, &f); err != nil {
		return err
	}
	if err := d.take(); err != nil {
		return err
	}
	ack.ConversationID, ack.Seq = f.ConversationID, f.Seq
	return d.chats.DeleteMessage(ctx, d.caller, f.ConversationID, f.Seq, f.Revision, f.Reason)
}

func (d *desk) mark(ctx context.Context, data []byte, ack *Ack) error {
	var f MarkFrame
	if err := readFrame(data, &f); err != nil {
		return err
	}
	m, err := d.chats.Mark(ctx, d.caller, f.ConversationID, chat.Marks{Delivered: f.Delivered, Read: f.Read})
	ack.ConversationID, ack.Delivered, ack.Read = f.ConversationID, &m.Delivered, &m.Read
	return err
}

func (d *desk) typing(ctx context.Context, data []byte, ack *Ack) error {
	var f TypingFrame
	if err := readFrame(data, &f); err != nil {
		return err
	}
	ack.ConversationID = f.ConversationID
	return d.chats.Typing(ctx, d.caller, f.ConversationID, f.On)
}

// nackOf says why a frame was refused.
func nackOf(ref string, err error) Nack {
	n := Nack{Version: 1, Type: "nack", Ref: ref, Problem: asProblem(err)}
	if t, ok := errors.AsType[*auth.Throttled](err); ok {
		n.RetryAfter = t.After.Seconds()
	}
	return n
}
