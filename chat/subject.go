package chat

import (
	"context"
	"fmt"
	"io"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/store"
)

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

// SubjectAccess makes what conversations hold of a person ready to be handed out: its places, its marks, what it wrote and, in an archive, its
// files. It is for holders of the permission to erase, and for the person itself.
func (s *Service) SubjectAccess(ctx context.Context, caller *Caller, principal string, f Format) (*Handout, error) {
	if caller.Principal == "" {
		return nil, ErrNobody
	}
	if !caller.May(Erase) && !(caller.May(Export) && caller.Principal == principal && caller.Only == "") {
		return nil, ErrDenied
	}
	if f != AsJSON && f != AsZIP {
		return nil, errs.New(errs.Invalid, "format is none of json, zip")
	}
	x, err := s.subject(ctx, principal)
	if err != nil {
		return nil, err
	}
	record := audit.Entry{Actor: caller.Principal, Action: "subject.exported", Object: "principal/" + principal, From: caller.From}
	one, err := made("subject.json", func(w io.Writer) error { return indented(w, x) })
	if err != nil {
		return nil, fmt.Errorf("export what is known of a person: %w", err)
	}
	if f == AsJSON {
		record.Detail = map[string]string{"format": string(f)}
		return &Handout{one.Size, one.write}, s.exported(ctx, record)
	}
	a := archive{Manifest: Manifest{UserID: principal, ExportedAt: x.At, ExportedBy: caller.Principal}, entries: []entry{one}}
	for _, c := range x.Conversations {
		if err := s.addFiles(ctx, &a, filesFolder+c.Conversation+"/", c.Messages); err != nil {
			return nil, fmt.Errorf("export what is known of a person: %w", err)
		}
	}
	return s.handOut(ctx, &a, record)
}

// subject reads what conversations hold of a person.
func (s *Service) subject(ctx context.Context, principal string) (*Subject, error) {
	places, err := s.placesOf(ctx, principal)
	if err != nil {
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
		for m, err := range messagesOf(tx, id, principal, 0) {
			if err != nil {
				return err
			}
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
