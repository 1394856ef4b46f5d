package api

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"careline/internal/auth"
)

func TestTicketOpensOneFeed(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	r.settled()
	ticket := func() string {
		t.Helper()
		a := r.ask(http.MethodPost, socketPath+"/ticket", r.chatter("bob"), nil)
		var made FeedTicket
		a.into(t, &made)
		if a.status != http.StatusCreated || !strings.HasPrefix(made.Ticket, ticketPrefix) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return made.Ticket
	}
	first := ticket()
	conn, _ := r.dial("", "?access_token="+first)
	if conn == nil {
		t.Fatal("the ticket is refused")
	}
	e := &ear{t, conn}
	e.say(HelloFrame{Frame: Frame{Type: "hello"}})
	e.expect(helloType)
	e.hearsOnly(r, r.chatter("ann"), id)
	s := r.stream("", "?access_token="+ticket())
	s.expect(helloType)
	late := ticket()
	r.clock.Advance(ticketLife)
	for why, query := range map[string]string{
		"used":    "?access_token=" + first,
		"late":    "?access_token=" + late,
		"forged":  "?access_token=" + ticketPrefix + "AAAA",
		"a token": "?access_token=" + r.chatter("bob"),
		"twice":   "?access_token=" + ticket() + "&access_token=" + ticket(),
	} {
		if conn, res := r.dial("", query); conn != nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", why, res.StatusCode)
		}
		if s := r.stream("", query); s.res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %d", why, s.res.StatusCode)
		}
	}
	oldest := ticket()
	for range maxTicketsPerPerson {
		ticket()
	}
	if conn, _ := r.dial("", "?access_token="+oldest); conn != nil {
		t.Error("more tickets of one person wait than may")
	}
}

func TestFeedsAreBounded(t *testing.T) {
	r := newRig(t)
	r.hub.perPerson = 2
	r.settled()
	first, _ := r.listen(r.chatter("ann"), "")
	r.stream(r.chatter("ann"), "").expect(helloType)
	conn, res := r.dial(r.chatter("ann"), "")
	if conn != nil || res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "5" {
		t.Errorf("a third feed: %d %v", res.StatusCode, res.Header)
	}
	r.listen(r.chatter("bob"), "")
	_ = first.conn.Close()
	r.eventually("the place of a feed that ended", func() bool {
		conn, _ := r.dial(r.chatter("ann"), "")
		return conn != nil
	})
}

// TestFeedsOfOneAddressAreBounded: however many people they are of. The address is what a proxy says.
func TestFeedsOfOneAddressAreBounded(t *testing.T) {
	r := newRig(t)
	r.hub.perSource = 2
	r.auth = auth.NewAuthenticator(auth.AuthenticatorConfig{
		Verifier: auth.NewVerifier(r.secrets, r.clock).LimitLifetime(24 * time.Hour), Clock: r.clock, Proxies: auth.Proxies{netip.MustParsePrefix("127.0.0.0/8")},
	})
	r.settled()
	const from, here, there = "X-Forwarded-For", "198.51.100.7", "198.51.100.8"
	socket := func(who, address string) int {
		t.Helper()
		_, res := r.dial(r.chatter(who), "", from, address)
		return res.StatusCode
	}
	stream := func(who, address string) int {
		t.Helper()
		return r.stream(r.chatter(who), "", from, address).res.StatusCode
	}
	if a, b := socket("ann", here), stream("bob", here); a != http.StatusSwitchingProtocols || b != http.StatusOK {
		t.Fatalf("the first two: %d %d", a, b)
	}
	if a, b := socket("carl", here), stream("dora", here); a != http.StatusTooManyRequests || b != http.StatusTooManyRequests {
		t.Errorf("two more of the address: %d %d", a, b)
	}
	if a, b := socket("carl", there), stream("dora", there); a != http.StatusSwitchingProtocols || b != http.StatusOK {
		t.Errorf("of another address: %d %d", a, b)
	}
	if n := r.FeedStats().Refused; n != 2 {
		t.Errorf("%d refused", n)
	}
}

func TestSendsArePaced(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	one, _ := r.listen(r.chatter("ann"), "")
	two, _ := r.listen(r.chatter("ann"), "")
	send := func(e *ear, key string) heard {
		e.say(SendFrame{Frame{"send", key}, id, NewMessage{Text: "x", ClientKey: key}})
		for {
			if h := e.next(); h.Ref == key {
				return h
			}
		}
	}
	for i := range sendsAtOnce {
		e := []*ear{one, two}[i%2]
		if h := send(e, formatSeq(uint64(i))); h.Type != "ack" {
			t.Fatalf("send %d: %+v", i, h.Problem)
		}
	}
	h := send(two, "over")
	if h.Type != "nack" || h.Problem.Code != "rate-limited" || h.RetryAfter <= 0 || h.RetryAfter > sendEvery.Seconds() {
		t.Errorf("%s %+v after %v", h.Type, h.Problem, h.RetryAfter)
	}
	r.clock.Advance(sendEvery)
	if h := send(one, "later"); h.Type != "ack" {
		t.Errorf("%+v", h.Problem)
	}
}

