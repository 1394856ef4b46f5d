package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"careline/chat"
	"careline/internal/audit"
)

// RetentionRule says how long conversations are kept.
type RetentionRule struct {
	ID        string    `json:"id" example:"01KAJ4A1B2C3D4E5F6G7H8J9KM"`
	Type      chat.Type `json:"type,omitempty" enum:"direct,group,incident,transaction" doc:"Of which conversations; without, of all"`
	Class     string    `json:"class,omitempty" doc:"Of which retention class; without, of all" example:"incidents"`
	Days      int       `json:"days" doc:"After the last activity" example:"365"`
	CreatedAt time.Time `json:"created_at" example:"2026-11-21T08:00:00Z"`
	CreatedBy string    `json:"created_by" example:"operator-7"`
}

// NewRetentionRule is what a rule is made from.
type NewRetentionRule struct {
	Type  chat.Type `json:"type,omitempty" enum:"direct,group,incident,transaction"`
	Class string    `json:"class,omitempty" maxLength:"256" example:"incidents"`
	Days  int       `json:"days" minimum:"1" maximum:"36500" example:"365"`
}

// RetentionRuleList is a page of rules.
type RetentionRuleList struct {
	Items      []RetentionRule `json:"items"`
	NextCursor string          `json:"next_cursor,omitempty"`
}

// LegalHold keeps something as it is.
type LegalHold struct {
	ID             string     `json:"id" example:"01KAJ4A1B2C3D4E5F6G7H8J9KM"`
	ConversationID string     `json:"conversationId,omitempty" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	UserID         string     `json:"user_id,omitempty" doc:"All conversations that the person is or was in"`
	Reason         string     `json:"reason,omitempty" example:"case 17/26"`
	CreatedAt      time.Time  `json:"created_at" example:"2026-11-21T08:00:00Z"`
	CreatedBy      string     `json:"created_by" example:"operator-7"`
	LiftedAt       *time.Time `json:"lifted_at,omitempty"`
	LiftedBy       string     `json:"lifted_by,omitempty"`
}

// NewLegalHold is what a hold is made from: a conversation or a person.
type NewLegalHold struct {
	ConversationID string `json:"conversationId,omitempty" maxLength:"64" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	UserID         string `json:"user_id,omitempty" maxLength:"256"`
	Reason         string `json:"reason,omitempty" maxLength:"200" doc:"Kept in the audit for ever: nothing personal belongs here" example:"case 17/26"`
}

// LegalHoldList is a page of holds.
type LegalHoldList struct {
	Items      []LegalHold `json:"items"`
	NextCursor string      `json:"next_cursor,omitempty"`
}

// EraseRequest is a request to erase what a person wrote.
type EraseRequest struct {
	ID            string     `json:"id" example:"01KAJ4A1B2C3D4E5F6G7H8J9KM"`
	UserID        string     `json:"user_id" example:"traveller-381"`
	Reason        string     `json:"reason,omitempty"`
	State         string     `json:"state" enum:"waiting,done" doc:"waiting: for a legal hold to be lifted" example:"done"`
	CreatedAt     time.Time  `json:"created_at" example:"2026-11-21T08:00:00Z"`
	CreatedBy     string     `json:"created_by" example:"operator-7"`
	DoneAt        *time.Time `json:"done_at,omitempty"`
	Conversations int        `json:"conversations" doc:"In how many something was erased" example:"3"`
}

// NewEraseRequest names the person to erase.
type NewEraseRequest struct {
	UserID string `json:"user_id" minLength:"1" maxLength:"256" example:"traveller-381"`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"Kept in the audit for ever: nothing personal belongs here"`
}

// EraseRequestList is a page of requests.
type EraseRequestList struct {
	Items      []EraseRequest `json:"items"`
	NextCursor string         `json:"next_cursor,omitempty"`
}

// AuditQuery asks for a part of the audit.
type AuditQuery struct {
	After uint64 `json:"after,omitempty" doc:"Records after this position"`
	Limit int    `json:"limit,omitempty" minimum:"1" maximum:"1000" doc:"Without: 100" example:"100"`
}

// AuditRecord is a record of who did what.
type AuditRecord struct {
	Position uint64            `json:"pos" example:"17"`
	At       time.Time         `json:"at" example:"2026-11-21T08:05:00Z"`
	Actor    string            `json:"actor" example:"operator-7"`
	Action   string            `json:"action" example:"message.deleted"`
	Object   string            `json:"object" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB/3"`
	From     string            `json:"from,omitempty" example:"api"`
	Reason   string            `json:"reason,omitempty"`
	Before   []byte            `json:"before,omitempty" doc:"Salted hash of the content that was"`
	After    []byte            `json:"after,omitempty" doc:"Salted hash of the content that is"`
	Detail   map[string]string `json:"detail,omitempty"`
	Previous []byte            `json:"prev" doc:"Hash of the record before" example:"AAAA"`
	Hash     []byte            `json:"hash" example:"AAAA"`
}

