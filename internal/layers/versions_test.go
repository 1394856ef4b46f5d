package layers

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// least are the first versions without the flaws that are named beside them.
var least = map[string]string{
	"github.com/pion/stun/v3":             "v3.1.5",  // CVE-2026-54909: a short attribute ends the process
	"github.com/pion/dtls/v3":             "v3.1.4",  // CVE-2026-26014, CVE-2026-54908: nonces, a panic in the key exchange
	"github.com/pion/interceptor":         "v0.1.39", // CVE-2025-49140: a padding length ends the process
	"github.com/pion/webrtc/v4":           "v4.0.0",  // CVE-2021-28681: media after a wrong fingerprint
	"github.com/golang-jwt/jwt/v5":        "v5.2.2",  // CVE-2025-30204: memory by many dots
	"github.com/gorilla/websocket":        "v1.4.1",  // CVE-2020-27813: overflow of a frame's length
	"golang.org/x/net":                    "v0.38.0", // CVE-2025-22872 and floods of HTTP/2 frames before
	"golang.org/x/crypto":                 "v0.45.0", // CVE-2025-58181 and those before
	"google.golang.org/protobuf":          "v1.33.0", // CVE-2024-24786: endless loop in JSON
	"github.com/prometheus/client_golang": "v1.11.1", // CVE-2022-21698: labels without end
}

func TestVersionsHaveNoKnownFlaws(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Version}}{{end}}", module+"/cmd/careline")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	linked := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		linked[path] = version
	}
	for path, want := range least {
		switch have := linked[path]; {
		case have == "":
			t.Errorf("%s is not linked any more: drop its line", path)
		case before(have, want):
			t.Errorf("%s %s is linked, %s at least is needed", path, have, want)
		}
	}
	// Of two major versions only one may be the flawed one's successor.
	for _, gone := range []string{"github.com/pion/stun", "github.com/pion/stun/v2", "github.com/pion/dtls", "github.com/pion/dtls/v2", "github.com/golang-jwt/jwt/v4", "github.com/dgrijalva/jwt-go"} {
		if linked[gone] != "" {
			t.Errorf("%s %s is linked, an old line with known flaws", gone, linked[gone])
		}
	}
}

// before compares versions by their numbers; what follows a - is the same
// version.
func before(a, b string) bool {
	x, y := numbers(a), numbers(b)
	for i := range x {
		if x[i] != y[i] {
			return x[i] < y[i]
		}
	}
	return false
}

func numbers(version string) (n [3]int) {
	version, _, _ = strings.Cut(strings.TrimPrefix(version, "v"), "-")
	for i, part := range strings.SplitN(version, ".", 3) {
		n[i], _ = strconv.Atoi(part)
	}
	return n
}

func TestBefore(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"v3.1.4", "v3.1.5", true}, {"v3.1.10", "v3.1.5", false}, {"v1.5.4-0.2025", "v1.5.4", false}, {"v0.9.0", "v0.10.0", true}, {"v2.0.0", "v1.9.9", false}} {
		if got := before(c.a, c.b); got != c.want {
			t.Errorf("%s before %s: %v", c.a, c.b, got)
		}
	}
}
