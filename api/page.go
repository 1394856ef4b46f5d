package api

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed page.html
var pageTemplate string

//go:embed page.css
var pageStyle []byte

// pageGroup is the operations of one subject.
type pageGroup struct {
	Name       string
	Operations []pageOperation
}

type pageOperation struct {
	ID, Method, Path, Summary string
	About                     []string
	Permission                Permission
	Parameters                []pageField
	Body, Answer              []pageField
	Request, Response         string // examples, JSON
	Errors                    []string
}

// pageField is a parameter or a member of a body.
type pageField struct {
	Name, In, Type, About string
	Required              bool
}

// renderPage makes the description for people, from the same document that programs read.
func renderPage(doc *huma.OpenAPI, operations []Operation) ([]byte, error) {
	var groups []pageGroup
	for _, op := range operations {
		documented := operationIn(doc, op)
		p := pageOperation{
			ID: op.ID, Method: op.Method, Path: op.Path, Summary: documented.Summary, Permission: op.Permission,
			About: strings.Split(strings.TrimSpace(strings.SplitN(documented.Description, "\n\nPermission:", 2)[0]), "\n\n"),
		}
		for _, parameter := range documented.Parameters {
			p.Parameters = append(p.Parameters, pageField{parameter.Name, parameter.In, typeOf(parameter.Schema), parameter.Description, parameter.Required})
		}
		if documented.RequestBody != nil && documented.RequestBody.Content[jsonType] != nil {
			p.Body = fieldsOf(doc, documented.RequestBody.Content[jsonType].Schema)
		}
		for status, response := range documented.Responses {
			switch media := response.Content[jsonType]; {
			case status[0] != '2':
				p.Errors = append(p.Errors, status)
			case media != nil:
				p.Answer = fieldsOf(doc, media.Schema)
			}
		}
		slices.Sort(p.Errors)
		var err error
		if p.Request, err = exampleText(op.example); err != nil {
			return nil, err
		}
		if p.Response, err = exampleText(op.answer); err != nil {
			return nil, err
		}
		at := slices.IndexFunc(groups, func(g pageGroup) bool { return g.Name == documented.Tags[0] })
		if at < 0 {
			groups = append(groups, pageGroup{Name: documented.Tags[0]})
			at = len(groups) - 1
		}
		groups[at].Operations = append(groups[at].Operations, p)
	}
	type problem struct {
		Code, Title, About string
		Status             int
	}
	var problems []problem
	for _, k := range problemKinds {
		problems = append(problems, problem{k.code, k.title, k.about, k.status})
	}
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Info": doc.Info, "Groups": groups, "Problems": problems, "Permissions": allPermissions})
	return b.Bytes(), err
}

func exampleText(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	b, err := json.MarshalIndent(v, "", "  ")
	return string(b), err
}

// fieldsOf lists the members of an object.
func fieldsOf(doc *huma.OpenAPI, s *huma.Schema) (fields []pageField) {
	s = resolve(doc, s)
	if s == nil {
		return nil
	}
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		member := s.Properties[name]
		about := member.Description
		if len(member.Enum) > 0 {
			values := make([]string, 0, len(member.Enum))
			for _, v := range member.Enum {
				values = append(values, fmt.Sprint(v))
			}
			about = strings.TrimSpace(strings.Join(values, ", ") + ". " + about)
		}
		fields = append(fields, pageField{Name: name, Type: typeOf(member), About: about, Required: slices.Contains(s.Required, name)})
	}
	return fields
}

func resolve(doc *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	if s != nil && s.Ref != "" {
		return doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// typeOf names a type in words.
func typeOf(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	case s.Type == huma.TypeArray:
		return "list of " + typeOf(s.Items)
	case s.Format == "date-time":
		return "time"
	}
	return s.Type
}
