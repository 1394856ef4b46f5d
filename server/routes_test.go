package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"careline/internal/clock"
)

func TestPanicEndsItsConnectionOnly(t *testing.T) {
	var log strings.Builder
	s := &Server{log: slog.New(slog.NewTextHandler(&log, nil))}
	s.requests = requests{server: s, clock: clock.Real{}}
	ts := httptest.NewServer(s.requests.counted(s.recovering(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			panic("a bug")
		}
	}))))
	defer ts.Close()
	for range 2 {
		if res, err := http.Get(ts.URL + "/bad?access_token=hunter2"); err == nil {
			_ = res.Body.Close()
			t.Error("a request that panicked was answered")
		}
	}
	res, err := http.Get(ts.URL + "/good")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	ts.Close()
	if s.Panics() != 2 {
		t.Errorf("%d panics counted", s.Panics())
	}
	if bad, good := s.requests.classes[5].Load(), s.requests.classes[2].Load(); bad != 2 || good != 1 {
		t.Errorf("%d requests counted as failed, %d as answered", bad, good)
	}
	if text := log.String(); !strings.Contains(text, "a bug") || !strings.Contains(text, "routes_test.go") || strings.Contains(text, "hunter2") {
		t.Errorf("log: %s", text)
	}
}
