// Package redact keeps secrets out of logs. It is the last line, for texts
// that come from elsewhere, such as errors that quote a URL: code does not log
// secrets in the first place.
package redact

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

const hidden = "[redacted]"

// secretKeys are names of attributes whose values are never shown.
var secretKeys = map[string]bool{
	"token": true, "access_token": true, "refresh_token": true, "authorization": true, "cookie": true,
	"secret": true, "password": true, "credential": true, "ice_pwd": true, "sdp": true, "phone": true,
}

// secretTexts find secrets within a text. The first group, if there is one,
// stays.
var secretTexts = regexp.MustCompile(
	`\beyJ[\w-]*\.[\w-]*(?:\.[\w-]*)?` + // JSON Web Tokens
		`|((?i:access_token|token|secret|password|join_request)=)[^\s&"'#]+` +
		`|((?i:bearer|basic) )[\w.~+/=-]+` +
		`|(a=ice-pwd:|a=crypto:)\S+`)

// Attr is for slog.HandlerOptions.ReplaceAttr.
func Attr(_ []string, a slog.Attr) slog.Attr {
	if secretKeys[strings.ToLower(a.Key)] {
		return slog.String(a.Key, hidden)
	}
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, Text(v.String()))
	case slog.KindAny:
		switch v := v.Any().(type) {
		case error:
			return slog.String(a.Key, Text(v.Error()))
		case fmt.Stringer:
			return slog.String(a.Key, Text(v.String()))
		}
	}
	return a
}

// Text returns s without the secrets that can be told from other text.
func Text(s string) string {
	return secretTexts.ReplaceAllString(s, "$1$2$3"+hidden)
}
