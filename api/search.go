package api

import (
	"context"
	"net/http"
	"time"

	"careline/chat"
	"careline/internal/search"
)

// SearchQuery asks for messages by their words.
type SearchQuery struct {
	Query  string `json:"query" minLength:"1" maxLength:"2048" doc:"Words, in any form that their language gives them; \"a phrase\"; begin*; like~; filters" example:"passport in:01KAJ3V7Q8S6Z0Y5T1R9W2X4MB after:2026-11-01"`
	Review bool   `json:"review,omitempty" doc:"Also find what messages said before they were edited or deleted; the query is then in the audit"`
	Limit  int    `json:"limit,omitempty" minimum:"1" maximum:"100" doc:"Without: 50" example:"50"`
	Cursor string `json:"cursor,omitempty" maxLength:"1024" doc:"The next_cursor of the page before, with the same query"`
}

// FoundMessage is a message that was found.
type FoundMessage struct {
	Message
	Past *MessageRevision `json:"past,omitempty" doc:"What was found, when that is what the message said before"`
}

// SearchProblem is a part of a query that was left out.
type SearchProblem struct {
	Text   string `json:"text" example:"before:tomorrow"`
	Reason string `json:"reason" example:"that is no date such as 2026-11-21"`
}

// SearchPage is a page of messages that were found, the newest first.
type SearchPage struct {
	Items      []FoundMessage  `json:"items"`
	NextCursor string          `json:"next_cursor,omitempty" doc:"Of the next page; absent after the last"`
	Partial    bool            `json:"partial,omitempty" doc:"There may be more: the index is being built, or there are more conversations than a query looks into"`
	Problems   []SearchProblem `json:"problems,omitempty" doc:"What of the query was left out, and why"`
}

func (a *API) registerSearch() {
	register(a, operation{
		id: "search", method: http.MethodPost, path: "/v1/search", tag: "Messages", need: ChatSearch, private: true, summary: "Find messages",
		about: "In the conversations that one is in, the newest first. A message has to contain all that is asked for. Filters: `from:` (a user_id, or `me`), `in:` (a conversation), `kind:`, " +
			"`lang:`, `incident:`, `before:` and `after:` (a year, month, day, in UTC, or RFC 3339 time), `has:file`; of several of one kind any is enough. Without `in:` the 1,024 conversations that were active last are looked into.",
		errors: []int{http.StatusBadRequest}, request: SearchQuery{Query: "passport in:" + exampleConversation.ID}, response: SearchPage{Items: []FoundMessage{{Message: exampleMessage}}},
	}, a.search)
}

func (a *API) search(ctx context.Context, in *body[SearchQuery]) (*body[SearchPage], error) {
	q := search.Query{Expression: search.Parse(in.Body.Query, time.UTC), Limit: in.Body.Limit, Cursor: in.Body.Cursor}
	found, err := a.chats.Search(ctx, chatCallerOf(ctx), a.index, q, in.Body.Review)
	if err != nil {
		return nil, err
	}
	out := SearchPage{Items: make([]FoundMessage, 0, len(found.Items)), NextCursor: found.Cursor, Partial: found.Partial}
	for i := range found.Items {
		out.Items = append(out.Items, viewFound(&found.Items[i]))
	}
	for _, p := range q.Problems {
		out.Problems = append(out.Problems, SearchProblem(p))
	}
	return &body[SearchPage]{out}, nil
}

func viewFound(m *chat.FoundMessage) FoundMessage {
	f := FoundMessage{Message: viewMessage(&m.MessageView)}
	if m.Past != nil {
		past := viewRevision(m.Past)
		f.Past = &past
	}
	return f
}
