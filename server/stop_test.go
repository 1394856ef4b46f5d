package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A receiver of webhooks that does not answer must not keep the server from
// ending: what it was to hear is cut, and that is said.
func TestStopIsBounded(t *testing.T) {
	asked := make(chan struct{}, 100)
	release := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer receiver.Close()
	defer close(release)
	s := start(t, development(t, "CARELINE_WEBHOOKS_URLS="+receiver.URL, "CARELINE_SHUTDOWN_TIMEOUT=1s"))
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s, call.Links[0].Token)
	alive(t, c)
	select {
	case <-asked:
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook came")
	}
	s.stop()
	var failure error
	select {
	case failure = <-s.err:
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not end")
	}
	close(s.err)
	if failure == nil || !strings.Contains(failure.Error(), "deliver webhooks") {
		t.Errorf("the end does not tell what was cut: %v", failure)
	}
	if log := s.log.String(); !strings.Contains(log, "cut at the end of shutdown_timeout") || !strings.Contains(log, "msg=stopped") {
		t.Errorf("log: %s", log)
	}
}
