//go:build unix

package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// told is an envelope of a feed.
type told struct {
	Type   string
	Cursor string
	Data   struct{ Message struct{ Text string } }
}

// follow opens a socket of somebody and reads its hello.
func (d *desk) follow(who, resume string) *websocket.Conn {
	d.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(strings.Replace(d.url, "http", "ws", 1)+"/v1/rt", http.Header{"Authorization": {"Bearer " + d.token(who)}})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.WriteJSON(map[string]string{"type": "hello", "resume": resume}); err != nil {
		d.t.Fatal(err)
	}
	if h := d.hear(conn); h.Type != "hello" {
		d.t.Fatalf("%s heard %+v", who, h)
	}
	return conn
}

func (d *desk) hear(conn *websocket.Conn) (h told) {
	d.t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	if err := conn.ReadJSON(&h); err != nil {
		d.t.Fatalf("%v; %s", err, d.log)
	}
	return h
}

// message reads on to a message.
func (d *desk) message(conn *websocket.Conn) told {
	d.t.Helper()
	for {
		if h := d.hear(conn); h.Type == "message.created" {
			return h
		}
	}
}

// TestA1OperatorAndTraveller is row A1: what an operator posts over HTTP is shown to 200 clients over WebSockets and server-sent events, and is
// there for who comes back after the server was killed.
func TestA1OperatorAndTraveller(t *testing.T) {
	d := newDesk(t, t.TempDir())
	people := []string{"operator"}
	for i := range 200 {
		people = append(people, fmt.Sprint("traveller-", i))
	}
	id := d.conversation(people...)
	clients := make([]*websocket.Conn, 199)
	for i := range clients {
		clients[i] = d.follow(people[i+1], "")
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token(people[200]))
	stream, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	lines := bufio.NewScanner(stream.Body)
	heard := func() string {
		t.Helper()
		for lines.Scan() {
			data, is := strings.CutPrefix(lines.Text(), "data: ")
			var h told
			if is && json.Unmarshal([]byte(data), &h) == nil && h.Type == "message.created" {
				return h.Data.Message.Text
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	d.say(id, "operator", "help is on its way")
	cursor := ""
	for i, c := range clients {
		h := d.message(c)
		if h.Data.Message.Text != "help is on its way" {
			t.Fatalf("client %d heard %+v", i, h)
		}
		cursor = h.Cursor
	}
	if text := heard(); text != "help is on its way" {
		t.Errorf("the stream has %q", text)
	}
	d.say(id, "operator", "they are at the door")
	d.kill()
	d.start()
	if text := d.message(d.follow("traveller-198", cursor)).Data.Message.Text; text != "they are at the door" {
		t.Errorf("after the kill, who comes back hears %q", text)
	}
	if texts := d.texts(id, "traveller-7"); !slices.Equal(texts, []string{"help is on its way", "they are at the door"}) {
		t.Errorf("after the kill, there is %q", texts)
	}
}
