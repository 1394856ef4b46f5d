package web

import (
	"net/http"
	"strconv"
	"strings"
)

// contentSecurityPolicy allows what the pages ship and nothing else: no inline script or style, no eval, no third party.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
	"media-src 'self' blob: mediastream:; connect-src 'self'; font-src 'self'; worker-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const permissionsPolicy = "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), " +
	"speaker-selection=(self), autoplay=(self), fullscreen=(self), geolocation=(self), payment=(), usb=()"

// secure sets the headers that every answer carries.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Permissions-Policy", permissionsPolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// plain answers with a short text that is not to be stored.
func plain(w http.ResponseWriter, r *http.Request, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(text)) // A reader that went away needs no answer.
	}
}

// respond answers with the variant that the client prefers, or 304 when it has it. Ranges are not served: the files are
// small, and a part of a compressed one is of no use.
func respond(w http.ResponseWriter, r *http.Request, f file) {
	v := negotiate(f.variants, r.Header.Values("Accept-Encoding"))
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("ETag", v.etag)
	if len(f.variants) > 1 {
		h.Add("Vary", "Accept-Encoding")
	}
	if f.immutable {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "no-cache")
	}
	if noneMatch(r.Header.Values("If-None-Match"), v.etag) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if v.encoding != "" {
		h.Set("Content-Encoding", v.encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(v.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(v.body) // A reader that went away needs no answer.
	}
}

// noneMatch tells whether If-None-Match names etag, by weak comparison (RFC 9110 section 13.1.2).
func noneMatch(values []string, etag string) bool {
	for _, value := range values {
		for candidate := range strings.SplitSeq(value, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// negotiate picks the first variant with the highest weight in Accept-Encoding (RFC 9110 section 12.5.3). The file as
// it is always remains, even if a client forbids it: it is better than an error.
func negotiate(variants []variant, accept []string) variant {
	weights := parseAccept(accept)
	best, weight := variants[len(variants)-1], -1.0
	for _, v := range variants {
		if q := weights.of(v.encoding); q > weight && (q > 0 || v.encoding == "") {
			best, weight = v, q
		}
	}
	return best
}

type weights map[string]float64

func (w weights) of(encoding string) float64 {
	if encoding == "" {
		if q, ok := w["identity"]; ok {
			return q
		}
		return 0 // acceptable, but any coding that was named comes first
	}
	if q, ok := w[encoding]; ok {
		return q
	}
	return w["*"]
}

func parseAccept(values []string) weights {
	found := make(weights)
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name == "" {
				continue
			}
			q := 1.0
			if text, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(params)), "q="); ok {
				parsed, err := strconv.ParseFloat(text, 64)
				if err != nil || parsed < 0 || parsed > 1 {
					parsed = 0
				}
				q = parsed
			}
			if name == "x-gzip" {
				name = "gzip"
			}
			found[name] = q
		}
	}
	return found
}
