package api

import (
	"net/http"
	"strings"
	"testing"
)

// TestWebhooks walks through the operations: the secret is shown when it is made and never again, and no retry gets it from a cache.
func TestWebhooks(t *testing.T) {
	r := newRig(t)
	token := r.service()
	n := NewWebhook{URL: "https://desk.example/hook", Description: "Desk", Types: []string{"message.*"}}
	made := r.ask(http.MethodPost, "/v1/webhooks", token, n, idempotencyKey, "k")
	var first, second WebhookSecret
	made.into(t, &first)
	if made.status != http.StatusCreated || !strings.HasPrefix(first.Secret, "whsec_") || !first.Webhook.Enabled {
		t.Fatalf("%d %s", made.status, made.body)
	}
	r.ask(http.MethodPost, "/v1/webhooks", token, n, idempotencyKey, "k").into(t, &second)
	if second.Secret == first.Secret {
		t.Error("an answer with a secret was kept")
	}
	at := "/v1/webhooks/" + first.Webhook.ID
	if a := r.ask(http.MethodDelete, "/v1/webhooks/"+second.Webhook.ID, token, nil); a.status != http.StatusNoContent {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/v1/webhooks", at} {
		if a := r.ask(http.MethodGet, path, token, nil); a.status != http.StatusOK || !strings.Contains(string(a.body), first.Webhook.ID) || strings.Contains(string(a.body), "whsec_") {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	var rotated WebhookSecret
	r.ask(http.MethodPost, at+"/rotate-secret", token, nil).into(t, &rotated)
	if rotated.Secret == first.Secret || !strings.HasPrefix(rotated.Secret, "whsec_") {
		t.Errorf("rotated: %+v", rotated)
	}
	no := false
	var changed Webhook
	r.ask(http.MethodPatch, at, token, WebhookChange{Enabled: &no}).into(t, &changed)
	if changed.Enabled || changed.Description != "Desk" || len(changed.Types) != 1 {
		t.Errorf("changed: %+v", changed)
	}
	if p := r.ask(http.MethodPost, at+"/test", token, nil).problem(t); p.Status != http.StatusConflict {
		t.Errorf("test of a disabled one: %+v", p)
	}
	var list DeliveryList
	r.ask(http.MethodGet, at+"/deliveries?status=failed", token, nil).into(t, &list)
	if list.Items == nil || len(list.Items) != 0 {
		t.Errorf("deliveries: %+v", list)
	}
	for _, to := range []string{"http://127.0.0.1/", "http://169.254.169.254/", "http://[fd00::1]/", "ftp://desk.example/", "https://u:p@desk.example/"} {
		p := r.ask(http.MethodPost, "/v1/webhooks", token, NewWebhook{URL: to}).problem(t)
		if p.Status != http.StatusUnprocessableEntity || strings.Contains(p.Detail, "169") {
			t.Errorf("%s: %+v", to, p)
		}
	}
	for _, path := range []string{"/v1/webhooks/wh-none", "/v1/webhooks/wh-none/deliveries"} {
		if p := r.ask(http.MethodGet, path, token, nil).problem(t); p.Status != http.StatusNotFound {
			t.Errorf("%s: %+v", path, p)
		}
	}
	if p := r.ask(http.MethodPost, at+"/deliveries/dlv-none/replay", token, nil).problem(t); p.Status != http.StatusConflict {
		t.Errorf("replay for a disabled one: %+v", p)
	}
}
