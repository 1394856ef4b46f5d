package server

import (
	"net/http"

	"careline/internal/store"
)

// RouteNames lists the routes, for the test of who may call what.
func (s *Server) RouteNames() (names []string) {
	for _, r := range s.table(http.NotFoundHandler()) {
		names = append(names, r.name)
	}
	return names
}

// Upgraded are the options of a server of a version to come, whose schema has these steps more.
func (o Options) Upgraded(steps ...store.Migration) Options {
	o.upgrade = steps
	return o
}
