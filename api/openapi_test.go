package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// description is the committed document: who changes the API sees it in the change. UPDATE_OPENAPI=1 writes it anew.
const description = "../docs/openapi.json"

func TestDescriptionIsCommitted(t *testing.T) {
	r := newRig(t)
	got := append(bytes.Clone(r.Document()), '\n')
	if os.Getenv("UPDATE_OPENAPI") != "" {
		if err := os.WriteFile(description, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(description)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is served: run UPDATE_OPENAPI=1 go test ./api -run TestDescriptionIsCommitted", description)
	}
	a := r.ask(http.MethodGet, "/v1/openapi.json", "", nil)
	var doc map[string]any
	a.into(t, &doc)
	if doc["openapi"] != "3.1.0" || !bytes.Equal(a.body, r.Document()) {
		t.Errorf("served is %v", doc["openapi"])
	}
	if strings.Contains(string(got), "$schema") {
		t.Error("the description speaks of $schema")
	}
}

// TestOperationsAreDescribedWhole wants of each operation a permission, examples of what goes in and comes out, and its errors.
func TestOperationsAreDescribedWhole(t *testing.T) {
	r := newRig(t)
	ids := make(map[string]bool)
	for _, op := range r.Operations() {
		d := operationIn(r.huma.OpenAPI(), op)
		if ids[op.ID] || op.Permission.Name == "" || d.Summary == "" || d.Extensions["x-permission"] != op.Permission.Name || (len(d.Security) == 0) != op.Permission.open {
			t.Errorf("%s: id, permission, summary or security is missing", op.ID)
		}
		ids[op.ID] = true
		if d.RequestBody != nil && d.RequestBody.Content[binaryType] == nil {
			checkExample(t, op.ID+" body", d.RequestBody.Content[jsonType], op.example)
		}
		problems := 0
		for status, response := range d.Responses {
			switch media := response.Content[jsonType]; {
			case status[0] == '2' && media != nil:
				checkExample(t, op.ID+" answer", media, op.answer)
			case status[0] == '2' || status == "101":
				if op.answer != nil {
					t.Errorf("%s: an example of an answer without body", op.ID)
				}
			default:
				problems++
				if response.Content[problemType] == nil || response.Content[problemType].Example == nil {
					t.Errorf("%s: status %s is no problem with an example", op.ID, status)
				}
			}
		}
		if problems < 2 {
			t.Errorf("%s names %d kinds of errors", op.ID, problems)
		}
		for _, p := range d.Parameters {
			if p.In == "path" && (p.Example == nil && p.Schema.Examples == nil || p.Description == "") {
				t.Errorf("%s: path parameter %s has no example or description", op.ID, p.Name)
			}
		}
	}
}

// checkExample wants an example that fits the type it is of, in all fields that are required.
func checkExample(t *testing.T, where string, media *huma.MediaType, example any) {
	t.Helper()
	if media == nil || example == nil || media.Example == nil {
		t.Errorf("%s has no example", where)
		return
	}
	raw, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	into := reflect.New(reflect.TypeOf(example))
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into.Interface()); err != nil || !reflect.DeepEqual(into.Elem().Interface(), example) {
		t.Errorf("%s: the example does not survive JSON: %v", where, err)
	}
}

// TestPage looks at the description for people.
func TestPage(t *testing.T) {
	r := newRig(t)
	page := string(r.ask(http.MethodGet, "/v1/docs", "", nil).body)
	for _, op := range r.Operations() {
		if !strings.Contains(page, `id="`+op.ID+`"`) || !strings.Contains(page, op.Path) {
			t.Errorf("%s is not on the page", op.ID)
		}
	}
	for _, k := range problemKinds {
		if !strings.Contains(page, `id="problem-`+k.code+`"`) {
			t.Errorf("%s is not on the page", k.code)
		}
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "style=") || strings.Contains(page, "http://") {
		t.Error("the page has scripts, inline styles or foreign resources")
	}
}
