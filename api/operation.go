package api

import (
	"cmp"
	"context"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// operation declares one operation of the API.
type operation struct {
	id, method, path string
	summary, about   string
	tag              string
	need             Permission
	status           int // of success; 0: 200, or 204 without a body
	errors           []int
	request          any   // example of the body, of its type; nil without one
	response         any   // the same of the answer's body
	private          bool  // answers hold what people wrote: they are not kept for retries
	largest          int64 // body in bytes; 0: maxBody
	elsewhere        bool  // described here, answered by the server itself
}

const (
	maxBody        = 64 << 10 // bytes
	idempotencyKey = "Idempotency-Key"
)

// register adds an operation. The handler's errors become problems; what is our fault is logged here, once.
func register[I, O any](a *API, op operation, handler func(context.Context, *I) (*O, error)) {
	errors := append([]int{http.StatusInternalServerError, http.StatusServiceUnavailable}, op.errors...)
	if !op.need.open {
		errors = append(errors, http.StatusUnauthorized, http.StatusForbidden)
	}
	h := huma.Operation{
		OperationID: op.id, Method: op.method, Path: op.path, Summary: op.summary, Description: op.about + "\n\nPermission: `" + op.need.Name + "`. " + op.need.About,
		Tags: []string{op.tag}, DefaultStatus: op.status, Errors: errors, MaxBodyBytes: cmp.Or(op.largest, maxBody), RejectUnknownQueryParameters: true,
		Middlewares: huma.Middlewares{a.guard(op.need)},
		Extensions:  map[string]any{"x-permission": op.need.Name},
	}
	if !op.need.open {
		h.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	if op.method == http.MethodPost && !op.need.open && !op.elsewhere && !op.private {
		h.Parameters = append(h.Parameters, &huma.Param{
			Name: idempotencyKey, In: "header", Schema: &huma.Schema{Type: huma.TypeString, MaxLength: &maxIdempotencyKey},
			Description: "Makes a retry safe: the same key, path and body within 24 hours get the first answer again, with Idempotent-Replay: true.",
			Example:     "8e03978e-40d5-43e8-bc93-6894a57f9324",
		})
	}
	on := a.huma
	if op.elsewhere {
		on = a.described
	}
	huma.Register(on, h, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err == nil {
			return out, nil
		}
		p := asProblem(err)
		if p.Status == http.StatusInternalServerError {
			a.log.Error("an operation failed", "operation", op.id, "request", requestIDOf(ctx), "error", err)
		}
		return nil, p
	})
	if op.private {
		a.sealed[op.method+" "+op.path] = true
	}
	a.example(op)
	a.operations = append(a.operations, Operation{ID: op.id, Method: op.method, Path: op.path, Permission: op.need, example: op.request, answer: op.response, elsewhere: op.elsewhere})
}

// Operation is what is known of an operation from outside.
type Operation struct {
	ID, Method, Path string
	Permission       Permission

	example, answer any
	elsewhere       bool
}

// Operations returns all operations, as declared.
func (a *API) Operations() []Operation { return a.operations }

// example puts the examples into the document.
func (a *API) example(op operation) {
	documented := operationIn(a.huma.OpenAPI(), Operation{Method: op.method, Path: op.path})
	if op.request != nil && documented.RequestBody != nil {
		documented.RequestBody.Content[jsonType].Example = op.request
	}
	for status, response := range documented.Responses {
		switch media := response.Content[jsonType]; {
		case status[0] == '2' && media != nil:
			media.Example = op.response
		case status[0] != '2' && response.Content[problemType] != nil:
			code := 0
			for _, digit := range status {
				code = code*10 + int(digit-'0')
			}
			response.Content[problemType].Example = newProblem(code, "")
		}
	}
}

// operationIn finds an operation in the document.
func operationIn(doc *huma.OpenAPI, op Operation) *huma.Operation {
	item := reflect.ValueOf(doc.Paths[op.Path]).Elem()
	return item.FieldByName(methodField[op.Method]).Interface().(*huma.Operation)
}

var methodField = map[string]string{
	http.MethodGet: "Get", http.MethodPost: "Post", http.MethodPut: "Put", http.MethodPatch: "Patch", http.MethodDelete: "Delete",
}