// AuditPage is a part of the audit, oldest first.
type AuditPage struct {
	Items []AuditRecord `json:"items"`
}

// AuditVerdict says whether the audit is what was written.
type AuditVerdict struct {
	Whole   bool   `json:"whole" example:"true"`
	Records uint64 `json:"records" doc:"That were read" example:"1204"`
	Problem string `json:"problem,omitempty" doc:"Where it is not"`
}

func (a *API) registerGovernance() {
	rule := RetentionRule{ID: "01KAJ4A1B2C3D4E5F6G7H8J9KM", Class: "incidents", Days: 365, CreatedAt: exampleTime, CreatedBy: "operator-7"}
	hold := LegalHold{ID: rule.ID, ConversationID: exampleConversation.ID, Reason: "case 17/26", CreatedAt: exampleTime, CreatedBy: "operator-7"}
	request := EraseRequest{ID: rule.ID, UserID: "traveller-381", State: "done", CreatedAt: exampleTime, CreatedBy: "operator-7", DoneAt: &exampleTime, Conversations: 3}
	record := AuditRecord{Position: 17, At: exampleTime, Actor: "operator-7", Action: "message.deleted", Object: exampleConversation.ID + "/3", Previous: []byte{0}, Hash: []byte{1}}
	missing := []int{http.StatusNotFound}
	const tag = "Records and their end"
	register(a, operation{
		id: "addRetentionRule", method: http.MethodPost, path: "/v1/retention-rules", tag: tag, need: RetentionAdmin, status: http.StatusCreated, summary: "Say how long conversations are kept",
		about:   "Of the rules for a conversation the one that says most of it counts. What is over is destroyed at night, its keys first; what is held is left alone.",
		request: NewRetentionRule{Class: "incidents", Days: 365}, response: rule,
	}, a.addRetentionRule)
	register(a, operation{
		id: "listRetentionRules", method: http.MethodGet, path: "/v1/retention-rules", tag: tag, need: RetentionAdmin, summary: "List retention rules",
		response: RetentionRuleList{Items: []RetentionRule{rule}},
	}, a.listRetentionRules)
	register(a, operation{
		id: "dropRetentionRule", method: http.MethodDelete, path: "/v1/retention-rules/{ruleId}", tag: tag, need: RetentionAdmin, summary: "Remove a retention rule", errors: missing,
	}, a.dropRetentionRule)
	register(a, operation{
		id: "setLegalHold", method: http.MethodPost, path: "/v1/legal-holds", tag: tag, need: HoldAdmin, status: http.StatusCreated, summary: "Hold a conversation, or a person's conversations",
		about:  "Nothing of it is deleted, destroyed or erased until the hold is lifted.",
		errors: missing, request: NewLegalHold{UserID: "traveller-381", Reason: "case 17/26"}, response: hold,
	}, a.setLegalHold)
	register(a, operation{
		id: "listLegalHolds", method: http.MethodGet, path: "/v1/legal-holds", tag: tag, need: HoldAdmin, summary: "List legal holds", response: LegalHoldList{Items: []LegalHold{hold}},
	}, a.listLegalHolds)
	register(a, operation{
		id: "liftLegalHold", method: http.MethodDelete, path: "/v1/legal-holds/{holdId}", tag: tag, need: HoldAdmin, status: http.StatusOK, summary: "Lift a legal hold", errors: missing, response: hold,
	}, a.liftLegalHold)
	register(a, operation{
		id: "erasePerson", method: http.MethodPost, path: "/v1/erase-requests", tag: tag, need: ChatErase, status: http.StatusCreated, summary: "Erase what a person wrote",
		about: "In every conversation: texts, names, locations, revisions. The keys are destroyed first, so that no copy of the data can be read. Numbers and the audit stay. " +
			"Where a legal hold forbids it the request waits, and the answer is 409.",
		errors: []int{http.StatusConflict}, request: NewEraseRequest{UserID: "traveller-381"}, response: request,
	}, a.erasePerson)
	register(a, operation{
		id: "listEraseRequests", method: http.MethodGet, path: "/v1/erase-requests", tag: tag, need: ChatErase, summary: "List requests to erase",
		response: EraseRequestList{Items: []EraseRequest{request}},
	}, a.listEraseRequests)
	register(a, operation{
		id: "viewAudit", method: http.MethodPost, path: "/v1/audit/view", tag: tag, need: AuditRead, private: true, summary: "Read the audit", about: "That it was read is in it.",
		request: AuditQuery{Limit: 100}, response: AuditPage{[]AuditRecord{record}},
	}, a.viewAudit)
	register(a, operation{
		id: "exportAudit", method: http.MethodGet, path: "/v1/audit/export", tag: tag, need: AuditRead, summary: "Export the audit",
		about: "All records as JSON lines, and last the head of the chain with an Ed25519 signature by the server's key: `careline verify audit --file` finds whether one was changed, " +
			"removed, moved or cut off, without the server. That it was exported is in it.",
	}, a.exportAudit)
	a.huma.OpenAPI().Paths["/v1/audit/export"].Get.Responses["200"].Content = map[string]*huma.MediaType{linesType: {}}
	register(a, operation{
		id: "verifyAudit", method: http.MethodGet, path: "/v1/audit/verify", tag: tag, need: AuditRead, summary: "Check that the audit is what was written",
		about: "The whole chain is read and compared with its anchors.", response: AuditVerdict{Whole: true, Records: 1204},
	}, a.verifyAudit)
}

