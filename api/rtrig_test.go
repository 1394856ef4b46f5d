package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"careline/internal/store"
)

// ear is one feed's client, over a real WebSocket.
type ear struct {
	t    testing.TB
	conn *websocket.Conn
}

// heard is anything that a server sends: an envelope, an ack or a nack.
type heard struct {
	Version    int             `json:"v"`
	Type       string          `json:"type"`
	Conv       string          `json:"conv"`
	Position   uint64          `json:"cpos"`
	Cursor     string          `json:"cursor"`
	At         time.Time       `json:"at"`
	Actor      string          `json:"actor"`
	Data       json.RawMessage `json:"data"`
	Ref        string          `json:"ref"`
	Seq        uint64          `json:"seq"`
	ID         string          `json:"id"`
	Duplicate  bool            `json:"dup"`
	Revision   *uint64         `json:"revision"`
	Read       *uint64         `json:"read"`
	Problem    *Problem        `json:"problem"`
	RetryAfter float64         `json:"retry_after"`
}

// message returns what an envelope says of a message; nil when it says nothing.
func (h heard) message(t testing.TB) *Message {
	t.Helper()
	var data struct{ Message *Message }
	if len(h.Data) > 0 {
		if err := json.Unmarshal(h.Data, &data); err != nil {
			t.Fatal(err)
		}
	}
	return data.Message
}

// dial opens a socket without a word; a refusal is an answer.
func (r *rig) dial(token, query string, headers ...string) (*websocket.Conn, *http.Response) {
	r.t.Helper()
	h := http.Header{}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	d := websocket.Dialer{Subprotocols: []string{subprotocol}}
	conn, res, err := d.Dial("ws"+strings.TrimPrefix(r.url, "http")+socketPath+query, h)
	if err != nil {
		if !errors.Is(err, websocket.ErrBadHandshake) {
			r.t.Fatal(err)
		}
		return nil, res
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return conn, res
}

// settled waits until everybody was told of what is on disk.
func (r *rig) settled() {
	r.t.Helper()
	<-r.hub.ready
	r.eventually("the feeds at the end of the log", func() bool {
		var last uint64
		err := r.events.View(r.t.Context(), func(tx *store.Tx) (err error) {
			last, err = r.events.Last(tx, "")
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
		return r.hub.position().Pos == last
	})
}

func (r *rig) eventually(what string, done func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// listen opens a socket and says hello.
func (r *rig) listen(token, resume string) (*ear, heard) {
	r.t.Helper()
	r.settled()
	conn, res := r.dial(token, "")
	if conn == nil {
		r.t.Fatalf("refused: %d", res.StatusCode)
	}
	e := &ear{r.t, conn}
	e.say(HelloFrame{Frame: Frame{Type: "hello"}, Resume: resume})
	return e, e.expect(helloType)
}

func (e *ear) say(v any) {
	e.t.Helper()
	if err := e.conn.WriteJSON(v); err != nil {
		e.t.Fatal(err)
	}
}

// next reads one thing.
func (e *ear) next() heard {
	e.t.Helper()
	h, err := e.read()
	if err != nil {
		e.t.Fatal(err)
	}
	return h
}

func (e *ear) read() (h heard, err error) {
	_ = e.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	err = e.conn.ReadJSON(&h)
	return h, err
}

// expect reads one thing and wants it to be of a type.
func (e *ear) expect(kind string) heard {
	e.t.Helper()
	h := e.next()
	if h.Type != kind {
		e.t.Fatalf("heard %s %s, want %s", h.Type, h.Data, kind)
	}
	return h
}

// until reads on to a thing of a type.
func (e *ear) until(kind string) heard {
	e.t.Helper()
	for {
		if h := e.next(); h.Type == kind {
			return h
		}
	}
}

// closed reads to the end and returns the code with which the server closed.
func (e *ear) closed() int {
	e.t.Helper()
	for {
		_, err := e.read()
		if c, is := errors.AsType[*websocket.CloseError](err); is {
			return c.Code
		}
		if err != nil {
			e.t.Fatalf("the socket ended without a code: %v", err)
		}
	}
}

// hearsOnly wants nothing to be heard before a message that somebody writes now.
func (e *ear) hearsOnly(r *rig, token, conversation string) {
	e.t.Helper()
	stored := r.write(token, conversation, "a mark")
	for {
		h := e.next()
		if m := h.message(e.t); m != nil && m.ID == stored.ID {
			return
		}
		if h.Type != pingType {
			e.t.Fatalf("heard %s of %s: %s", h.Type, h.Conv, h.Data)
		}
	}
}

// stripe is one client of server-sent events.
type stripe struct {
	t      testing.TB
	res    *http.Response
	lines  *bufio.Reader
	lastID string
}

func (r *rig) stream(token, query string, headers ...string) *stripe {
	r.t.Helper()
	r.settled()
	req, err := http.NewRequest(http.MethodGet, r.url+streamPath+query, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = res.Body.Close() })
	return &stripe{t: r.t, res: res, lines: bufio.NewReader(res.Body)}
}

// next reads one event with data, as an EventSource does.
func (s *stripe) next() (h heard, err error) {
	var data string
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return h, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && data != "":
			return h, json.Unmarshal([]byte(data), &h)
		case name == "data":
			data += value
		case name == "id":
			s.lastID = value
		}
	}
}

func (s *stripe) expect(kind string) heard {
	s.t.Helper()
	h, err := s.next()
	if err != nil || h.Type != kind {
		s.t.Fatalf("heard %s %s %v, want %s", h.Type, h.Data, err, kind)
	}
	return h
}

// write sends a message over HTTP.
func (r *rig) write(token, conversation, text string) Stored {
	r.t.Helper()
	a := r.ask(http.MethodPost, "/v1/conversations/"+conversation+"/messages", token, NewMessage{Text: text}, idempotencyKey, fmt.Sprintf("%.20s %d", text, time.Now().UnixNano()))
	if a.status != http.StatusCreated {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	var s Stored
	a.into(r.t, &s)
	return s
}
