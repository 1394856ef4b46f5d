package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"careline/chat"
)

// crowd is how large the test of many clients is: `make soak` has more of everything.
func crowd() (clients, conversations, writers, messages int) {
	if os.Getenv("CARELINE_SOAK") != "" {
		return 1000, 50, 20, 10_000
	}
	return 1000, 50, 10, 200
}

// TestManyClientsSeeWhatTheStoreHas lets clients come, go without a word and resume at random while others write, edit and delete. In the end each
// has seen every event of its conversations, in order and without a gap, and its view of the messages is the store's.
func TestManyClientsSeeWhatTheStoreHas(t *testing.T) {
	clients, conversations, writers, messages := crowd()
	r := newRig(t)
	ids := make([]string, conversations)
	for i := range ids {
		people := []string{fmt.Sprint("writer-", i)}
		for j := i; j < clients; j += conversations {
			people = append(people, fmt.Sprint("client-", j))
		}
		ids[i] = r.startChat(people...)
	}
	r.settled()
	reader := func(i int) *chat.Caller {
		return &chat.Caller{Principal: fmt.Sprint("writer-", i), Permissions: []chat.Permission{chat.Read}}
	}
	last := func(i int) uint64 {
		log, err := r.chats.Events(t.Context(), reader(i), ids[i], 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		return log.Last
	}
	seen := make([]*view, clients)
	over := make(chan struct{}) // nothing is written any more
	var reading, began sync.WaitGroup
	for i := range seen {
		v := &view{rig: r, token: r.chatter(fmt.Sprint("client-", i)), messages: make(map[uint64]Message), cpos: last(i % conversations)}
		seen[i] = v
		began.Add(1)
		reading.Go(func() { v.follow(over, began.Done) })
	}
	began.Wait()
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for n := w; n < messages; n += writers {
				i := rand.IntN(conversations)
				if err := r.scribble(ids[i], fmt.Sprint("writer-", i), n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	for i := range seen {
		seen[i].end = last(i % conversations)
	}
	close(over)
	reading.Wait()
	for i, id := range ids {
		stored := make(map[uint64]Message)
		var after uint64
		for more := true; more; {
			list, err := r.chats.Messages(t.Context(), reader(i), id, chat.Window{After: &after, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for k := range list.Items {
				stored[list.Items[k].Seq] = viewMessage(&list.Items[k])
			}
			after, more = list.Next, list.More
		}
		for j := i; j < clients; j += conversations {
			if err := seen[j].equals(stored); err != nil {
				t.Errorf("client %d: %v", j, err)
			}
		}
	}
	t.Logf("%d clients, %d messages: %+v", clients, messages, r.FeedStats())
}

// scribble writes something, and changes it now and then.
func (r *rig) scribble(id, who string, n int) error {
	ctx := context.Background()
	caller := &chat.Caller{Principal: who, Permissions: []chat.Permission{chat.Write, chat.EditOwn, chat.DeleteOwn}, From: "api"}
	receipt, err := r.chats.Append(ctx, caller, id, chat.Draft{Text: fmt.Sprint("text ", n), ClientKey: fmt.Sprint(n)})
	switch {
	case err == nil && n%5 == 0:
		_, err = r.chats.Edit(ctx, caller, id, receipt.Seq, chat.Edit{Text: fmt.Sprint("edited ", n)})
	case err == nil && n%7 == 0:
		err = r.chats.DeleteMessage(ctx, caller, id, receipt.Seq, nil, "")
	}
	return err
}

// view is what one client has seen. It belongs to one goroutine.
type view struct {
	*rig
	token    string
	cursor   string
	cpos     uint64
	end      uint64 // position of the last event there is, set before the end
	messages map[uint64]Message
	err      error
}

// follow reads and comes back until nothing is written any more and nothing is missing. began is called behind the first hello.
func (v *view) follow(over <-chan struct{}, began func()) {
	defer func() {
		if began != nil {
			began()
		}
	}()
	for cuts := 1 + rand.IntN(2); v.err == nil; cuts-- {
		if cuts <= 0 {
			<-over
		}
		last := false
		select {
		case <-over:
			last = true
		default:
		}
		conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(v.url, "http")+socketPath, http.Header{"Authorization": {"Bearer " + v.token}})
		if err != nil {
			v.err = err
			return
		}
		hello := HelloFrame{Frame: Frame{Type: "hello"}, Resume: v.cursor}
		_ = conn.WriteJSON(hello)
		stay := 1 + rand.IntN(20)                                  // envelopes, hello among them
		after := time.Duration(rand.IntN(3000)) * time.Millisecond // hello
		if last {
			stay, after = 1<<30, time.Minute
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		for range stay {
			var h heard
			if conn.ReadJSON(&h) != nil { // its time is over, or a crowded server has cut it: either way it comes back
				break
			}
			v.hear(&h)
			if h.Type == helloType {
				_ = conn.SetReadDeadline(time.Now().Add(after))
			}
			if began != nil {
				began()
				began = nil
			}
			if last && v.cpos == v.end {
				break
			}
		}
		_ = conn.NetConn().Close() // without a word
		if last && (v.cpos == v.end || cuts < -10) {
			return
		}
	}
}

func (v *view) hear(h *heard) {
	if h.Cursor != "" {
		v.cursor = h.Cursor
	}
	switch {
	case h.Type == resetType:
		v.err = errors.New("a reset")
	case h.Position == 0 || h.Position <= v.cpos: // of the moment, or told again
		return
	case h.Position != v.cpos+1:
		v.err = fmt.Errorf("cpos %d follows %d", h.Position, v.cpos)
	}
	v.cpos = h.Position
	var data struct{ Message *Message }
	if err := json.Unmarshal(h.Data, &data); err != nil {
		v.err = err
	}
	if data.Message != nil {
		v.messages[data.Message.Seq] = *data.Message
	}
}

// equals compares what was seen with what is stored.
func (v *view) equals(stored map[uint64]Message) error {
	switch {
	case v.err != nil:
		return v.err
	case len(v.messages) != len(stored) || v.cpos != v.end:
		return fmt.Errorf("%d messages up to cpos %d, stored are %d up to %d", len(v.messages), v.cpos, len(stored), v.end)
	}
	for seq, want := range stored {
		got := v.messages[seq]
		if got.Text != want.Text || got.Revision != want.Revision || (got.DeletedAt == nil) != (want.DeletedAt == nil) || got.ID != want.ID {
			return fmt.Errorf("message %d is %+v, stored is %+v", seq, got, want)
		}
	}
	return nil
}
