package server_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
)

// TestRegisteredWebhook registers a receiver with a running server and tries it.
func TestRegisteredWebhook(t *testing.T) {
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- r.Header.Get("webhook-signature") + " " + string(b)
	}))
	defer receiver.Close()
	s := start(t, development(t, "CARELINE_WEBHOOKS_ALLOWED_NETWORKS=127.0.0.0/8"))
	headers := []string{"Authorization: Bearer " + tokenFor(t, "", &lkauth.VideoGrant{RoomCreate: true}), "Content-Type: application/json"}
	res, body := ask(t, "POST", s.URL()+"/v1/webhooks", `{"url":"`+receiver.URL+`"}`, headers...)
	var made struct{ Webhook struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &made); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s %v", res.StatusCode, body, err)
	}
	if res, body := ask(t, "POST", s.URL()+"/v1/webhooks/"+made.Webhook.ID+"/test", "", headers...); res.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	select {
	case text := <-got:
		if !strings.HasPrefix(text, "v1,") || !strings.Contains(text, `"type":"webhook.test"`) {
			t.Errorf("got %s", text)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
}
