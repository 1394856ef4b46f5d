package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "careline"

// floors lists the packages of the product from the ground up. A package imports only packages of lower floors; those of one floor
// know nothing of one another, except inside a package's own folder.
var floors = [][]string{
	{"internal/address", "internal/clock", "internal/errs", "internal/heap", "internal/names", "internal/notices", "internal/redact", "internal/scan", "internal/systemd"},
	{"configs", "sfu/media", "sfu/udp", "web"},
	{"internal/auth", "internal/store"},
	{"internal/audit", "internal/event", "internal/inspect", "internal/seal"},
	{"internal/blob", "internal/search", "internal/webhook"},
	{"internal/attachment"},
	{"sfu", "turn"},
	{"call", "chat"},
	{"api", "signal"},
	{"server"},
	{"cmd/careline"},
}

// owners are the only packages that may import a module that we keep behind one door.
var owners = map[string][]string{
	"github.com/pion/ice/v4":       {"sfu", "sfu/udp"},
	"github.com/pion/interceptor":  {"sfu"},
	"github.com/pion/webrtc/v4":    {"sfu", "signal"}, // signal: the candidate's JSON type only
	"github.com/gorilla/websocket": {"signal", "api"},
	"github.com/goccy/go-yaml":     {"configs"},
	"go.etcd.io/bbolt":             {"internal/store"},
	"github.com/blevesearch":       {"internal/search"},
	"github.com/pion/turn":         {}, // its client is in our tests; the relay is ours
	"github.com/alecthomas/kong":   {"cmd/careline"},

	"github.com/prometheus/client_golang": {"server"},
	"golang.org/x/crypto/acme":            {"server"},
	"github.com/danielgtaylor/huma/v2":    {"api"},
	"github.com/gabriel-vasile/mimetype":  {"internal/inspect"},
	"golang.org/x/image":                  {"internal/inspect"},
}

// banned modules of livekit/protocol bring servers and loggers of their own.
var banned = []string{"github.com/livekit/protocol/redis", "github.com/livekit/protocol/rpc", "github.com/livekit/protocol/logger"}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImportsPointDown(t *testing.T) {
	floor := make(map[string]int)
	for i, names := range floors {
		for _, name := range names {
			floor[module+"/"+name] = i + 1
		}
	}
	for _, p := range list(t) {
		here, product := floor[p.ImportPath]
		if !product {
			if outside(p.ImportPath) {
				continue
			}
			t.Errorf("%s stands on no floor: add it to the table", p.ImportPath)
			continue
		}
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, i := range p.Imports {
			if there, ours := floor[i]; ours && there >= here {
				t.Errorf("%s imports %s, which is not below it", p.ImportPath, i)
			}
			for prefix, allowed := range owners {
				if (i == prefix || strings.HasPrefix(i, prefix+"/")) && !has(allowed, name) {
					t.Errorf("%s imports %s, which is kept to %v", p.ImportPath, i, allowed)
				}
			}
			if has(banned, i) {
				t.Errorf("%s imports %s, which is banned", p.ImportPath, i)
			}
		}
	}
}

// outside names what is not part of the product: tests and measuring tools.
func outside(path string) bool {
	for _, prefix := range []string{"/bench", "/test", "/internal/layers", "/internal/notices/generate", "/tools"} {
		if strings.HasPrefix(path, module+prefix) {
			return true
		}
	}
	return false
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		all = append(all, p)
	}
}

func has(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
