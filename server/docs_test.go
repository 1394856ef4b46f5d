package server_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The metrics and keys that the documents name must exist.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	var text []byte
	for _, name := range []string{"README.md", "docs/operations.md", "docs/api.md", "docs/chat.md", "docs/clients.md", "docs/security.md", "docs/architecture.md"} {
		document, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, document...)
	}
	s := start(t, development(t, "CARELINE_ADMIN_ADDRESS=127.0.0.1:0", "CARELINE_HTTP_TLS_MODE=self"))
	_, metrics := get(t, "http://"+s.AdminAddr().String()+"/metrics")
	names := regexp.MustCompile(`\b(careline|go|process)_[a-z_]+\b`).FindAllString(string(text), -1)
	if len(names) < 20 {
		t.Fatalf("only %d metrics are named", len(names))
	}
	for _, name := range names {
		if !strings.Contains(metrics, "\n# TYPE "+name+" ") {
			t.Errorf("there is no metric %s", name)
		}
	}
	manual, err := os.ReadFile("../configs/default.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := regexp.MustCompile("`((?:http|rtc|turn|room|log|admin|tokens|limits|webhooks|seal|chat|attachments|web)\\.[a-z_.]+)[`: ]").FindAllStringSubmatch(string(text), -1)
	if len(keys) < 15 {
		t.Fatalf("only %d keys are named", len(keys))
	}
	for _, key := range keys {
		if key[1] == "admin.secret" || key[1] == "tokens.css" { // files
			continue
		}
		parts := strings.Split(key[1], ".")
		if !regexp.MustCompile(`(?m)^ *` + parts[len(parts)-1] + `:`).Match(manual) {
			t.Errorf("there is no key %s", key[1])
		}
	}
}
