// Package api is the HTTP API under /v1, also at /api/v1: JSON over net/http, described by an OpenAPI 3.1 document that is made from the same
// declarations and served beside it, as JSON and as a page.
//
// An operation is declared once, with its permission, its examples and its input and output types; see operation.go. What goes wrong is an
// RFC 9457 problem with a stable code; see problem.go. Who asks is found out before anything of the request is read; see access.go.
package api
