package api

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// requestHeader is how an answer names the request that it belongs to, so that who reports a fault can say which one it was.
const requestHeader = "X-Request-Id"

// requestID returns the name of the request that is being answered. It is given with the first call.
func requestID(answer http.Header) string {
	id := answer.Get(requestHeader)
	if id == "" {
		id = "req_" + strings.ToLower(rand.Text())
		answer.Set(requestHeader, id)
	}
	return id
}

// of returns the problem as that of a request. Problems are shared, so it is another one.
func (p *Problem) of(request string) *Problem {
	own := *p
	own.Instance = request
	return &own
}

// ofRequest is a huma.Transformer: it names the request in problems of operations.
func ofRequest(ctx huma.Context, _ string, answer any) (any, error) {
	p, is := answer.(*Problem)
	if !is {
		return answer, nil
	}
	_, w := humago.Unwrap(ctx)
	return p.of(requestID(w.Header())), nil
}
