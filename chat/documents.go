package chat

import (
	"context"
	"strconv"
	"strings"
	"time"

	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/search"
	"careline/internal/store"
)

// access is the token of a conversation's documents: who is in a conversation may find what is in it.
func access(conversation string) string { return "c:" + conversation }

// Documents tells the search index what an event changes, as the store says now.
func (s *Service) Documents(ctx context.Context, e event.Event, change func(search.Change) error) error {
	switch e.Type {
	case MessageCreated, MessageUpdated, MessageDeleted:
		data, err := event.Decode[MessageEvent](&e)
		if err != nil {
			return err
		}
		found := false
		err = s.documents(ctx, e.Stream, data.Seq, func(d search.Document) error {
			found = found || !d.Deleted
			return change(search.Change{Put: &d})
		})
		if err == nil && !found {
			err = change(search.Change{Delete: data.ID})
		}
		return err
	case ConversationLinked: // each document names the incidents
		return s.documentsOf(ctx, e.Stream, func(d search.Document) error { return change(search.Change{Put: &d}) })
	case MessageErased:
		data, err := event.Decode[ErasedEvent](&e)
		if err != nil {
			return err
		}
		return change(search.Change{Erase: &search.Selection{From: data.Sender}})
	case ConversationDeleted:
		return change(search.Change{Erase: &search.Selection{Stream: e.Stream}})
	}
	return nil
}

// documents puts a message as it is found: what it says now, unless it is deleted, and what it said before, which only reviews find. Of what
// was erased, and of system messages, there is nothing.
func (s *Service) documents(ctx context.Context, conversation string, seq uint64, put func(search.Document) error) error {
	var m Message
	var c Conversation
	var before []Revision
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		before = nil
		if c, err = live(tx, conversation); err != nil {
			return err
		}
		if m, err = messages.Get(tx, at{First: conversation, Second: seq}); err != nil || m.EditNo == 0 && m.DeletedAt.IsZero() {
			return err
		}
		for _, r := range revisions.Scan(tx, store.Range[at]{In: numbered.Of(m.ID)}) {
			before = append(before, r)
		}
		return nil
	})
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil || m.Kind == SystemKd {
		return err
	}
	keys := s.keyring()
	if m.DeletedAt.IsZero() {
		v := MessageView{Message: m}
		if err := keys.reveal(ctx, &v); err != nil || v.Erased {
			return err
		}
		if err := put(documentOf(&c, &v, m.ID)); err != nil {
			return err
		}
	}
	for i := range before {
		v := before[i].as(&m)
		if err := keys.reveal(ctx, &v); err != nil || v.Erased {
			return err
		}
		d := documentOf(&c, &v, revisionID(m.ID, before[i].EditNo))
		d.Deleted = true
		if err := put(d); err != nil {
			return err
		}
	}
	return nil
}

// as is the message that a revision was.
func (r *Revision) as(m *Message) MessageView {
	v := MessageView{Message: *m}
	v.EditNo, v.Fixes, v.Box, v.DeletedAt = r.EditNo, r.Fixes, r.Box, time.Time{}
	return v
}

// revisionID names the document of a revision; readRevisionID is the way back.
func revisionID(message string, editNo uint64) string {
	return message + "/" + strconv.FormatUint(editNo, 10)
}

func readRevisionID(id string) (message string, editNo uint64, ok bool) {
	message, number, ok := strings.Cut(id, "/")
	editNo, err := strconv.ParseUint(number, 10, 64)
	return message, editNo, ok && err == nil
}

func documentOf(c *Conversation, m *MessageView, id string) search.Document {
	d := search.Document{
		ID: id, Kind: string(m.Kind), Stream: m.Conversation, Access: []string{access(m.Conversation)}, From: m.Sender, At: m.At, Seq: m.Seq, Lang: m.Lang, Text: m.Text,
	}
	names := make([]string, 0, len(m.Content.Attachments))
	for _, a := range m.Content.Attachments {
		names = append(names, a.Name)
	}
	d.FileName = strings.Join(names, " ")
	for _, l := range c.Links {
		if l.Type == IncidentLink {
			d.Incidents = append(d.Incidents, l.ID)
		}
	}
	return d
}

// AllDocuments puts everything that is to be found, for an index that is built anew.
func (s *Service) AllDocuments(ctx context.Context, put func(search.Document) error) error {
	for after := ""; ; {
		list, err := rows(ctx, s, conversations, after, destroyBatch)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, c := range list {
			if after = c.ID; c.Status == Deleted {
				continue
			}
			if err := s.documentsOf(ctx, c.ID, put); err != nil {
				return err
			}
		}
	}
}

// documentsOf puts what is to be found of a conversation.
func (s *Service) documentsOf(ctx context.Context, conversation string, put func(search.Document) error) error {
	var h Head
	if err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) { h, err = head(tx, conversation); return err }); err != nil {
		return err
	}
	for seq := uint64(1); seq <= h.LastSeq; seq++ {
		switch err := s.documents(ctx, conversation, seq, put); {
		case unreadable(err): // the others are to be found
			s.cfg.Logger.Error("a message is left out of the search index", "message", object(conversation, seq), "error", err)
		case err != nil:
			return err
		}
	}
	return nil
}
