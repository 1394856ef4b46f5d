package chat

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"careline/internal/errs"
	"careline/internal/names"
)

// Kind says what a message is.
type Kind string

// The kinds. System messages are written by the server only.
const (
	Text     Kind = "text"
	Image    Kind = "image"
	File     Kind = "file"
	Place    Kind = "location"
	SystemKd Kind = "system"
)

const (
	// MaxText bounds a text in code points, on every way in.
	MaxText = 8000

	maxAttachments = 20
	maxMentions    = 50
	maxClientKey   = 255 // bytes
	maxLang        = 35  // bytes
	maxLive        = 24 * time.Hour
)

// Location is a place in WGS 84.
type Location struct {
	Latitude   float64   `json:"lat"`                // degrees
	Longitude  float64   `json:"lon"`                // degrees
	Accuracy   *float64  `json:"accuracy,omitempty"` // metres
	Altitude   *float64  `json:"altitude,omitempty"` // metres
	Heading    *float64  `json:"heading,omitempty"`  // degrees from north
	CapturedAt time.Time `json:"captured_at,omitzero"`
}

// System is what a system message says: a code that the reader's client puts into words, and what stands in them.
type System struct {
	Code   string            `json:"code"`
	Params map[string]string `json:"params,omitempty"`
}

// Content is what somebody wrote. It is kept sealed.
type Content struct {
	Text        string       `json:"text,omitempty"`
	Lang        string       `json:"lang,omitempty"` // as the author's client says
	Location    *Location    `json:"location,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
}

// Message is the record of a message.
type Message struct {
	Conversation string    `json:"conversation"`
	Seq          uint64    `json:"seq"` // in the conversation, from 1 without holes
	ID           string    `json:"id"`
	Sender       string    `json:"sender,omitempty"` // empty: the server
	Kind         Kind      `json:"kind"`
	At           time.Time `json:"at"`
	SentAt       time.Time `json:"sent_at,omitzero"` // as the author's client says
	ClientKey    string    `json:"client_key,omitempty"`
	From         string    `json:"from,omitempty"`
	OnBehalfOf   string    `json:"on_behalf_of,omitempty"` // whom an agent wrote down; Sender is the agent
	Generated    bool      `json:"generated,omitempty"`    // by an agent
	ReplyTo      uint64    `json:"reply_to,omitempty"`
	Mentions     []string  `json:"mentions,omitempty"`
	Files        []string  `json:"files,omitempty"` // ids of the attachments
	System       *System   `json:"system,omitempty"`
	LiveUntil    time.Time `json:"live_until,omitzero"`
	Fixes        uint64    `json:"fixes,omitempty"` // of a live location, the first not counted
	EditNo       uint64    `json:"edit_no,omitempty"`
	EditedAt     time.Time `json:"edited_at,omitzero"`
	DeletedAt    time.Time `json:"deleted_at,omitzero"`
	DeletedBy    string    `json:"deleted_by,omitempty"`
	ErasedAt     time.Time `json:"erased_at,omitzero"`
	Box          []byte    `json:"box,omitempty"`        // the sealed Content
	Sum          []byte    `json:"sum,omitempty"`        // salted hash of what was sent first
	Ord          uint64    `json:"ord"`                  // how many messages count as unread up to this one
	OwnOrd       uint64    `json:"own_ord,omitempty"`    // how many of them its sender wrote
	OwnPrev      uint64    `json:"own_prev,omitempty"`   // number of the sender's message before; 0 for the first, and where it was not kept
	KeyHashes    []byte    `json:"key_hashes,omitempty"` // of a landmark: the sender's client keys since the one before, see progress
}

// landmark tells whether a message is found by its sender, and the sender's messages before it from there.
func (m *Message) landmark() bool { return m.OwnPrev == 0 || len(m.KeyHashes) > 0 }

// countable tells whether a message makes a conversation unread.
func (m *Message) countable() bool { return m.Kind != SystemKd }

// place is what the content of a message is bound to.
func (m *Message) place() string {
	return m.ID + "/" + fmt.Sprint(m.EditNo) + "/" + fmt.Sprint(m.Fixes)
}

// Draft is a message on its way in.
type Draft struct {
	ClientKey   string // by which a retry is known; needed
	Kind        Kind   // empty: Text
	Text        string
	Lang        string
	Location    *Location
	LiveUntil   time.Time // of a location that goes on being updated
	Attachments []string  // ids of files
	ReplyTo     uint64
	Mentions    []string
	SentAt      time.Time

	// Of what an agent wrote in a call.
	OnBehalfOf string
	Generated  bool
}

// check holds a draft to the limits.
func (d *Draft) check(now time.Time) error {
	if d.Kind == "" {
		d.Kind = Text
	}
	switch {
	case d.ClientKey == "" || len(d.ClientKey) > maxClientKey || !names.Safe(d.ClientKey):
		return errs.Errorf(errs.Invalid, "a message needs a client_key, or an Idempotency-Key, of at most %d bytes", maxClientKey)
	case len(d.Lang) > maxLang || !names.Safe(d.Lang):
		return errs.New(errs.Invalid, "lang is no language tag")
	case len(d.Attachments) > maxAttachments:
		return errs.Errorf(errs.Invalid, "more than %d attachments", maxAttachments)
	case len(d.Mentions) > maxMentions:
		return errs.Errorf(errs.Invalid, "more than %d mentions", maxMentions)
	case d.Location != nil && d.Kind != Place:
		return errs.New(errs.Invalid, "only a message of kind location has a location")
	}
	if !names.Safe(d.OnBehalfOf) {
		return errs.New(errs.Invalid, "on_behalf_of names nobody")
	}
	for _, m := range d.Mentions {
		if m == "" || !names.Safe(m) {
			return errs.New(errs.Invalid, "a mention names nobody")
		}
	}
	if err := checkText(d.Text, d.Kind != Text); err != nil {
		return err
	}
	switch d.Kind {
	case Text:
	case Image, File:
		if len(d.Attachments) == 0 {
			return errs.New(errs.Invalid, "a message of kind image or file has an attachment")
		}
	case Place:
		if d.Location == nil {
			return errs.New(errs.Invalid, "a message of kind location has a location")
		}
		return checkLive(d, now)
	case SystemKd:
		return errs.New(errs.Invalid, "system messages are written by the server only")
	default:
		return errs.New(errs.Invalid, "the kind of a message is none of text, image, file, location")
	}
	if !d.LiveUntil.IsZero() {
		return errs.New(errs.Invalid, "only a location is live")
	}
	return nil
}

func checkLive(d *Draft, now time.Time) error {
	if !d.LiveUntil.IsZero() && (!d.LiveUntil.After(now) || d.LiveUntil.After(now.Add(maxLive))) {
		return errs.Errorf(errs.Invalid, "a live location ends within %d hours from now", maxLive/time.Hour)
	}
	return d.Location.check()
}

// checkText counts code points and takes everything else as it is.
func checkText(text string, mayBeEmpty bool) error {
	if !utf8.ValidString(text) {
		return errs.New(errs.Invalid, "a text is UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > MaxText || n == 0 && !mayBeEmpty {
		return ErrTextLength
	}
	return nil
}

func (l *Location) check() error {
	in := func(v, from, to float64) bool { return v >= from && v <= to && !math.IsNaN(v) } // false for NaN
	switch {
	case !in(l.Latitude, -90, 90):
		return errs.New(errs.Invalid, "lat is not between -90 and 90 degrees")
	case !in(l.Longitude, -180, 180):
		return errs.New(errs.Invalid, "lon is not between -180 and 180 degrees")
	case l.Accuracy != nil && !in(*l.Accuracy, 0, 1e8):
		return errs.New(errs.Invalid, "accuracy is not a number of metres")
	case l.Altitude != nil && !in(*l.Altitude, -12_000, 1e8):
		return errs.New(errs.Invalid, "altitude is not a number of metres")
	case l.Heading != nil && !in(*l.Heading, 0, 360):
		return errs.New(errs.Invalid, "heading is not between 0 and 360 degrees")
	}
	return nil
}

// sum is what of a draft makes it the same message.
func (d *Draft) digest(c *Content) ([]byte, error) {
	return json.Marshal(struct {
		Kind     Kind      `json:"kind"`
		Content  *Content  `json:"content"`
		ReplyTo  uint64    `json:"reply_to"`
		Mentions []string  `json:"mentions"`
		Live     time.Time `json:"live"`
		For      string    `json:"for,omitempty"`
	}{d.Kind, c, d.ReplyTo, d.Mentions, d.LiveUntil, d.OnBehalfOf})
}
