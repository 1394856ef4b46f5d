package notices_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"

	"careline/internal/notices"
)

func ask(method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	notices.Serve(w, httptest.NewRequest(method, "/third-party-notices", nil))
	return w
}

// The test holds for both kinds of binary: one that was built with its notices
// shows them, the other says that it has none.
func TestNotices(t *testing.T) {
	var text bytes.Buffer
	err := notices.Write(&text)
	answer := ask(http.MethodGet)
	if errors.Is(err, notices.ErrNotBuilt) {
		if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "make build") {
			t.Errorf("without notices: %d %s", answer.Code, answer.Body)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if answer.Code != http.StatusOK || answer.Body.String() != text.String() || !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/plain") {
		t.Errorf("served: %d, %d bytes of %d, %s", answer.Code, answer.Body.Len(), text.Len(), answer.Header())
	}
	for _, name := range []string{"Go standard library", "github.com/pion/webrtc/v4 v", "livekit-client 2.", "Redistribution and use"} {
		if !strings.Contains(text.String(), name) {
			t.Errorf("no %q", name)
		}
	}
	if info, ok := debug.ReadBuildInfo(); !ok || info.GoVersion == "" || !strings.Contains(text.String(), info.GoVersion) {
		t.Errorf("the notices are of another toolchain than %s: `make notices`", info.GoVersion)
	}
}

func TestServeAnswersReadersOnly(t *testing.T) {
	if w := ask(http.MethodPost); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d", w.Code)
	}
	if w := ask(http.MethodHead); w.Body.Len() != 0 && w.Code == http.StatusOK {
		t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
	}
}
