package compat

import (
	"errors"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// probe is a client that only speaks the signalling protocol, by hand, and keeps everything it was told.
type probe struct {
	t    *testing.T
	conn *websocket.Conn

	writing sync.Mutex // guards writes to conn

	// immutable once dialled
	join  *livekit.JoinResponse // nil when the session was resumed or turned away
	first *livekit.SignalResponse

	mu      sync.Mutex
	told    []*livekit.SignalResponse // guarded by mu
	ended   error                     // guarded by mu
	changed chan struct{}             // guarded by mu; closed and replaced when told or ended changes

	media *media // nil: offers are not answered

	text   atomic.Bool // it sends JSON, as clients do that are being debugged
	binary atomic.Int32
	texts  atomic.Int32 // frames of each kind that came
}

// query is that of a current client on /rtc.
func query(token string) url.Values {
	return url.Values{"access_token": {token}, "protocol": {"17"}, "auto_subscribe": {"1"}, "sdk": {"go"}}
}

// dial opens a WebSocket and waits for the first message. The status is that of a refused upgrade.
func (r *rig) dial(path string, q url.Values) (p *probe, status int) {
	r.t.Helper()
	return r.dialWith(path, q, nil)
}

func (r *rig) dialWith(path string, q url.Values, m *media) (p *probe, status int) {
	r.t.Helper()
	conn, response, err := websocket.DefaultDialer.Dial(r.ws()+path+"?"+q.Encode(), nil)
	if err != nil {
		if response == nil {
			r.t.Fatal(err)
		}
		return nil, response.StatusCode
	}
	p = &probe{t: r.t, conn: conn, changed: make(chan struct{}), media: m}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.read()
	}()
	r.t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	p.first = p.expect("a first message", func(*livekit.SignalResponse) bool { return true })
	p.join = p.first.GetJoin()
	return p, http.StatusSwitchingProtocols
}

// enter joins on /rtc without media.
func (r *rig) enter(room, identity string) *probe {
	r.t.Helper()
	p, status := r.dial("/rtc", query(token(r.t, identity, grant(room))))
	if p == nil || p.join == nil {
		r.t.Fatalf("%s could not join: status %d", identity, status)
	}
	return p
}

func (p *probe) read() {
	for {
		frameType, data, err := p.conn.ReadMessage()
		var m livekit.SignalResponse
		switch {
		case err != nil:
		case frameType == websocket.TextMessage:
			p.texts.Add(1)
			err = protojson.Unmarshal(data, &m)
		default:
			p.binary.Add(1)
			err = proto.Unmarshal(data, &m)
		}
		p.mu.Lock()
		if err != nil {
			p.ended = err
		} else {
			p.told = append(p.told, &m)
		}
		close(p.changed)
		p.changed = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
		if p.media != nil {
			p.media.handle(p, &m)
		}
	}
}

func (p *probe) send(m *livekit.SignalRequest) {
	p.t.Helper()
	if err := p.trySend(m); err != nil {
		p.t.Errorf("send %T: %v", m.Message, err)
	}
}

func (p *probe) trySend(m *livekit.SignalRequest) error {
	if p.text.Load() {
		data, err := protojson.Marshal(m)
		if err != nil {
			return err
		}
		return p.sendRaw(websocket.TextMessage, data)
	}
	data, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return p.sendRaw(websocket.BinaryMessage, data)
}

func (p *probe) sendRaw(frameType int, data []byte) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	return p.conn.WriteMessage(frameType, data)
}

// messages returns what was told so far.
func (p *probe) messages() []*livekit.SignalResponse {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*livekit.SignalResponse(nil), p.told...)
}

// expect waits for a message, or finds it among those told before.
func (p *probe) expect(what string, match func(*livekit.SignalResponse) bool) *livekit.SignalResponse {
	p.t.Helper()
	return p.expectAfter(0, what, match)
}

// expectAfter leaves out the first n messages.
func (p *probe) expectAfter(n int, what string, match func(*livekit.SignalResponse) bool) *livekit.SignalResponse {
	p.t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		told, ended, changed := p.told, p.ended, p.changed
		p.mu.Unlock()
		for ; n < len(told); n++ {
			if match(told[n]) {
				return told[n]
			}
		}
		if ended != nil {
			p.t.Fatalf("no %s before the WebSocket ended: %v", what, ended)
		}
		select {
		case <-changed:
		case <-timeout:
			p.t.Fatalf("no %s", what)
		}
	}
}

// expectEnd waits for the end of the WebSocket and returns the code of the close frame, 0 without one.
func (p *probe) expectEnd() int {
	p.t.Helper()
	var ended error
	eventually(p.t, "the end of the WebSocket", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		ended = p.ended
		return ended != nil
	})
	if e, ok := errors.AsType[*websocket.CloseError](ended); ok {
		return e.Code
	}
	return 0
}

// never fails the test when a message comes that matches, now or shortly.
func (p *probe) never(what string, match func(*livekit.SignalResponse) bool) {
	p.t.Helper()
	time.Sleep(quiet)
	for _, m := range p.messages() {
		if match(m) {
			p.t.Errorf("was told %s: %v", what, m)
			return
		}
	}
}

// seen is the newest state of a participant that p was told of, nil before the first.
func (p *probe) seen(identity string) *livekit.ParticipantInfo {
	var newest *livekit.ParticipantInfo
	take := func(infos []*livekit.ParticipantInfo) {
		for _, info := range infos {
			if info.Identity == identity {
				newest = info
			}
		}
	}
	take(p.join.GetOtherParticipants())
	for _, m := range p.messages() {
		take(m.GetUpdate().GetParticipants())
	}
	return newest
}

// awaitParticipant waits until the newest state of a participant matches.
func (p *probe) awaitParticipant(identity, what string, match func(*livekit.ParticipantInfo) bool) *livekit.ParticipantInfo {
	p.t.Helper()
	var info *livekit.ParticipantInfo
	eventually(p.t, identity+" "+what, func() bool {
		info = p.seen(identity)
		return info != nil && match(info)
	})
	return info
}

func gone(info *livekit.ParticipantInfo) bool {
	return info.State == livekit.ParticipantInfo_DISCONNECTED
}

func present(info *livekit.ParticipantInfo) bool { return !gone(info) }

func isLeave(m *livekit.SignalResponse) bool { return m.GetLeave() != nil }
