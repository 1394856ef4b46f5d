package api

import (
	"context"
	"net/http"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/internal/webhook"
)

// WebhookAdmin is the right to say who is told of everything.
var WebhookAdmin = Permission{Name: "webhook:admin", About: "Grant roomCreate.", grant: func(g *lkauth.VideoGrant) bool { return g.RoomCreate }}

// Webhook is a receiver of events.
type Webhook struct {
	ID           string     `json:"id" example:"wh-4zq6mzkq3xkq2ilv5cyrbqtj7a"`
	URL          string     `json:"url" example:"https://desk.example/hooks/careline"`
	Description  string     `json:"description,omitempty" example:"Desk"`
	Types        []string   `json:"types,omitempty" doc:"Of events; without: all" example:"[\"message.*\",\"conversation.closed\"]"`
	Enabled      bool       `json:"enabled" example:"true"`
	Reason       string     `json:"disabled_reason,omitempty" doc:"Why the server disabled it"`
	FailingSince *time.Time `json:"failing_since,omitempty" doc:"The first attempt that failed since the last that did not"`
	CreatedAt    time.Time  `json:"created_at" example:"2026-11-21T08:00:00Z"`
	UpdatedAt    time.Time  `json:"updated_at" example:"2026-11-21T08:00:00Z"`
}

// NewWebhook is what a webhook is made from.
type NewWebhook struct {
	URL         string   `json:"url" minLength:"8" maxLength:"2048" doc:"https or http. It may not lead to loopback, private, link-local and the like, unless the configuration's webhooks.allowed_networks says so" example:"https://desk.example/hooks/careline"`
	Description string   `json:"description,omitempty" maxLength:"200" example:"Desk"`
	Types       []string `json:"types,omitempty" maxItems:"100" doc:"Of events it is told of: a name, or all names with a beginning, as message.*; without: all"`
}

// WebhookSecret is a webhook with its secret, which is not shown again.
type WebhookSecret struct {
	Webhook Webhook `json:"webhook"`
	Secret  string  `json:"secret" doc:"Key of the signatures, for libraries of Standard Webhooks" example:"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`
}

// WebhookChange is what can be changed of a webhook.
type WebhookChange struct {
	URL         *string   `json:"url,omitempty" minLength:"8" maxLength:"2048"`
	Description *string   `json:"description,omitempty" maxLength:"200"`
	Types       *[]string `json:"types,omitempty" maxItems:"100" doc:"Replaces all; an empty list: all events"`
	Enabled     *bool     `json:"enabled,omitempty" example:"true"`
}

// WebhookList is all webhooks.
type WebhookList struct {
	Items []Webhook `json:"items"`
}

// Delivery is what became of an event for a webhook.
type Delivery struct {
	ID         string    `json:"id" example:"dlv-q2ilv5cyrbqtj7a4zq6mzkq3xk"`
	EventID    string    `json:"event_id" doc:"The header webhook-id: the same in all attempts and replays" example:"msg-tj7a4zq6mzkq3xkq2ilv5cyrbq"`
	Type       string    `json:"type" example:"message.created"`
	At         time.Time `json:"at" doc:"Of the event" example:"2026-11-21T08:00:00Z"`
	Status     string    `json:"status" enum:"retrying,delivered,failed" doc:"failed: given up" example:"delivered"`
	Attempts   int       `json:"attempts" example:"1"`
	LastAt     time.Time `json:"last_at" doc:"Of the last attempt" example:"2026-11-21T08:00:00Z"`
	StatusCode int       `json:"status_code,omitempty" doc:"Of the last answer" example:"200"`
	Error      string    `json:"error,omitempty" doc:"Of the last attempt"`
}

// DeliveryList is a page of deliveries.
type DeliveryList struct {
	Items      []Delivery `json:"items"`
	NextCursor string     `json:"next_cursor,omitempty" doc:"Give it as cursor for the next page; absent at the end"`
}

// Dispatched names a delivery that was begun.
type Dispatched struct {
	DeliveryID string `json:"delivery_id" doc:"It is among the deliveries after its first attempt" example:"dlv-q2ilv5cyrbqtj7a4zq6mzkq3xk"`
}

// WebhookPath is the path of what belongs to a webhook.
type WebhookPath struct {
	WebhookID string `path:"webhookId" maxLength:"64" doc:"The webhook's id" example:"wh-4zq6mzkq3xkq2ilv5cyrbqtj7a"`
}

