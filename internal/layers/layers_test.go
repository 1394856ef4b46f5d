package layers_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "careline"

// layers lists what may be imported, from the bottom up: a package imports only
// from layers below its own. docs/architecture.md draws the same house.
var layers = [][]string{
	{"internal/clock", "internal/errs", "internal/redact", "internal/layers", "configs", "sfu/media", "sfu/udp", "web"},
	{"internal/auth"},
	{"sfu"},
	{"signal"},
	{"server"},
	{"cmd/careline"},
}

// ends may import everything and are imported by nobody but their own kind.
var ends = []string{"bench", "test"}

// importers names the only packages that may import a module or package from
// outside, so that each has one place to be replaced or upgraded at. What lies
// below a path counts as the path.
var importers = map[string][]string{
	"github.com/pion/webrtc":                {"sfu", "signal"}, // signal: candidate values only
	"github.com/pion/ice":                   {"sfu", "sfu/udp"},
	"github.com/gorilla/websocket":          {"signal"},
	"github.com/goccy/go-yaml":              {"configs"},
	"github.com/golang-jwt/jwt":             {"internal/auth"},
	"github.com/alecthomas/kong":            {"cmd/careline"},
	"github.com/livekit/server-sdk-go":      nil,
	"github.com/livekit/protocol/redis":     nil,
	"github.com/livekit/protocol/rpc":       nil,
	"github.com/livekit/protocol/logger":    nil,
	"github.com/livekit/mediatransportutil": nil,
}

type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		// npm packages may hold Go files; they are none of ours.
		if p.ImportPath != module && !strings.Contains(p.ImportPath, "/node_modules/") {
			list = append(list, p)
		}
	}
}

func below(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// height returns the layer of a package, one above all for ends, -1 when it
// is in no layer.
func height(folder string) int {
	for i, layer := range layers {
		if slices.Contains(layer, folder) {
			return i
		}
	}
	for _, end := range ends {
		if below(folder, end) {
			return len(layers)
		}
	}
	return -1
}

func TestImportsPointDown(t *testing.T) {
	list := packages(t)
	if len(list) < 10 {
		t.Fatalf("only %d packages were found", len(list))
	}
	for _, p := range list {
		folder := strings.TrimPrefix(p.ImportPath, module+"/")
		own := height(folder)
		if own < 0 {
			t.Errorf("%s is in no layer: add it to the table here and in docs/architecture.md", folder)
			continue
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			target, ours := strings.CutPrefix(imported, module+"/")
			if !ours || target == folder {
				continue
			}
			switch h := height(target); {
			case h == len(layers) && own == h: // among the ends
			case h >= own:
				t.Errorf("%s imports %s, which is not below it", folder, target)
			}
		}
	}
}

func TestForeignModulesHaveOneImporter(t *testing.T) {
	for _, p := range packages(t) {
		folder := strings.TrimPrefix(p.ImportPath, module+"/")
		if height(folder) == len(layers) {
			continue
		}
		for _, imported := range p.Imports {
			for path, allowed := range importers {
				if below(imported, path) && !slices.Contains(allowed, folder) {
					t.Errorf("%s imports %s; only %q may", folder, imported, allowed)
				}
			}
		}
	}
}