// Paging is how a list goes on.
type Paging struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
	Cursor string `query:"cursor" maxLength:"512"`
}

// pageOf cuts a list that has one row too many when there is more.
func pageOf[V, O any](list []V, limit int, id func(*V) string, view func(*V) O) (items []O, next string) {
	items = make([]O, 0, len(list))
	for i := range list {
		if i == limit {
			return items, writeCursor(id(&list[i-1]))
		}
		items = append(items, view(&list[i]))
	}
	return items, ""
}

func viewRule(r *chat.Rule) RetentionRule {
	return RetentionRule{r.ID, r.Type, r.Class, r.Days, r.At, r.By}
}

func viewHold(h *chat.Hold) LegalHold {
	return LegalHold{h.ID, h.Conversation, h.Principal, h.Reason, h.At, h.By, orNil(h.LiftedAt), h.LiftedBy}
}

func viewErasure(e *chat.Erasure) EraseRequest {
	return EraseRequest{e.ID, e.Principal, e.Reason, e.State, e.At, e.By, orNil(e.DoneAt), e.Conversations}
}

func (a *API) addRetentionRule(ctx context.Context, in *body[NewRetentionRule]) (*body[RetentionRule], error) {
	r, err := a.chats.SetRule(ctx, chatCallerOf(ctx), chat.Rule{Type: in.Body.Type, Class: in.Body.Class, Days: in.Body.Days})
	if err != nil {
		return nil, err
	}
	return &body[RetentionRule]{viewRule(&r)}, nil
}

