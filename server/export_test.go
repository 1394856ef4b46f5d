package server

import "net/http"

// RouteNames lists the routes, for the test of who may call what.
func (s *Server) RouteNames() (names []string) {
	for _, r := range s.table(http.NotFoundHandler()) {
		names = append(names, r.name)
	}
	return names
}
