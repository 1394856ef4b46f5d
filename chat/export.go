package chat

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

// Format is how a conversation is exported.
type Format string

// The formats.
const (
	AsJSON Format = "json"
	AsHTML Format = "html" // to read and print, without scripts
	AsZIP  Format = "zip"  // both, the attachments, and a signed manifest with the hash of each file
)

// Valid tells whether there is such a format.
func (f Format) Valid() bool { return f == AsJSON || f == AsHTML || f == AsZIP }

// exportPage is how many messages are read at a time.
const exportPage = 500

// Exported is a conversation outside of this server.
type Exported struct {
	Conversation string            `json:"conversation_id"`
	Type         Type              `json:"type"`
	Subject      string            `json:"subject,omitempty"`
	Links        []Link            `json:"links,omitempty"`
	CreatedAt    time.Time         `json:"created_at"`
	ExportedAt   time.Time         `json:"exported_at"`
	ExportedBy   string            `json:"exported_by"`
	Participants []ExportedPerson  `json:"participants"`
	Messages     []ExportedMessage `json:"messages"`
}

// ExportedPerson is somebody in an exported conversation.
type ExportedPerson struct {
	ID       string    `json:"id"`
	UserID   string    `json:"user_id"`
	Name     string    `json:"name,omitempty"`
	Kin      Kin       `json:"type"`
	Role     Role      `json:"role"`
	State    State     `json:"state"`
	JoinedAt time.Time `json:"joined_at"`
	LeftAt   time.Time `json:"left_at,omitzero"`
	Marks    Marks     `json:"marks"`
}

// ExportedMessage is a message of an exported conversation.
type ExportedMessage struct {
	Seq       uint64    `json:"seq"`
	ID        string    `json:"id"`
	Kind      Kind      `json:"kind"`
	Sender    string    `json:"sender,omitempty"`
	Name      string    `json:"sender_name,omitempty"`
	At        time.Time `json:"created_at"`
	ReplyTo   uint64    `json:"reply_to_seq,omitempty"`
	EditedAt  time.Time `json:"edited_at,omitzero"`
	DeletedAt time.Time `json:"deleted_at,omitzero"`
	Erased    bool      `json:"erased,omitempty"`
	System    *System   `json:"system,omitempty"`
	Content
}

func exported(m *MessageView, name string) ExportedMessage {
	return ExportedMessage{m.Seq, m.ID, m.Kind, m.Sender, name, m.At, m.ReplyTo, m.EditedAt, m.DeletedAt, m.Erased, m.System, m.Content}
}

// Handout is an export that is ready to be written: what is in it is known, and in the audit.
type Handout struct {
	Size  int64 // bytes of what is in it
	write func(context.Context, io.Writer) error
}

// Write writes it. After an error what was written is no export.
func (h *Handout) Write(ctx context.Context, w io.Writer) error {
	if err := h.write(ctx, w); err != nil {
		return fmt.Errorf("write an export: %w", err)
	}
	return nil
}

// Export makes a conversation ready to be handed out as its member sees it. That it was exported is in the audit before the first byte is
// written, with the hash of what is.
func (s *Service) Export(ctx context.Context, caller *Caller, conversation string, f Format) (*Handout, error) {
	if err := caller.in(conversation, Export); err != nil {
		return nil, err
	}
	if !f.Valid() {
		return nil, errs.New(errs.Invalid, "format is none of json, html, zip")
	}
	x, err := s.collect(ctx, caller, conversation)
	if err != nil {
		return nil, err
	}
	record := audit.Entry{Actor: caller.Principal, Action: "conversation.exported", Object: conversation, From: caller.From}
	if f != AsZIP {
		one, err := made("", func(w io.Writer) error { return x.write(f, w) })
		if err != nil {
			return nil, fmt.Errorf("export a conversation: %w", err)
		}
		record.Detail = map[string]string{"format": string(f), "sha256": one.SHA256}
		return &Handout{one.Size, one.write}, s.exported(ctx, record)
	}
	a := archive{Manifest: Manifest{Conversation: x.Conversation, ExportedAt: x.ExportedAt, ExportedBy: x.ExportedBy}}
	err = errors.Join(
		a.add("conversation.json", func(w io.Writer) error { return x.write(AsJSON, w) }),
		a.add("conversation.html", func(w io.Writer) error { return x.write(AsHTML, w) }),
		a.add("messages.jsonl", x.lines),
		s.addFiles(ctx, &a, filesFolder, x.Messages),
	)
	if err != nil {
		return nil, fmt.Errorf("export a conversation: %w", err)
	}
	return s.handOut(ctx, &a, record)
}

// exported writes to the audit that something is handed out.
func (s *Service) exported(ctx context.Context, record audit.Entry) error {
	return s.update(ctx, func(tx *store.Tx) error {
		_, err := s.cfg.Chain.Append(tx, record)
		return err
	})
}

func (s *Service) collect(ctx context.Context, caller *Caller, conversation string) (*Exported, error) {
	reader := &Caller{Principal: caller.Principal, Permissions: []Permission{Read}, Only: caller.Only}
	v, err := s.Get(ctx, reader, conversation)
	if err != nil {
		return nil, err
	}
	x := &Exported{
		Conversation: v.ID, Type: v.Type, Subject: v.Subject, Links: v.Links, CreatedAt: v.CreatedAt, ExportedAt: s.cfg.Clock.Now().UTC(), ExportedBy: caller.Principal,
		Participants: []ExportedPerson{}, Messages: []ExportedMessage{},
	}
	people, err := s.People(ctx, reader, conversation, "", MaxMembers)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(people))
	for _, p := range people {
		names[p.Principal] = p.Name
		x.Participants = append(x.Participants, ExportedPerson{p.ID, p.Principal, p.Name, p.Kin, p.Role, p.State, p.JoinedAt, p.LeftAt, p.Marks})
	}
	for after := uint64(0); ; {
		page, err := s.Messages(ctx, reader, conversation, Window{After: &after, Limit: exportPage})
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			m := &page.Items[i]
			x.Messages = append(x.Messages, exported(m, names[m.Sender]))
		}
		if after = page.Next; !page.More {
			return x, nil
		}
	}
}

//go:embed export.html
var exportTemplate string

// write writes the conversation in one of the formats that are one text.
func (x *Exported) write(f Format, w io.Writer) error {
	if f == AsHTML {
		t, err := template.New("export").Parse(exportTemplate)
		if err != nil {
			return err
		}
		return t.Execute(w, x)
	}
	return indented(w, x)
}

// lines writes the messages, each as a line of JSON.
func (x *Exported) lines(w io.Writer) error {
	enc := json.NewEncoder(w)
	for i := range x.Messages {
		if err := enc.Encode(&x.Messages[i]); err != nil {
			return err
		}
	}
	return nil
}

func indented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(v)
}