func TestBadFramesEndTheSocket(t *testing.T) {
	r := newRig(t)
	for why, c := range map[string]struct {
		do   func(e *ear)
		code int
	}{
		"too long": {func(e *ear) {
			_ = e.conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat(" ", maxFrame+1)))
		}, websocket.CloseMessageTooBig},
		"binary": {func(e *ear) { _ = e.conn.WriteMessage(websocket.BinaryMessage, []byte("{}")) }, websocket.CloseUnsupportedData},
		"flood": {func(e *ear) {
			for range 3 * framesAhead {
				_ = e.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"pong"}`))
			}
		}, websocket.ClosePolicyViolation},
	} {
		e, _ := r.listen(r.chatter("ann"), "")
		c.do(e)
		if code := e.closed(); code != c.code {
			t.Errorf("%s: closed with %d, want %d", why, code, c.code)
		}
	}
	conn, _ := r.dial(r.chatter("ann"), "")
	e := &ear{t, conn}
	e.say(Frame{Type: "pong"})
	if code := e.closed(); code != closeNoHello {
		t.Errorf("without hello: closed with %d", code)
	}
}

// A socket whose client says nothing for a while is cut; one whose client answers pings stays, however little it has to say.
func TestSilentSocketIsCut(t *testing.T) {
	r := newRig(t)
	r.hub.silence = 2 * time.Second
	silent, _ := r.listen(r.chatter("ann"), "")
	lively, _ := r.listen(r.chatter("bob"), "")
	r.eventually("the end of the silent socket", func() bool {
		if err := lively.conn.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		return r.FeedStats().Sockets < 2
	})
	if _, err := silent.read(); err == nil || websocket.IsCloseError(err) {
		t.Errorf("the silent socket: %v", err)
	}
	if s := r.FeedStats(); s.Sockets != 1 || s.Slow != 0 {
		t.Errorf("%+v", s)
	}
	lively.say(Frame{Type: "pong", Ref: "still there"})
	lively.expect("ack")
}

func TestStopSaysWhenToComeBack(t *testing.T) {
	r := newRig(t)
	e, _ := r.listen(r.chatter("ann"), "")
	s := r.stream(r.chatter("ann"), "")
	s.expect(helloType)
	waiting, _ := r.dial(r.chatter("ann"), "") // says no hello
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.endFeeds()
	}()
	for _, h := range []heard{e.expect(byeType), s.expect(byeType)} {
		var bye byeNews
		if err := json.Unmarshal(h.Data, &bye); err != nil || bye.RetryIn < 0 || bye.RetryIn > retryMost.Milliseconds() {
			t.Errorf("bye %s", h.Data)
		}
	}
	if code := e.closed(); code != websocket.CloseServiceRestart {
		t.Errorf("closed with %d", code)
	}
	if code := (&ear{t, waiting}).closed(); code != websocket.CloseServiceRestart {
		t.Errorf("one that waits was closed with %d", code)
	}
	if _, err := s.next(); err == nil {
		t.Error("the stream goes on")
	}
	<-ended
	if conn, res := r.dial(r.chatter("ann"), ""); conn != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a feed after the end: %d", res.StatusCode)
	}
}

// TestBeats moves the clock: a socket is pinged, a stream gets the id of the place up to which it was told.
func TestBeats(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	e, _ := r.listen(r.chatter("bob"), "")
	s := r.stream(r.chatter("bob"), "")
	s.expect(helloType)
	r.write(r.chatter("ann"), id, "hello")
	told := e.expect("message.created").Cursor
	s.expect("message.created")
	other := r.startChat("carl", "dora") // moves the place, though Bob hears nothing of it
	r.settled()
	pinged := make(chan struct{}, 8)
	answer := e.conn.PingHandler()
	e.conn.SetPingHandler(func(data string) error {
		pinged <- struct{}{}
		return answer(data)
	})
	r.clock.Advance(beatEvery)
	ping := e.expect(pingType)
	<-pinged
	if ping.Cursor == "" || ping.Cursor == told {
		t.Errorf("ping %+v", ping)
	}
	r.write(r.chatter("ann"), id, "more")
	s.expect("message.created")
	r.write(r.chatter("carl"), other, "not for Bob")
	again, _ := r.listen(r.chatter("bob"), ping.Cursor)
	if m := again.expect("message.created").message(t); m.Text != "more" {
		t.Errorf("resumed behind a ping: %+v", m)
	}
}

func TestLogoutEndsTheFeedsOfASession(t *testing.T) {
	r := newRig(t)
	holds := true
	who := follower{r.followerOf("ann").caller, r.clock.Now().Add(time.Hour), func() bool { return holds }}
	text, _, err := r.tickets.issue(who)
	if err != nil {
		t.Fatal(err)
	}
	r.settled()
	conn, _ := r.dial("", "?access_token="+text)
	e := &ear{t, conn}
	e.say(HelloFrame{Frame: Frame{Type: "hello"}})
	e.expect(helloType)
	other, _ := r.listen(r.chatter("ann"), "")
	holds = false
	r.Recheck()
	if code := e.closed(); code != closeExpired {
		t.Errorf("closed with %d", code)
	}
	id := r.startChat("ann", "bob")
	for {
		if h := other.next(); h.Conv == id {
			break
		}
	}
}

func (r *rig) followerOf(identity string) follower {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.chatToken(identity, auth.Rights{Permissions: everyPermission()}))
	who, err := r.follow(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return who
}
