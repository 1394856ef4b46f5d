package compat

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"careline/api"
)

// The three ways on which one person sends in TestOneThread.
const (
	byHTTP = iota
	bySocket
	byDataChannel
	ways
)

// socketFrame is what /v1/rt sends, as far as this test reads it.
type socketFrame struct {
	Type string `json:"type"`
	Ref  string `json:"ref"`
	Seq  uint64 `json:"seq"`
	Data struct {
		Seq     uint64      `json:"seq"`
		Message api.Message `json:"message"`
	} `json:"data"`
	Problem    api.Problem `json:"problem"`
	RetryAfter float64     `json:"retry_after"` // seconds
}

// socket opens /v1/rt and says hello.
func (r *rig) socket(token string) *websocket.Conn {
	r.t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"careline.v1"}, HandshakeTimeout: patience}
	conn, res, err := dialer.Dial(r.ws()+"/v1/rt", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		r.t.Fatal(err)
	}
	_ = res.Body.Close()
	var hello socketFrame
	if err := conn.WriteJSON(map[string]string{"type": "hello"}); err != nil {
		r.t.Fatal(err)
	}
	if err := conn.ReadJSON(&hello); err != nil || hello.Type != "hello" {
		r.t.Fatalf("%+v, %v", hello, err)
	}
	return conn
}

// seqs collects which numbers a sender was told for each of its messages.
type seqs struct {
	mu   sync.Mutex
	told map[string]map[uint64]bool // guarded by mu
}

func (s *seqs) tell(key string, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[key] == nil {
		s.told[key] = make(map[uint64]bool)
	}
	s.told[key][seq] = true
}

// TestOneThread sends each message one to five times, at the same time over HTTP, WebSocket and the data channel of a call, and loses some of
// the answers: each is kept once, every answer has its number, and everybody in the call and outside hears of it once.
func TestOneThread(t *testing.T) {
	r := start(t, setup{})
	c, tokens := r.chatCall(nil)
	ann := r.enterWith(single, "ann", grant(c.ID), [2]int{})
	ben := r.enterWith(dual, "ben", grant(c.ID), [2]int{})
	outside := r.socket(tokens["dora"])
	heard := make(chan map[uint64]int, 1)
	const messages = 40
	go func() { heard <- hear(outside, messages) }()

	told := &seqs{told: make(map[string]map[uint64]bool)}
	var sending sync.WaitGroup
	var channel sync.Mutex
	for n := range messages {
		id, text := fmt.Sprint("m", n), fmt.Sprint("text ", n)
		sending.Go(func() {
			for range 1 + rand.IntN(5) {
				switch rand.IntN(ways) {
				case byHTTP:
					r.sendByHTTP(&c, tokens["ann"], id, text, told)
				case bySocket:
					r.sendBySocket(&c, tokens["ann"], id, text, told)
				case byDataChannel:
					channel.Lock()
					ann.write(inline(id, text))
					channel.Unlock()
				}
			}
			r.sendByHTTP(&c, tokens["ann"], id, text, told) // the last try gets its answer
			for !told.has(id) {
				r.sendByHTTP(&c, tokens["ann"], id, text, told)
			}
		})
		if n%8 == 7 {
			sending.Wait()
		}
	}
	sending.Wait()

	for _, a := range answersOf(t, ann.media.received()) {
		if a["problem"] != nil {
			t.Fatalf("the data channel answers %v", a)
		}
		told.tell(a["id"].(string), uint64(a["seq"].(float64)))
	}
	kept := map[string]uint64{}
	for _, m := range r.thread(&c, tokens["dora"]) {
		if _, twice := kept[m.Text]; twice || m.Sender != "ann" {
			t.Errorf("kept twice, or of another: %+v", m)
		}
		kept[m.Text] = m.Seq
	}
	if len(kept) != messages {
		t.Errorf("%d messages are kept", len(kept))
	}
	for n := range messages {
		got := told.told[fmt.Sprint("m", n)]
		if seq := kept[fmt.Sprint("text ", n)]; len(got) != 1 || !got[seq] {
			t.Errorf("message %d is kept as %d, the answers say %v", n, seq, got)
		}
	}
	eventually(t, "everything at ben", func() bool { return len(streamsOf(ben.media.received())) >= messages })
	seen := map[string]int{}
	for _, text := range streamsOf(ben.media.received()) {
		seen[text.text]++
	}
	for text := range kept {
		if seen[text] != 1 {
			t.Errorf("ben received %q %d times", text, seen[text])
		}
	}
	select {
	case counts := <-heard:
		for seq, n := range counts {
			if n != 1 {
				t.Errorf("dora heard %d times of message %d", n, seq)
			}
		}
		if len(counts) != messages {
			t.Errorf("dora heard of %d messages", len(counts))
		}
	case <-time.After(patience):
		t.Error("dora did not hear of everything")
	}
	_ = outside.Close()
}

func (s *seqs) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.told[key]) > 0
}

// hear counts what a socket tells of texts, until it told of so many and a moment has passed.
func hear(conn *websocket.Conn, messages int) map[uint64]int {
	counts := map[uint64]int{}
	for {
		if len(counts) >= messages { // what would come twice comes by now
			_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		}
		var f socketFrame
		if err := conn.ReadJSON(&f); err != nil {
			return counts
		}
		if f.Type == "message.created" && f.Data.Message.Kind == "text" {
			counts[f.Data.Seq]++
		}
	}
}

// sendByHTTP sends a message and loses every third answer.
func (r *rig) sendByHTTP(c *api.Call, token, id, text string, told *seqs) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	body := fmt.Sprintf(`{"text":%q,"client_key":%q}`, text, "lk:"+id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.http()+"/v1/conversations/"+c.Conversation+"/messages", strings.NewReader(body))
	if err != nil {
		r.t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	if rand.IntN(3) == 0 {
		timer := time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel)
		defer timer.Stop()
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // lost
	}
	defer func() { _ = res.Body.Close() }()
	var stored api.Stored
	if res.StatusCode/100 != 2 {
		r.t.Errorf("by HTTP: %d", res.StatusCode)
		return
	}
	if json.NewDecoder(res.Body).Decode(&stored) == nil {
		told.tell(id, stored.Seq)
	}
}

// sendBySocket sends a message on a socket of its own, again when it was too fast, and loses every third answer.
func (r *rig) sendBySocket(c *api.Call, token, id, text string, told *seqs) {
	conn := r.socket(token)
	defer func() { _ = conn.Close() }()
	frame := map[string]string{"type": "send", "ref": id, "conv": c.Conversation, "client_key": "lk:" + id, "text": text}
	if err := conn.WriteJSON(frame); err != nil {
		r.t.Error(err)
		return
	}
	if rand.IntN(3) == 0 {
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	for {
		var f socketFrame
		if err := conn.ReadJSON(&f); err != nil {
			r.t.Errorf("by WebSocket: %v", err)
			return
		}
		switch {
		case f.Type == "ack" && f.Ref == id:
			told.tell(id, f.Seq)
			return
		case f.Type == "nack" && f.Problem.Code == "rate-limited": // 20 a second are allowed
			time.Sleep(time.Duration(f.RetryAfter * float64(time.Second)))
			if err := conn.WriteJSON(frame); err != nil {
				r.t.Errorf("by WebSocket again: %v", err)
				return
			}
		case f.Type == "nack":
			r.t.Errorf("by WebSocket: %+v", f.Problem)
			return
		}
	}
}