func (a *API) listRetentionRules(ctx context.Context, in *Paging) (*body[RetentionRuleList], error) {
	after, err := readCursor[string](in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := a.chats.Rules(ctx, chatCallerOf(ctx), after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out RetentionRuleList
	out.Items, out.NextCursor = pageOf(list, in.Limit, func(r *chat.Rule) string { return r.ID }, viewRule)
	return &body[RetentionRuleList]{out}, nil
}

func (a *API) dropRetentionRule(ctx context.Context, in *struct {
	RuleID string `path:"ruleId" maxLength:"64" doc:"The rule's id" example:"01KAJ4A1B2C3D4E5F6G7H8J9KM"`
}) (*empty, error) {
	return nil, a.chats.DropRule(ctx, chatCallerOf(ctx), in.RuleID)
}

func (a *API) setLegalHold(ctx context.Context, in *body[NewLegalHold]) (*body[LegalHold], error) {
	h, err := a.chats.SetHold(ctx, chatCallerOf(ctx), chat.Hold{Conversation: in.Body.ConversationID, Principal: in.Body.UserID, Reason: in.Body.Reason})
	return shownHold(&h, err)
}

func shownHold(h *chat.Hold, err error) (*body[LegalHold], error) {
	if err != nil {
		return nil, err
	}
	return &body[LegalHold]{viewHold(h)}, nil
}

func (a *API) listLegalHolds(ctx context.Context, in *Paging) (*body[LegalHoldList], error) {
	after, err := readCursor[string](in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := a.chats.Holds(ctx, chatCallerOf(ctx), after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out LegalHoldList
	out.Items, out.NextCursor = pageOf(list, in.Limit, func(h *chat.Hold) string { return h.ID }, viewHold)
	return &body[LegalHoldList]{out}, nil
}

func (a *API) liftLegalHold(ctx context.Context, in *struct {
	HoldID string `path:"holdId" maxLength:"64" doc:"The hold's id" example:"01KAJ4A1B2C3D4E5F6G7H8J9KM"`
}) (*body[LegalHold], error) {
	h, err := a.chats.LiftHold(ctx, chatCallerOf(ctx), in.HoldID)
	return shownHold(&h, err)
}

func (a *API) erasePerson(ctx context.Context, in *body[NewEraseRequest]) (*body[EraseRequest], error) {
	e, err := a.chats.Erase(ctx, chatCallerOf(ctx), in.Body.UserID, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &body[EraseRequest]{viewErasure(&e)}, nil
}

func (a *API) listEraseRequests(ctx context.Context, in *Paging) (*body[EraseRequestList], error) {
	after, err := readCursor[string](in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := a.chats.Erasures(ctx, chatCallerOf(ctx), after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	var out EraseRequestList
	out.Items, out.NextCursor = pageOf(list, in.Limit, func(e *chat.Erasure) string { return e.ID }, viewErasure)
	return &body[EraseRequestList]{out}, nil
}

func (a *API) viewAudit(ctx context.Context, in *body[AuditQuery]) (*body[AuditPage], error) {
	limit := in.Body.Limit
	if limit == 0 {
		limit = 100
	}
	list, err := a.chats.Audit(ctx, chatCallerOf(ctx), in.Body.After, limit)
	if err != nil {
		return nil, err
	}
	out := AuditPage{Items: make([]AuditRecord, 0, len(list))}
	for _, r := range list {
		out.Items = append(out.Items, viewRecord(&r))
	}
	return &body[AuditPage]{out}, nil
}

// linesType is the type of JSON in lines.
const linesType = "application/jsonl"

func (a *API) exportAudit(ctx context.Context, _ *empty) (*huma.StreamResponse, error) {
	write, err := a.chats.ExportAudit(ctx, chatCallerOf(ctx))
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		var e exchange
		_ = e.Resolve(hctx) // never fails
		_, w := humago.Unwrap(hctx)
		w.Header().Set("Content-Type", linesType)
		w.Header().Set("Content-Disposition", `attachment; filename="audit.jsonl"`)
		if err := write(e.request.Context(), &patient{w, e.control}); err != nil && e.request.Context().Err() == nil {
			a.log.Error("export the audit", "error", err) // what was sent has no end, so nobody takes it for whole
		}
	}}, nil
}

// patient gives a client time for each piece of a long answer.
type patient struct {
	to      io.Writer
	control *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.to.Write(b)
}

func viewRecord(r *audit.Record) AuditRecord {
	return AuditRecord{r.Pos, r.At, r.Actor, r.Action, r.Object, r.From, r.Reason, r.Before, r.After, r.Detail, r.Prev, r.Hash}
}

func (a *API) verifyAudit(ctx context.Context, _ *empty) (*body[AuditVerdict], error) {
	n, broken, err := a.chats.VerifyAudit(ctx, chatCallerOf(ctx))
	if err != nil {
		return nil, err
	}
	out := AuditVerdict{Whole: broken == nil, Records: n}
	if broken != nil {
		out.Problem = broken.Error()
	}
	return &body[AuditVerdict]{out}, nil
}
