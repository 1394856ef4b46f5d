package chat

import (
	"context"
	"slices"
	"strings"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/search"
	"careline/internal/store"
)

// maxSearched bounds the conversations that one query looks into: those that were active last. It is what the index takes.
const maxSearched = search.MostAccess

// Index is what finds messages; *search.Index does.
type Index interface {
	Query(ctx context.Context, q search.Query) (search.Page, error)
}

// FoundMessage is a message that was found.
type FoundMessage struct {
	MessageView
	Past *RevisionView // what was found is what the message said before; of reviews only
}

// Found is a page of messages that were found, the newest first.
type Found struct {
	Items   []FoundMessage
	Cursor  string // of the next page; empty after the last
	Partial bool   // there may be more: the index is being built, or the caller is in more conversations than a query looks into
}

// Search finds messages in conversations that the caller is in. The index narrows down, the store decides: each hit is read with the caller's
// rights. In from: the word me is the caller.
//
// A review, which needs AuditSearch, also finds what messages said before they were edited or deleted. That it was made is in the audit with
// the query, before anything is answered.
func (s *Service) Search(ctx context.Context, caller *Caller, index Index, q search.Query, review bool) (Found, error) {
	need := Search
	if review {
		need = AuditSearch
	}
	if err := caller.needs(need); err != nil {
		return Found{}, err
	}
	if q.Empty() {
		return Found{}, search.ErrNoQuery
	}
	for i, from := range q.From {
		if from == "me" {
			q.From[i] = caller.Principal
		}
	}
	if review {
		if err := s.update(ctx, func(tx *store.Tx) error {
			_, err := s.cfg.Chain.Append(tx, audit.Entry{
				Actor: caller.Principal, Action: "messages.reviewed", Object: "messages", From: caller.From, Detail: map[string]string{"query": q.String()},
			})
			return err
		}); err != nil {
			return Found{}, err
		}
	}
	var cut bool
	err := s.cfg.Log.View(ctx, func(tx *store.Tx) (err error) {
		q.Access, cut, err = s.searchable(tx, caller, q.In)
		return err
	})
	if err != nil || len(q.Access) == 0 {
		return Found{}, err
	}
	shown := make(map[string]FoundMessage)
	q.Past = review
	q.Visible = func(ctx context.Context, hits []search.Hit) ([]search.Hit, error) {
		return s.visible(ctx, caller, hits, review, shown)
	}
	page, err := index.Query(ctx, q)
	if err != nil {
		return Found{}, err
	}
	out := Found{Cursor: page.Cursor, Partial: page.Partial || cut}
	for _, h := range page.Hits {
		out.Items = append(out.Items, shown[h.ID])
	}
	return out, nil
}

// searchable returns the tokens of the conversations that a caller may look into: those of some, or those that were active last. cut: there
// are more.
func (s *Service) searchable(tx *store.Tx, caller *Caller, in []string) (tokens []string, cut bool, err error) {
	if caller.Only != "" {
		if len(in) > 0 && !slices.Contains(in, caller.Only) {
			return nil, false, nil
		}
		in = []string{caller.Only}
	}
	for _, conversation := range in {
		there, err := participants.Has(tx, of{First: conversation, Second: caller.Principal})
		if err != nil {
			return nil, false, err
		}
		if there {
			tokens = append(tokens, access(conversation))
		}
	}
	if len(in) > 0 {
		return tokens, false, nil
	}
	for _, key := range byWhom.Keys(tx, store.Range[seen]{In: seenKey.Of(caller.Principal)}) {
		if key.Second != caller.Principal { // an organisation of this name
			continue
		}
		if len(tokens) == maxSearched {
			return tokens, true, nil
		}
		tokens = append(tokens, access(key.First))
	}
	return tokens, false, nil
}

// visible returns the hits that a caller may see, as the store says now, and puts what they are into shown.
func (s *Service) visible(ctx context.Context, caller *Caller, hits []search.Hit, review bool, shown map[string]FoundMessage) (kept []search.Hit, err error) {
	byConversation := make(map[string][]search.Hit)
	for _, h := range hits {
		byConversation[h.Stream] = append(byConversation[h.Stream], h)
	}
	found := make(map[string]FoundMessage, len(hits))
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		clear(found)
		for conversation, list := range byConversation {
			if err := s.findIn(tx, caller, conversation, list, review, found); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	keys := s.keyring()
	for _, h := range hits {
		m, ok := found[h.ID]
		if !ok {
			continue
		}
		if m.Past != nil {
			past := m.Past.as(&m.Message)
			if err := keys.reveal(ctx, &past); err != nil {
				return nil, err
			}
			m.Past.Content, m.Past.Erased = past.Content, past.Erased
		}
		if err := keys.reveal(ctx, &m.MessageView); err != nil {
			return nil, err
		}
		if m.Past != nil && m.Past.Erased || m.Past == nil && m.MessageView.Erased {
			continue
		}
		shown[h.ID] = m
		kept = append(kept, h)
	}
	return kept, nil
}

// findIn reads the hits in a conversation that a caller may see, sealed as they are.
func (s *Service) findIn(tx *store.Tx, caller *Caller, conversation string, hits []search.Hit, review bool, found map[string]FoundMessage) error {
	_, me, err := member(tx, conversation, caller.Principal)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var items []MessageView
	var kept []search.Hit
	for _, h := range hits {
		m, err := messages.Get(tx, at{First: conversation, Second: h.Seq})
		if errs.Is(err, errs.NotFound) || err == nil && m.Seq < me.first() {
			continue
		}
		if err != nil {
			return err
		}
		if m.ID == h.ID && m.DeletedAt.IsZero() || review && strings.HasPrefix(h.ID, m.ID+"/") {
			items, kept = append(items, MessageView{Message: m}), append(kept, h)
		}
	}
	if err := s.count(tx, conversation, items); err != nil {
		return err
	}
	for i, h := range kept {
		f := FoundMessage{MessageView: items[i]}
		if id, editNo, ok := readRevisionID(h.ID); ok {
			r, err := revisions.Get(tx, at{First: id, Second: editNo})
			if errs.Is(err, errs.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			f.Past = &RevisionView{Revision: r}
		}
		found[h.ID] = f
	}
	return nil
}
