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
		"nothing to hide":                  "nothing to hide",
		"got " + jwt + " from":             "got [redacted] from",
		"/rtc?access_token=abc&sdk=js":     "/rtc?access_token=[redacted]&sdk=js",
		"/rtc?a=1&join_request=Zm9v":       "/rtc?a=1&join_request=[redacted]",
		"Authorization: Bearer abc.def":    "Authorization: Bearer [redacted]",
		"a=ice-ufrag:x\na=ice-pwd:hunter":  "a=ice-ufrag:x\na=ice-pwd:[redacted]",
		"http://h/call#token=" + jwt:       "http://h/call#token=[redacted]",
		`{"token":"abc", "kind":1}`:        `{"token":"[redacted]", "kind":1}`,
		"Set-Cookie: __Host-session=ab; x": "Set-Cookie: __Host-session=[redacted]; x",
		"call +49 171 2345678 back":        "call [redacted] back",
		"identity +4917123456789":          "identity [redacted]",
		"tel:0171-2345678 rings":           "tel:[redacted] rings",
		"a=ice-pwd:hunter\\r\\na=x":        "a=ice-pwd:[redacted]\\r\\na=x",
		"main.go:12 +0x1a4f 12345678901":   "main.go:12 +0x1a4f 12345678901",
		"2026-11-21T08:00:00+02:00":        "2026-11-21T08:00:00+02:00",
	} {
		if got := redact.Text(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

type shy struct{}

func (shy) LogValue() slog.Value { return slog.StringValue("access_token=hunter2") }

// Whatever the handler below, and however a value comes, the filter is in front.
func TestLogger(t *testing.T) {
	for name, log := range map[string]func(*slog.Logger){
		"message":          func(l *slog.Logger) { l.Info("refused /rtc?access_token=hunter2") },
		"attribute":        func(l *slog.Logger) { l.Info("m", "password", "hunter2") },
		"kept attribute":   func(l *slog.Logger) { l.With("token", "hunter2").Info("m") },
		"group":            func(l *slog.Logger) { l.Info("m", slog.Group("a", slog.Group("b", "secret", "hunter2"))) },
		"kept group":       func(l *slog.Logger) { l.WithGroup("g").With("body", "hunter2").Info("m", "content", "hunter2") },
		"value that waits": func(l *slog.Logger) { l.Info("m", "v", shy{}) },
		"list":             func(l *slog.Logger) { l.Info("m", "v", []string{"token=hunter2"}) },
		"map":              func(l *slog.Logger) { l.Info("m", "v", map[string]any{"url": "/x?token=hunter2"}) },
		"error":            func(l *slog.Logger) { l.Info("m", "error", errors.New("Bearer hunter2")) },
		"phone":            func(l *slog.Logger) { l.Info("m", "phone", "hunter2", "identity", "+491712345678") },
	} {
		var out strings.Builder
		log(redact.Logger(redact.Logger(slog.New(slog.NewJSONHandler(&out, nil)))))
		if text := out.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "1712345678") || !strings.Contains(text, "[redacted]") {
			t.Errorf("%s: %s", name, text)
		}
	}
	var out strings.Builder
	quiet := redact.Logger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	quiet.Info("not wanted")
	if out.Len() != 0 {
		t.Errorf("the level is not kept: %s", out.String())
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
