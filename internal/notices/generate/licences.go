package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// part is a module or package that we hand on.
type part struct {
	kind    string // Go or JavaScript
	name    string
	version string
	text    string // of its licences and notices
}

func (p part) String() string { return fmt.Sprintf("%s %s (%s)", p.name, p.version, p.kind) }

// legal are the names of files with texts that have to be handed on.
var legal = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|notice|patents|copyright)([.\-_].*)?$`)

// legalFiles returns such files of one folder.
func legalFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("look for licences: %w", err)
	}
	var files []string
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		if e.Type().IsRegular() && legal.MatchString(e.Name()) && ext != ".go" && ext != ".js" && ext != ".ts" {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, nil
}

// texts joins the texts of files, each once, the same text in another file too.
func texts(files []string) (string, error) {
	var all []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read licence: %w", err)
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(content), "\r\n", "\n"))
		if text != "" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, "\n\n"), nil
}
