package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the module's, from here.
const root = "../../.."

// Everything that the linker took in must be named with its licence. The list
// to compare with is the one that the linker wrote into the binary itself.
func TestEveryLinkedModuleIsNamed(t *testing.T) {
	modules, err := goModules(root)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := write(&text, modules); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "careline")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/careline")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Deps) < 30 {
		t.Fatalf("only %d modules are linked", len(info.Deps))
	}
	for _, m := range info.Deps {
		if !strings.Contains(text.String(), "\n"+m.Path+" "+m.Version+" (Go)\n") {
			t.Errorf("%s %s is linked but not named", m.Path, m.Version)
		}
	}
	for _, part := range []string{"Copyright 2009 The Go Authors", "Copyright (c) 2013 The Gorilla WebSocket Authors", "Apache License"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("no %q", part)
		}
	}
}

// tree writes a folder as make web leaves it.
func tree(t *testing.T, lock map[string]any, bundled []string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]any{"package-lock.json": map[string]any{"packages": lock}, "dist/packages.json": bundled} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWebPackages(t *testing.T) {
	type entry = map[string]any
	lock := func() map[string]any {
		return map[string]any{
			"":                                    entry{"version": "1"},
			"node_modules/lit":                    entry{"version": "3", "license": "BSD-3-Clause"},
			"node_modules/@lit-labs/ssr-dom-shim": entry{"version": "1", "license": "BSD-3-Clause"},
			"node_modules/livekit-client":         entry{"version": "2", "license": "Apache-2.0"},
			"node_modules/@bufbuild/protobuf":     entry{"version": "1", "license": "Apache-2.0"},
			"node_modules/vite":                   entry{"version": "8", "dev": true},
			"node_modules/@types/x":               entry{"version": "1"},
			"node_modules/rxjs":                   entry{"version": "7", "optional": true},
		}
	}
	files := func() map[string]string {
		return map[string]string{
			"node_modules/lit/LICENSE":                                  "the lit licence",
			"node_modules/lit/license.js":                               "code",
			"node_modules/@lit-labs/ssr-dom-shim/a.js":                  "code",
			"node_modules/livekit-client/LICENSE":                       "the apache licence",
			"node_modules/livekit-client/NOTICE":                        "the livekit notice",
			"node_modules/@bufbuild/protobuf/README.md":                 "x",
			"node_modules/@bufbuild/protobuf/dist/esm/google/varint.js": "// Copyright 2008\n// Google\ncode\n// more",
			"node_modules/vite/LICENSE":                                 "the vite licence",
		}
	}
	parts, err := webPackages(tree(t, lock(), []string{"lit", "livekit-client"}, files()))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, p := range parts {
		got[p.name] = p.text
	}
	want := map[string]string{
		"lit": "the lit licence", "@lit-labs/ssr-dom-shim": "the lit licence", "livekit-client": "the apache licence\n\nthe livekit notice",
		"@bufbuild/protobuf": "the apache licence\n\nCopyright 2008\nGoogle",
	}
	if len(got) != len(want) {
		t.Errorf("named: %v", got)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %q, want %q", name, got[name], text)
		}
	}

	// What cannot be named with its licence stops the build.
	for name, change := range map[string]func(map[string]any, map[string]string) []string{
		"no licence": func(l map[string]any, f map[string]string) []string {
			l["node_modules/y"] = entry{"version": "1"}
			f["node_modules/y/index.js"] = "code"
			return nil
		},
		"not installed": func(l map[string]any, _ map[string]string) []string {
			l["node_modules/y"] = entry{"version": "1"}
			return nil
		},
		"not locked": func(map[string]any, map[string]string) []string { return []string{"z"} },
	} {
		l, f := lock(), files()
		bundled := change(l, f)
		if _, err := webPackages(tree(t, l, bundled, f)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}

	// A tool whose code ends up in the pages is handed on like any other.
	parts, err = webPackages(tree(t, lock(), []string{"vite"}, files()))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(parts, func(p part) bool { return p.name == "vite" && p.text == "the vite licence" }) {
		t.Errorf("a bundled tool is not named: %v", parts)
	}
}
