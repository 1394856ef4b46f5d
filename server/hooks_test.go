package server_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
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

// TestCallsAreToldToWebhooks: what happens to a call that rings comes to a receiver, signed as Standard Webhooks says, in order.
func TestCallsAreToldToWebhooks(t *testing.T) {
	type request struct {
		id, at, signature string
		body              []byte
	}
	got := make(chan request, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- request{r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), r.Header.Get("webhook-signature"), b}
	}))
	defer receiver.Close()
	s := start(t, development(t, "CARELINE_WEBHOOKS_ALLOWED_NETWORKS=127.0.0.0/8"))
	headers := []string{"Authorization: Bearer " + tokenFor(t, "desk", &lkauth.VideoGrant{RoomCreate: true}), "Content-Type: application/json"}
	res, body := ask(t, "POST", s.URL()+"/v1/webhooks", `{"url":"`+receiver.URL+`","types":["call.*"]}`, headers...)
	var made struct{ Secret string }
	if err := json.Unmarshal([]byte(body), &made); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s %v", res.StatusCode, body, err)
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(made.Secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	res, body = ask(t, "POST", s.URL()+"/v1/calls", `{"kind":"conference","ring":60,"participants":[{"identity":"desk","role":"host"},{"identity":"bob"}]}`, headers...)
	var called struct{ Call struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &called); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s %v", res.StatusCode, body, err)
	}
	if res, body := ask(t, "POST", s.URL()+"/v1/calls/"+called.Call.ID+"/cancel", "", headers...); res.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	for _, want := range []string{"call.ringing", "call.cancelled", "call.ended"} {
		var r request
		select {
		case r = <-got:
		case <-time.After(time.Minute):
			t.Fatalf("%s does not come", want)
		}
		mac := hmac.New(sha256.New, secret)
		_, _ = fmt.Fprintf(mac, "%s.%s.%s", r.id, r.at, r.body)
		if r.signature != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("the signature of %s is %q", want, r.signature)
		}
		var told struct {
			Type string
			Data struct {
				Call string `json:"call_id"`
			}
		}
		if err := json.Unmarshal(r.body, &told); err != nil || told.Type != want || told.Data.Call != called.Call.ID {
			t.Errorf("want %s, got %s: %v", want, r.body, err)
		}
	}
}
