package configs

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

// reader sets a configuration from texts and remembers where each came from.
type reader struct {
	origins  map[string]string // by key path
	problems problems
}

func (r *reader) problem(where, key, got, want string) {
	r.problems = append(r.problems, &Problem{Key: key, Got: got, Want: want, Where: where})
}

// file sets what a YAML document names; false says that it could not be read
// as a whole.
func (r *reader) file(name string, data []byte, to reflect.Value) bool {
	document, err := parser.ParseBytes(data, 0)
	if err != nil {
		r.syntax(name, err)
		return false
	}
	var bodies []ast.Node
	for _, doc := range document.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType && doc.Body.Type() != ast.NullType {
			bodies = append(bodies, doc.Body)
		}
	}
	switch {
	case len(bodies) > 1:
		r.problem(at(name, bodies[1]), "", "", "one document, not several")
		return false
	case len(bodies) == 1:
		r.section(name, "", bodies[0], to)
	}
	return true
}

// syntax reports an error of the parser without its excerpt of the file, which
// could show a secret.
func (r *reader) syntax(name string, err error) {
	var e yaml.Error
	if !errors.As(err, &e) {
		r.problem(name, "", "", "YAML")
		return
	}
	where := name
	if t := e.GetToken(); t != nil {
		where = fmt.Sprintf("%s:%d", name, t.Position.Line)
	}
	message, _, _ := strings.Cut(e.GetMessage(), "\n")
	var duplicate *yaml.DuplicateKeyError
	switch {
	case strings.Contains(message, "already defined"), errors.As(err, &duplicate):
		r.problem(where, "", "", "each key once: "+message)
	default:
		r.problem(where, "", "", "YAML: spaces for indentation, `key: value` or `- item` in each line")
	}
}

func (r *reader) section(name, path string, n ast.Node, to reflect.Value) {
	if n.Type() == ast.NullType { // a section of which every key is commented out
		return
	}
	pairs, ok := mapping(n)
	if !ok {
		r.problem(at(name, n), path, "", want(to))
		return
	}
	known := fields(to)
pairs:
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		for _, f := range known {
			if f.name == key {
				r.node(name, join(path, key), pair.Value, f.value)
				continue pairs
			}
		}
		r.problem(at(name, pair.Key), join(path, key), "an unknown key", "one of "+names(to))
	}
}

func (r *reader) node(name, path string, n ast.Node, to reflect.Value) {
	switch {
	case isSection(to):
		r.section(name, path, n, to)
	case to.Kind() == reflect.Slice:
		r.list(name, path, n, to)
	default:
		text, ok := scalar(n)
		if !ok {
			r.problem(at(name, n), path, "", want(to))
			return
		}
		r.text(at(name, n), path, text, to)
	}
}

func (r *reader) list(name, path string, n ast.Node, to reflect.Value) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		r.problem(at(name, n), path, "", want(to))
		return
	}
	r.origins[path] = at(name, n)
	list := reflect.MakeSlice(to.Type(), len(sequence.Values), len(sequence.Values))
	for i, item := range sequence.Values {
		r.node(name, fmt.Sprintf("%s[%d]", path, i), item, list.Index(i))
	}
	to.Set(list)
}

// text sets a value that is neither section nor list.
func (r *reader) text(where, path, text string, to reflect.Value) {
	r.origins[path] = where
	if parse(to, text) == nil {
		return
	}
	got := fmt.Sprintf("%q", text)
	if _, secret := to.Addr().Interface().(*Secret); secret {
		got = ""
	}
	r.problem(where, path, got, want(to))
}

func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// scalar returns the text of a plain or quoted value. Null, anchors, aliases
// and tags are not values here.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func at(name string, n ast.Node) string {
	return fmt.Sprintf("%s:%d", name, n.GetToken().Position.Line)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
