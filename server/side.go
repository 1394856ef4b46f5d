package server

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/netutil"
)

// sideConnections bounds what is open on each listener beside the main one.
const sideConnections = 64

// serveBeside serves on listeners beside the main one until the function that
// it returns is called, which waits for nobody's answer. What fails is told
// through failed.
func serveBeside(server *http.Server, listeners []net.Listener, failed chan<- error) (stop func()) {
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := server.Serve(netutil.LimitListener(l, sideConnections)); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
			}
		})
	}
	return func() {
		_ = server.Close()
		serving.Wait()
	}
}
