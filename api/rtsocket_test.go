package api

import (
	"net/http"
	"testing"

	"careline/chat"
	"careline/internal/auth"
)

func TestSocketAndStreamTellWhatIsWritten(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	e, hello := r.listen(r.chatter("bob"), "")
	if hello.Cursor == "" || e.conn.Subprotocol() != subprotocol {
		t.Errorf("hello %+v, subprotocol %q", hello, e.conn.Subprotocol())
	}
	s := r.stream(r.chatter("bob"), "")
	s.expect(helloType)
	stored := r.write(r.chatter("ann"), id, "are you there?")
	for _, h := range []heard{e.expect("message.created"), s.expect("message.created")} {
		m := h.message(t)
		if m == nil || m.Text != "are you there?" || m.Seq != stored.Seq || h.Conv != id || h.Position == 0 || h.Cursor == "" || h.Actor != "ann" {
			t.Errorf("heard %+v %s", h, h.Data)
		}
		var shown Message
		r.ask(http.MethodGet, "/v1/conversations/"+id+"/messages/"+formatSeq(stored.Seq), r.chatter("bob"), nil).into(t, &shown)
		if m.Text != shown.Text || m.ID != shown.ID || m.Delivery.SenderID != shown.Delivery.SenderID || m.Sender != shown.Sender {
			t.Errorf("told %+v, shown %+v", m, shown)
		}
	}
	if s.lastID == "" {
		t.Error("the stream's event has no id")
	}
}

func TestSocketSendsEditsDeletesAndMarks(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	ann, _ := r.listen(r.chatter("ann"), "")
	bob, _ := r.listen(r.chatter("bob"), "")
	send := SendFrame{Frame{"send", "1"}, id, NewMessage{Text: "hello", ClientKey: "k1"}}
	ann.say(send)
	ack := ann.until("ack")
	if ack.Ref != "1" || ack.Seq == 0 || ack.ID == "" || ack.Duplicate || ack.Conv != id {
		t.Errorf("ack %+v", ack)
	}
	ann.say(send)
	if again := ann.until("ack"); !again.Duplicate || again.Seq != ack.Seq {
		t.Errorf("ack of the same %+v", again)
	}
	if m := bob.expect("message.created").message(t); m.Text != "hello" {
		t.Errorf("told %+v", m)
	}
	ann.say(EditFrame{Frame{"edit", "2"}, id, ack.Seq, 0, MessageChange{Text: "hello, Bob"}})
	if done := ann.until("ack"); done.Revision == nil || *done.Revision != 1 {
		t.Errorf("ack of the edit %+v", done)
	}
	if m := bob.expect("message.updated").message(t); m.Text != "hello, Bob" || m.Revision != 1 {
		t.Errorf("told %+v", m)
	}
	bob.say(MarkFrame{Frame{"mark", "3"}, id, ack.Seq, ack.Seq})
	if done := bob.until("ack"); done.Read == nil || *done.Read != ack.Seq {
		t.Errorf("ack of the mark %+v", done)
	}
	if h := ann.until(string(chat.ReceiptUpdated)); h.Position != 0 || h.Cursor != "" || h.Actor != "bob" {
		t.Errorf("receipt %+v", h)
	}
	bob.say(TypingFrame{Frame{"typing", "4"}, id, true})
	if h := ann.until(string(chat.TypingNotice)); h.Actor != "bob" || h.Position != 0 {
		t.Errorf("typing %+v", h)
	}
	ann.say(DeleteFrame{Frame{"delete", "5"}, id, ack.Seq, nil, ""})
	if m := bob.until("message.deleted").message(t); m.Text != "" || m.DeletedAt == nil {
		t.Errorf("told %+v", m)
	}
}

func TestSocketRefusesFramesWithAProblem(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	others := r.startChat("carl", "bob")
	e, _ := r.listen(r.chatter("ann"), "")
	for _, c := range []struct {
		frame any
		code  string
	}{
		{map[string]any{"type": "send", "ref": "a", "conv": others, "text": "x", "client_key": "k"}, "not-found"},
		{map[string]any{"type": "send", "ref": "a", "conv": id, "text": "x"}, "validation"},
		{map[string]any{"type": "send", "ref": "a", "conv": id, "text": "", "client_key": "k"}, "validation"},
		{map[string]any{"type": "send", "ref": "a", "conv": id, "text": "x", "client_key": "k", "sender": "bob"}, "bad-request"},
		{map[string]any{"type": "mark", "ref": "a", "conv": others, "read": 1}, "not-found"},
		{map[string]any{"type": "typing", "ref": "a", "conv": others, "on": true}, "not-found"},
		{map[string]any{"type": "delete", "ref": "a", "conv": others, "seq": 1}, "not-found"},
		{map[string]any{"type": "edit", "ref": "a", "conv": others, "seq": 1, "revision": 0, "text": "x"}, "not-found"},
		{map[string]any{"type": "fly", "ref": "a"}, "validation"},
		{map[string]any{"type": "hello", "ref": "a"}, "conflict"},
		{[]int{1}, "bad-request"},
		{map[string]any{"type": 7}, "bad-request"},
	} {
		e.say(c.frame)
		h := e.expect("nack")
		if h.Problem == nil || h.Problem.Code != c.code {
			t.Errorf("%v: %+v, want %s", c.frame, h.Problem, c.code)
		}
	}
	e.hearsOnly(r, r.chatter("bob"), id)
}

func TestSocketOfReaderOnlyMayNotWrite(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	e, _ := r.listen(r.chatToken("bob", auth.Rights{Permissions: []string{"chat:read"}}), "")
	e.say(SendFrame{Frame{"send", "1"}, id, NewMessage{Text: "x", ClientKey: "k"}})
	if h := e.expect("nack"); h.Problem.Code != "forbidden" || h.Ref != "1" {
		t.Errorf("%+v", h.Problem)
	}
	r.write(r.chatter("ann"), id, "hello")
	e.expect("message.created")
}
