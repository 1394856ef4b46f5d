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
	"token": true, "access_token": true, "refresh_token": true, "authorization": true, "cookie": true, "csrf": true,
	"secret": true, "password": true, "credential": true, "ice_pwd": true, "pwd": true, "sdp": true,
	"phone": true, "caller": true, "callee": true, // numbers
	"body": true, "content": true, "payload": true, "message_text": true, // what people write to one another
}

// secretTexts find secrets within a text. The first group that matched, if
// there is one, stays.
var secretTexts = regexp.MustCompile(
	`\beyJ[\w-]*\.[\w-]*(?:\.[\w-]*)?` + // JSON Web Tokens
		`|((?i:access_token|refresh_token|token|secret|password|credential|session|csrf|join_request)=)[^\s&"'#;]+` +
		`|("(?i:access_token|token|secret|password|credential|pwd)"\s*:\s*")[^"]*` +
		`|((?i:bearer|basic) )[\w.~+/=-]+` +
		`|(a=ice-pwd:|a=crypto:)[^\s\\]+` +
		`|((?i:tel:))[\d ()+./-]+\d` +
		`|\+[1-9](?:[ ().-]{0,2}\d){7,14}\b`) // phone numbers as E.164 has them

// Text returns s without the secrets that can be told from other text.
func Text(s string) string {
	if !suspicious(s) {
		return s
	}
	return secretTexts.ReplaceAllString(s, "$1$2$3$4$5"+hidden)
}

// suspicious tells whether secretTexts can match at all. Most of what is logged cannot, and the expression takes a hundred times as long.
func suspicious(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '=', '+', ':', '"':
			return true
		case 'e':
			if strings.HasPrefix(s[i:], "eyJ") {
				return true
			}
		case 'b', 'B':
			if hasPrefixFold(s[i:], "bearer ") || hasPrefixFold(s[i:], "basic ") {
				return true
			}
		}
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// Attr is a without secrets. It also fits slog.HandlerOptions.ReplaceAttr.
func Attr(_ []string, a slog.Attr) slog.Attr {
	if secretKeys[strings.ToLower(a.Key)] {
		return slog.String(a.Key, hidden)
	}
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, Text(v.String()))
	case slog.KindGroup:
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(attrs(v.Group())...)}
	case slog.KindAny:
		switch v := v.Any().(type) {
		case nil:
			return a
		case *slog.Source: // a handler's own
			return a
		default: // errors and Stringers by their texts
			return slog.String(a.Key, Text(fmt.Sprint(v)))
		}
	default: // numbers, times and the like
		return slog.Attr{Key: a.Key, Value: v}
	}
}

func attrs(list []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(list))
	for i, a := range list {
		clean[i] = Attr(nil, a)
	}
	return clean
}
