package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
)

// requests counts answers by the class of their status, and logs each when the
// configuration wants it: path only, since a query may hold a token.
type requests struct {
	// immutable
	log     bool
	proxies auth.Proxies
	server  *Server
	clock   clock.Clock

	classes [6]counter // by status / 100; WebSockets are 1
}

func (q *requests) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := q.clock.Now()
		answer := &answer{ResponseWriter: w}
		path := r.URL.Path // handlers may change it
		whole := false
		defer func() {
			status := answer.status
			switch {
			case status != 0:
			case whole:
				status = http.StatusOK
			default: // the connection is broken off
				status = http.StatusInternalServerError
			}
			if class := status / 100; class > 0 && class < len(q.classes) {
				q.classes[class].Add(1)
			}
			if q.log {
				q.server.log.Info("request", "method", r.Method, "path", path, "status", status, "bytes", answer.bytes,
					"after", q.clock.Now().Sub(begin).Round(time.Microsecond), "from", q.proxies.ClientAddress(r))
			}
		}()
		next.ServeHTTP(answer, r)
		whole = true
	})
}

// answer is a ResponseWriter that remembers what went through it.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64 // of the body
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// ReadFrom keeps the kernel's shortcut from file to socket.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(a.ResponseWriter, r)
	a.bytes += n
	return n, err
}

// Hijack notes that the connection became a WebSocket.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}
