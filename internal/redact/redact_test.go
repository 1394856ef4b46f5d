package redact_test

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"careline/internal/redact"
)

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"nothing to hide":                 "nothing to hide",
		"got " + jwt + " from":            "got [redacted] from",
		"/rtc?access_token=abc&sdk=js":    "/rtc?access_token=[redacted]&sdk=js",
		"/rtc?a=1&join_request=Zm9v":      "/rtc?a=1&join_request=[redacted]",
		"Authorization: Bearer abc.def":   "Authorization: Bearer [redacted]",
		"a=ice-ufrag:x\na=ice-pwd:hunter": "a=ice-ufrag:x\na=ice-pwd:[redacted]",
		"http://h/call#token=" + jwt:      "http://h/call#token=[redacted]",
	} {
		if got := redact.Text(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestAttr(t *testing.T) {
	var out strings.Builder
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: redact.Attr}))
	log.Info("message",
		"token", "hunter2", "Password", "hunter2", "sdp", "v=0 hunter2",
		"error", &url.Error{Op: "Get", URL: "http://h/rtc?access_token=hunter2", Err: errors.New("refused")},
		"text", jwt, slog.Group("g", "secret", "hunter2"), "count", 7, "room", "r")
	for _, secret := range []string{"hunter2", jwt} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%s is in %s", secret, out.String())
		}
	}
	for _, kept := range []string{`"count":7`, `"room":"r"`, "refused", "message"} {
		if !strings.Contains(out.String(), kept) {
			t.Errorf("%s is not in %s", kept, out.String())
		}
	}
}
