package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// elsewhere says where the licences of packages are that do not bring them
// along: files relative to node_modules; after # the comment at the top of one.
var elsewhere = map[string][]string{
	"@bufbuild/protobuf":     {"livekit-client/LICENSE", "@bufbuild/protobuf/dist/esm/google/varint.js#"},
	"@lit-labs/ssr-dom-shim": {"lit/LICENSE"}, // one repository
}

type lockFile struct {
	Packages map[string]struct {
		Version  string
		License  string
		Dev      bool
		Optional bool
		Peer     bool
	}
}

// webPackages returns the packages that the pages are bundled from: those of
// the lock file that are no tools, whether the bundle names them or holds them
// within another package's own bundle.
func webPackages(web string) ([]part, error) {
	var lock lockFile
	if err := readJSON(filepath.Join(web, "package-lock.json"), &lock); err != nil {
		return nil, err
	}
	var bundled []string
	if err := readJSON(filepath.Join(web, "dist", "packages.json"), &bundled); err != nil {
		return nil, fmt.Errorf("%w; `make web` writes it", err)
	}
	var parts []part
	for path, p := range lock.Packages {
		name := strings.TrimPrefix(path, "node_modules/")
		types := strings.HasPrefix(name, "@types/") // nothing that is handed on
		if path == "" || types || p.Dev && !slices.Contains(bundled, name) {
			continue
		}
		dir := filepath.Join(web, filepath.FromSlash(path))
		if _, err := os.Stat(dir); err != nil && (p.Optional || p.Peer) {
			continue
		}
		text, err := webLicence(web, dir, name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{"JavaScript, " + p.License, name, p.Version, text})
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.String(), b.String()) })
	for _, name := range bundled {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return nil, fmt.Errorf("package %s is in the pages but not in package-lock.json", name)
		}
	}
	return parts, nil
}

func webLicence(web, dir, name string) (string, error) {
	files, err := legalFiles(dir)
	if err != nil {
		return "", err
	}
	text, err := texts(files)
	if err != nil || text != "" {
		return text, err
	}
	var all []string
	for _, source := range elsewhere[name] {
		file, top := strings.CutSuffix(source, "#")
		content, err := os.ReadFile(filepath.Join(web, "node_modules", filepath.FromSlash(file)))
		if err != nil {
			return "", fmt.Errorf("read the licence of %s: %w", name, err)
		}
		text := string(content)
		if top {
			text = comment(text)
		}
		all = append(all, strings.TrimSpace(text))
	}
	if len(all) == 0 || slices.Contains(all, "") {
		return "", fmt.Errorf("package %s has no licence text", name)
	}
	return strings.Join(all, "\n\n"), nil
}

// comment returns the text of the // lines that a source begins with.
func comment(source string) string {
	var lines []string
	for line := range strings.Lines(source) {
		text, ok := strings.CutPrefix(line, "//")
		if !ok {
			break
		}
		lines = append(lines, strings.TrimPrefix(text, " "))
	}
	return strings.Join(lines, "")
}

func readJSON(path string, to any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read what the pages are made of: %w", err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		return errors.Join(fmt.Errorf("read %s", path), err)
	}
	return nil
}
