package chat

import (
	"context"
	"fmt"
	"strings"

	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/search"
	"careline/internal/store"
)

// access is the token of a conversation's documents: who is in a conversation may find what is in it.
func access(conversation string) string { return "c:" + conversation }

// maxSearched bounds the conversations that one query looks into: those that were active last.
const maxSearched = 5000

// Documents tells the search index what an event changes, as the store says now.
func (s *Service) Documents(ctx context.Context, e event.Event, change func(search.Change) error) error {
	switch e.Type {
	case MessageCreated, MessageUpdated, MessageDeleted:
		data, err := event.Decode[MessageEvent](&e)
		if err != nil {
			return err
		}
		d, err := s.document(ctx, e.Stream, data.Seq)
		if err != nil {
			return err
		}
		if d == nil {
			return change(search.Change{Delete: data.ID})
		}
		return change(search.Change{Put: d})
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

// document returns a message as it is found; nil when it is not to be found.
func (s *Service) document(ctx context.Context, conversation string, seq uint64) (*search.Document, error) {
	var m MessageView
	var c Conversation
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = live(tx, conversation); err == nil {
			m.Message, err = messages.Get(tx, at{First: conversation, Second: seq})
		}
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err == nil {
		err = s.keyring().reveal(ctx, &m)
	}
	if err != nil || m.Kind == SystemKd || m.Erased || !m.DeletedAt.IsZero() {
		return nil, err
	}
	d := &search.Document{
		ID: m.ID, Kind: string(m.Kind), Stream: conversation, Access: []string{access(conversation)}, From: m.Sender, At: m.At, Seq: m.Seq, Lang: m.Lang, Text: m.Text,
	}
	names := make([]string, 0, len(m.Content.Attachments))
	for _, a := range m.Content.Attachments {
		names = append(names, a.Name)
	}
	d.FileName = strings.Join(names, " ")
	for _, l := range c.Links {
		if l.Type == IncidentLink {
			d.Incident = l.ID
			break
		}
	}
	return d, nil
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
			var h Head
			if err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) { h, err = head(tx, c.ID); return err }); err != nil {
				return err
			}
			for seq := uint64(1); seq <= h.LastSeq; seq++ {
				d, err := s.document(ctx, c.ID, seq)
				if err == nil && d != nil {
					err = put(*d)
				}
				if err != nil {
					return err
				}
			}
		}
	}
}

// Index is what finds messages; *search.Index does.
type Index interface {
	Query(ctx context.Context, q search.Query) (search.Page, error)
}

// Found is a page of messages that were found, the newest first.
type Found struct {
	Items   []MessageView
	Cursor  string // of the next page; empty after the last
	Partial bool   // the index is being built: there may be more
}

// Search finds messages in conversations that the caller is in. The index narrows down, the store decides: each hit is read with the caller's
// rights.
func (s *Service) Search(ctx context.Context, caller *Caller, index Index, q search.Query) (Found, error) {
	if err := caller.needs(Search); err != nil {
		return Found{}, err
	}
	q.Access, q.Past = nil, false
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		for _, key := range byWhom.Keys(tx, store.Range[seen]{In: seenKey.Of(caller.Principal), Limit: maxSearched}) {
			if key.Second == caller.Principal && (caller.Only == "" || caller.Only == key.First) {
				q.Access = append(q.Access, access(key.First))
			}
		}
		return nil
	})
	if err != nil || len(q.Access) == 0 {
		return Found{}, err
	}
	reader := &Caller{Principal: caller.Principal, Permissions: []Permission{Read}, Only: caller.Only}
	seenNow := make(map[string]MessageView)
	q.Visible = func(ctx context.Context, hits []search.Hit) ([]search.Hit, error) {
		var kept []search.Hit
		for _, h := range hits {
			m, err := s.Message(ctx, reader, h.Stream, h.Seq)
			switch {
			case errs.Is(err, errs.NotFound):
				continue
			case err != nil:
				return nil, fmt.Errorf("read what was found: %w", err)
			case m.ID == h.ID && m.DeletedAt.IsZero() && !m.Erased:
				seenNow[h.ID] = m
				kept = append(kept, h)
			}
		}
		return kept, nil
	}
	page, err := index.Query(ctx, q)
	if err != nil {
		return Found{}, err
	}
	out := Found{Cursor: page.Cursor, Partial: page.Partial}
	for _, h := range page.Hits {
		out.Items = append(out.Items, seenNow[h.ID])
	}
	return out, nil
}
