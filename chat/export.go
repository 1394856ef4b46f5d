package chat

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/seal"
	"careline/internal/store"
)

// Format is how a conversation is exported.
type Format string

// The formats.
const (
	AsJSON Format = "json"
	AsHTML Format = "html" // to read and print, without scripts
	AsZIP  Format = "zip"  // both, and a signed manifest with the hash of each file
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

// Export writes a conversation as its member sees it. That it was exported is in the audit before the first byte is written, with the hash of
// what was.
func (s *Service) Export(ctx context.Context, caller *Caller, conversation string, f Format) ([]byte, error) {
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
	out, err := x.write(f, s.cfg.Vault.Signer)
	if err != nil {
		return nil, fmt.Errorf("export a conversation: %w", err)
	}
	sum := sha256.Sum256(out)
	return out, s.update(ctx, func(tx *store.Tx) error {
		_, err := s.cfg.Chain.Append(tx, audit.Entry{
			Actor: caller.Principal, Action: "conversation.exported", Object: conversation, From: caller.From,
			Detail: map[string]string{"format": string(f), "sha256": hex.EncodeToString(sum[:])},
		})
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

func (x *Exported) write(f Format, signer *seal.Signer) ([]byte, error) {
	var out bytes.Buffer
	switch f {
	case AsHTML:
		t, err := template.New("export").Parse(exportTemplate)
		if err == nil {
			err = t.Execute(&out, x)
		}
		return out.Bytes(), err
	case AsZIP:
		err := x.archive(&out, signer)
		return out.Bytes(), err
	}
	enc := json.NewEncoder(&out)
	enc.SetIndent("", " ")
	err := enc.Encode(x)
	return out.Bytes(), err
}

// archive writes both other formats, the messages as lines, and last a manifest with the hash of each, and its signature.
func (x *Exported) archive(w io.Writer, signer *seal.Signer) error {
	var list []manifestFile
	z := zip.NewWriter(w)
	put := func(name string, b []byte) error {
		sum := sha256.Sum256(b)
		list = append(list, manifestFile{name, int64(len(b)), hex.EncodeToString(sum[:])})
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: x.ExportedAt})
		if err == nil {
			_, err = f.Write(b)
		}
		return err
	}
	for name, f := range map[string]Format{"conversation.json": AsJSON, "conversation.html": AsHTML} {
		b, err := x.write(f, signer)
		if err == nil {
			err = put(name, b)
		}
		if err != nil {
			return err
		}
	}
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for i := range x.Messages {
		if err := enc.Encode(&x.Messages[i]); err != nil {
			return err
		}
	}
	if err := put("messages.jsonl", lines.Bytes()); err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(Manifest{x.Conversation, x.ExportedAt, x.ExportedBy, list, signer.Public()}, "", " ")
	if err == nil {
		err = put(manifestName, manifest)
	}
	if err == nil {
		err = put(signatureName, signer.Sign(manifest))
	}
	if err != nil {
		return err
	}
	return z.Close()
}

// Subject is everything that conversations hold of a person, for that person.
type Subject struct {
	UserID        string                `json:"user_id"`
	At            time.Time             `json:"at"`
	Conversations []SubjectConversation `json:"conversations"`
}

// SubjectConversation is a person's part of a conversation.
type SubjectConversation struct {
	Conversation string            `json:"conversation_id"`
	Type         Type              `json:"type"`
	Place        ExportedPerson    `json:"participant"`
	Messages     []ExportedMessage `json:"messages"`
}

// SubjectAccess returns what conversations hold of a person: its places, its marks, and what it wrote. It is for holders of the permission to
// erase, and for the person itself.
func (s *Service) SubjectAccess(ctx context.Context, caller *Caller, principal string) (*Subject, error) {
	if caller.Principal == "" {
		return nil, ErrNobody
	}
	if !caller.May(Erase) && !(caller.May(Export) && caller.Principal == principal && caller.Only == "") {
		return nil, ErrDenied
	}
	places, err := s.placesOf(ctx, principal)
	if err != nil {
		return nil, err
	}
	if err := s.update(ctx, func(tx *store.Tx) error {
		_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: "subject.exported", Object: "principal/" + principal, From: caller.From})
		return err
	}); err != nil {
		return nil, err
	}
	out := &Subject{UserID: principal, At: s.cfg.Clock.Now().UTC(), Conversations: []SubjectConversation{}}
	for _, id := range places {
		one, err := s.part(ctx, principal, id)
		if errs.Is(err, errs.NotFound) {
			continue // destroyed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out.Conversations = append(out.Conversations, one)
	}
	return out, nil
}

// part reads a person's part of a conversation.
func (s *Service) part(ctx context.Context, principal, id string) (one SubjectConversation, err error) {
	var own []MessageView
	var places []MemberView
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		own, places = nil, nil
		c, err := conversations.Get(tx, id)
		if err != nil {
			return err
		}
		key := of{First: id, Second: principal}
		p, err := participants.Get(tx, key)
		if err != nil {
			return err
		}
		stored, err := storedMarks(tx, key)
		places = []MemberView{{Participant: p, Marks: s.pending.over(key, stored)}}
		one = SubjectConversation{Conversation: id, Type: c.Type, Messages: []ExportedMessage{}}
		for _, m := range bySender.Scan(tx, store.Range[wrote]{In: wroteKey.Of2(principal, id)}) {
			own = append(own, MessageView{Message: m})
		}
		return err
	})
	if err != nil {
		return one, err
	}
	if err := s.names(ctx, places); err != nil {
		return one, err
	}
	p := places[0]
	one.Place = ExportedPerson{p.ID, p.Principal, p.Name, p.Kin, p.Role, p.State, p.JoinedAt, p.LeftAt, p.Marks}
	keys := s.keyring()
	for i := range own {
		if err := keys.reveal(ctx, &own[i]); err != nil {
			return one, err
		}
		one.Messages = append(one.Messages, exported(&own[i], p.Name))
	}
	return one, nil
}
