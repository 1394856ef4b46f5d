package api

import (
	"encoding/json"
	"errors"
	"testing"

	"careline/chat"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/event"
)

// FuzzFrame gives a client's frames to the desk, without a conversation behind it: whatever comes is refused in words, or done.
func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","resume":"AAAA"}`, `{"type":"send","ref":"1","conv":"c","client_key":"k","text":"hello"}`, `{"type":"mark","conv":"c","read":1}`,
		`{"type":"edit","conv":"c","seq":1,"revision":0,"text":"x"}`, `{"type":"delete","conv":"c","seq":1}`, `{"type":"typing","conv":"c","on":true}`,
		`{"type":"focus","conv":null,"ref":"2"}`, `{"type":"pong"}`, `[]`, `{"type":"send","location":{"lat":1e999}}`, `{"type":"send"}{}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	desk := &desk{chats: chat.New(chat.Config{}), caller: &chat.Caller{Principal: "ann"}, sends: auth.NewBurstLimiter[string](1<<20, 1, clock.Real{})}
	f.Fuzz(func(t *testing.T, data []byte) {
		head, err := readHead(data)
		var ack *Ack
		if err == nil {
			ack, err = desk.do(t.Context(), head, data) // the caller has no permission, so nothing gets to a store
		}
		if err == nil {
			if ack != nil && ack.Ref != head.Ref {
				t.Errorf("ack of %q for %q", ack.Ref, head.Ref)
			}
			return
		}
		n := nackOf(head.Ref, err)
		if _, err := json.Marshal(n); err != nil || n.Problem.Status < 400 || n.Problem.Status >= 500 {
			t.Errorf("%q: %v, %+v", data, err, n.Problem)
		}
		var f HelloFrame
		if err := readFrame(data, &f); err != nil && !errors.Is(err, errFrame) {
			t.Error(err)
		}
	})
}

// FuzzPlace reads cursors back: what is read is written in the same way.
func FuzzPlace(f *testing.F) {
	f.Add("")
	f.Add(writePlace(event.Cursor{Pos: 41, Check: 7}))
	f.Fuzz(func(t *testing.T, text string) {
		if c, ok := readPlace(text); ok && writePlace(c) != text {
			t.Errorf("%q is read as %+v", text, c)
		}
	})
}
