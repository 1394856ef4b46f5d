package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// platforms are those that `make build` and `make cross` build for: what is
// linked differs between them.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/arm64", "windows/amd64"}

type listed struct {
	Dir    string
	Module *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// goModules returns the modules that the binary is linked from, and Go's own
// library.
func goModules(root string) ([]part, error) {
	type module struct {
		version, dir string
		packages     []string // their folders
	}
	modules := make(map[string]*module)
	for _, platform := range append(platforms, runtime.GOOS+"/"+runtime.GOARCH) {
		packages, err := list(root, platform)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			if p.Module == nil || p.Module.Main {
				continue
			}
			m := modules[p.Module.Path]
			if m == nil {
				m = &module{version: p.Module.Version, dir: p.Module.Dir}
				modules[p.Module.Path] = m
			}
			m.packages = append(m.packages, p.Dir)
		}
	}
	library, err := standardLibrary()
	if err != nil {
		return nil, err
	}
	parts := []part{library}
	for path, m := range modules {
		// A folder within a module can hold code of others, with its own licence.
		var dirs []string
		for _, dir := range append(m.packages, m.dir) {
			for strings.HasPrefix(dir, m.dir) {
				dirs = append(dirs, dir)
				dir = filepath.Dir(dir)
			}
		}
		slices.Sort(dirs)
		var files []string
		for _, dir := range slices.Compact(dirs) {
			found, err := legalFiles(dir)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
		text, err := texts(files)
		if err != nil {
			return nil, err
		}
		if text == "" {
			return nil, fmt.Errorf("module %s has no licence text", path)
		}
		parts = append(parts, part{"Go", path, m.version, text})
	}
	slices.SortFunc(parts[1:], func(a, b part) int { return strings.Compare(a.name, b.name) })
	return parts, nil
}

func list(root, platform string) ([]listed, error) {
	system, machine, _ := strings.Cut(platform, "/")
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,Module", "./cmd/careline")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w\n%s", platform, err, stderr.String())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read go list: %w", err)
		}
		all = append(all, p)
	}
}

func standardLibrary() (part, error) {
	out, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return part{}, fmt.Errorf("go env: %w", err)
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	files, err := legalFiles(root)
	if err != nil {
		return part{}, err
	}
	text, err := texts(files)
	if err == nil && text == "" {
		err = errors.New("the Go toolchain has no licence text: " + root)
	}
	return part{"Go", "Go standard library", version, text}, err
}
