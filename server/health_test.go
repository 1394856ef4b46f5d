package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"

	"careline/configs"
)

type answered struct {
	status     int
	retryAfter string
	health
}

func probe(t *testing.T, url string) answered {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	a := answered{status: res.StatusCode, retryAfter: res.Header.Get("Retry-After")}
	if res.Header.Get("Content-Type") == "application/json" {
		if err := json.NewDecoder(res.Body).Decode(&a.health); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// A server that stops lives, but is not ready, and lets nobody in.
func TestProbes(t *testing.T) {
	cfg, err := configs.Load(configs.LoadOptions{Dev: true, Environ: []string{
		"CARELINE_HTTP_ADDRESS=127.0.0.1:0", "CARELINE_RTC_UDP_PORT=0", "CARELINE_RTC_TCP_PORT=0",
		"CARELINE_TURN_UDP_PORT=0", "CARELINE_TURN_TCP_PORT=0", "CARELINE_TURN_TLS_PORT=0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if reasons := s.NotReady(); len(reasons) != 1 {
		t.Errorf("before Run: %q", reasons)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	validate := s.URL() + "/rtc/validate?access_token=" + call.Links[0].Token

	probe(t, s.URL()+"/") // answered, so Run serves
	if a := probe(t, s.URL()+"/healthz"); a.status != 200 || a.Status != "alive" {
		t.Errorf("healthz %+v", a)
	}
	if a := probe(t, s.URL()+"//readyz"); a.status != 200 || a.Status != "ready" || len(a.Reasons) != 0 {
		t.Errorf("readyz %+v", a)
	}
	if a := probe(t, validate); a.status != 200 {
		t.Errorf("validate %+v", a)
	}

	broken := false
	s.checks = append(s.checks, check{"no disk", func() bool { return broken }})
	broken = true
	if a := probe(t, s.URL()+"/readyz"); a.status != 503 || len(a.Reasons) != 1 || a.Reasons[0] != "no disk" || a.retryAfter == "" {
		t.Errorf("readyz with a failed part: %+v", a)
	}
	broken = false

	s.life.stopping.Store(true)
	if err := s.rooms.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if a := probe(t, s.URL()+"/healthz"); a.status != 200 {
		t.Errorf("healthz of a server that stops: %+v", a)
	}
	if a := probe(t, s.URL()+"/readyz"); a.status != 503 || a.Status != "not ready" || a.retryAfter == "" {
		t.Errorf("readyz of a server that stops: %+v", a)
	}
	if a := probe(t, validate); a.status != 503 || a.retryAfter == "" {
		t.Errorf("a server that stops lets people in: %+v", a)
	}
	res, err := http.Post(s.URL()+"/readyz", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
}