func viewHook(h *webhook.Hook) Webhook {
	v := Webhook{
		ID: h.ID, URL: h.URL, Description: h.Description, Types: h.Types, Enabled: h.Enabled, Reason: h.Reason, CreatedAt: h.CreatedAt, UpdatedAt: h.UpdatedAt,
	}
	if !h.FailingSince.IsZero() {
		v.FailingSince = &h.FailingSince
	}
	return v
}

func (a *API) registerWebhooks() {
	missing := []int{http.StatusNotFound}
	hook := Webhook{
		ID: "wh-4zq6mzkq3xkq2ilv5cyrbqtj7a", URL: "https://desk.example/hooks/careline", Description: "Desk", Types: []string{"message.*", "conversation.closed"},
		Enabled: true, CreatedAt: exampleTime, UpdatedAt: exampleTime,
	}
	shown := WebhookSecret{hook, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	dispatched := Dispatched{"dlv-q2ilv5cyrbqtj7a4zq6mzkq3xk"}
	yes := true
	register(a, operation{
		id: "createWebhook", method: http.MethodPost, path: "/v1/webhooks", tag: "Webhooks", need: WebhookAdmin, status: http.StatusCreated, private: true,
		summary: "Register a receiver of events", errors: []int{http.StatusTooManyRequests},
		about:   "It is told of what happens from now on: POSTs with the headers webhook-id, webhook-timestamp and webhook-signature of Standard Webhooks, in order for each conversation, at least once.",
		request: NewWebhook{hook.URL, hook.Description, hook.Types}, response: shown,
	}, a.createWebhook)
	register(a, operation{
		id: "listWebhooks", method: http.MethodGet, path: "/v1/webhooks", tag: "Webhooks", need: WebhookAdmin, summary: "List receivers",
		response: WebhookList{[]Webhook{hook}},
	}, a.listWebhooks)
	register(a, operation{
		id: "getWebhook", method: http.MethodGet, path: "/v1/webhooks/{webhookId}", tag: "Webhooks", need: WebhookAdmin, summary: "Read a receiver",
		errors: missing, response: hook,
	}, a.getWebhook)
	register(a, operation{
		id: "changeWebhook", method: http.MethodPatch, path: "/v1/webhooks/{webhookId}", tag: "Webhooks", need: WebhookAdmin, summary: "Change a receiver",
		about:  "What is not given stays. One that is enabled again gets what waited for it, and not what happened while it was disabled.",
		errors: missing, request: WebhookChange{Enabled: &yes}, response: hook,
	}, a.changeWebhook)
	register(a, operation{
		id: "deleteWebhook", method: http.MethodDelete, path: "/v1/webhooks/{webhookId}", tag: "Webhooks", need: WebhookAdmin, summary: "Remove a receiver",
		about: "With its deliveries and what waits for it.", errors: missing,
	}, a.deleteWebhook)
	register(a, operation{
		id: "rotateWebhookSecret", method: http.MethodPost, path: "/v1/webhooks/{webhookId}/rotate-secret", tag: "Webhooks", need: WebhookAdmin, private: true,
		summary: "Give a receiver a new secret", about: "For 24 hours everything is signed by both.", errors: missing, response: shown,
	}, a.rotateWebhookSecret)
	register(a, operation{
		id: "testWebhook", method: http.MethodPost, path: "/v1/webhooks/{webhookId}/test", tag: "Webhooks", need: WebhookAdmin, status: http.StatusAccepted,
		summary: "Send a receiver an event of type webhook.test", errors: append(missing, http.StatusConflict, http.StatusTooManyRequests), response: dispatched,
	}, a.testWebhook)
	register(a, operation{
		id: "listDeliveries", method: http.MethodGet, path: "/v1/webhooks/{webhookId}/deliveries", tag: "Webhooks", need: WebhookAdmin,
		summary: "List what became of events", about: "Newest first; the last thousand that were tried are remembered.", errors: missing,
		response: DeliveryList{Items: []Delivery{{
			ID: dispatched.DeliveryID, EventID: "msg-tj7a4zq6mzkq3xkq2ilv5cyrbq", Type: "message.created", At: exampleTime, Status: webhook.Delivered,
			Attempts: 1, LastAt: exampleTime, StatusCode: http.StatusOK}}},
	}, a.listDeliveries)
	register(a, operation{
		id: "replayDelivery", method: http.MethodPost, path: "/v1/webhooks/{webhookId}/deliveries/{deliveryId}/replay", tag: "Webhooks", need: WebhookAdmin,
		status: http.StatusAccepted, summary: "Send an event again", about: "Outside the order, under the same webhook-id.",
		errors: append(missing, http.StatusConflict, http.StatusTooManyRequests), response: dispatched,
	}, a.replayDelivery)
}

func (a *API) createWebhook(ctx context.Context, in *body[NewWebhook]) (*body[WebhookSecret], error) {
	h, secret, err := a.hooks.Create(ctx, in.Body.URL, in.Body.Description, in.Body.Types)
	return shownSecret(&h, secret, err)
}

func shownSecret(h *webhook.Hook, secret string, err error) (*body[WebhookSecret], error) {
	if err != nil {
		return nil, err
	}
	return &body[WebhookSecret]{WebhookSecret{viewHook(h), secret}}, nil
}

func shownHook(h *webhook.Hook, err error) (*body[Webhook], error) {
	if err != nil {
		return nil, err
	}
	return &body[Webhook]{viewHook(h)}, nil
}

func (a *API) listWebhooks(ctx context.Context, _ *empty) (*body[WebhookList], error) {
	list, err := a.hooks.List(ctx)
	out := WebhookList{Items: make([]Webhook, 0, len(list))}
	for i := range list {
		out.Items = append(out.Items, viewHook(&list[i]))
	}
	return &body[WebhookList]{out}, err
}

func (a *API) getWebhook(ctx context.Context, in *WebhookPath) (*body[Webhook], error) {
	h, err := a.hooks.Get(ctx, in.WebhookID)
	return shownHook(&h, err)
}

func (a *API) changeWebhook(ctx context.Context, in *struct {
	WebhookPath
	Body WebhookChange
}) (*body[Webhook], error) {
	c := in.Body
	h, err := a.hooks.Change(ctx, in.WebhookID, webhook.Change{URL: c.URL, Description: c.Description, Types: c.Types, Enabled: c.Enabled})
	return shownHook(&h, err)
}

func (a *API) deleteWebhook(ctx context.Context, in *WebhookPath) (*empty, error) {
	return nil, a.hooks.Delete(ctx, in.WebhookID)
}

func (a *API) rotateWebhookSecret(ctx context.Context, in *WebhookPath) (*body[WebhookSecret], error) {
	h, secret, err := a.hooks.Rotate(ctx, in.WebhookID)
	return shownSecret(&h, secret, err)
}

func (a *API) testWebhook(ctx context.Context, in *WebhookPath) (*body[Dispatched], error) {
	id, err := a.hooks.Test(ctx, in.WebhookID)
	return &body[Dispatched]{Dispatched{id}}, err
}

func (a *API) listDeliveries(ctx context.Context, in *struct {
	WebhookPath
	Status string `query:"status" enum:"retrying,delivered,failed" doc:"Only those of this status"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
	Cursor string `query:"cursor" maxLength:"512"`
}) (*body[DeliveryList], error) {
	before, err := readCursor[uint64](in.Cursor)
	if err != nil {
		return nil, err
	}
	list, err := a.hooks.Deliveries(ctx, in.WebhookID, before, in.Status, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := DeliveryList{Items: make([]Delivery, 0, len(list))}
	for i, d := range list {
		if i == in.Limit {
			out.NextCursor = writeCursor(list[i-1].Number)
			break
		}
		out.Items = append(out.Items, Delivery{
			ID: d.ID, EventID: d.EventID, Type: d.Type, At: d.At, Status: d.Status, Attempts: d.Attempts, LastAt: d.LastAt, StatusCode: d.StatusCode, Error: d.Error,
		})
	}
	return &body[DeliveryList]{out}, nil
}

func (a *API) replayDelivery(ctx context.Context, in *struct {
	WebhookPath
	DeliveryID string `path:"deliveryId" maxLength:"64" doc:"The delivery's id" example:"dlv-q2ilv5cyrbqtj7a4zq6mzkq3xk"`
}) (*body[Dispatched], error) {
	id, err := a.hooks.Replay(ctx, in.WebhookID, in.DeliveryID)
	return &body[Dispatched]{Dispatched{id}}, err
}
