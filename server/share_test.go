package server_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TURN and HTTPS on one port: told apart by the protocol that a client names,
// or by its first byte.
func TestSharedPort(t *testing.T) {
	s := start(t, development(t, "CARELINE_HTTP_TLS_MODE=self", "CARELINE_TURN_SHARE_HTTPS_PORT=true"))
	dial := func(protocols ...string) *tls.Conn {
		conn, err := tls.Dial("tcp", s.HTTPAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		return conn
	}
	binding := make([]byte, 20)
	binary.BigEndian.PutUint16(binding, 1)
	binary.BigEndian.PutUint32(binding[4:], 0x2112A442)
	for _, protocols := range [][]string{{"stun.turn"}, nil} {
		conn := dial(protocols...)
		if _, err := conn.Write(binding); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, 32)
		if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 1 || answer[1] != 1 {
			t.Errorf("%v: STUN got %x: %v", protocols, answer, err)
		}
	}
	for _, protocols := range [][]string{{"http/1.1"}, nil} {
		conn := dial(protocols...)
		if _, err := conn.Write([]byte("GET /rtc/validate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 401 ") {
			t.Errorf("%v: HTTP got %q: %v", protocols, answer, err)
		}
	}
	two := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer two.CloseIdleConnections()
	res, err := two.Get(s.URL() + "/")
	if err != nil || res.ProtoMajor != 2 || res.StatusCode != http.StatusOK {
		t.Fatalf("HTTP/2: %v, %v", res, err)
	}
	_ = res.Body.Close()
	// gorilla's client names no protocol: a WebSocket behind a first byte that was read already.
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	socket, answer, err := dialer.Dial(strings.Replace(s.URL(), "http", "ws", 1)+"/rtc?access_token=none", nil)
	if err == nil {
		_ = socket.Close()
	}
	if answer == nil || answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("WebSocket: %v, %v", answer, err)
	}
	if stats := s.TURN(); stats.ConnectionsTaken != 2 {
		t.Errorf("%d connections went to the relay", stats.ConnectionsTaken)
	}
	// Who says nothing does not hold up the end.
	dial()
	dial("http/1.1")
}

// What clients are told of are the ports that are open.
func TestAnnouncedPorts(t *testing.T) {
	for name, c := range map[string]struct {
		environ []string
		want    func(s *instance, urls string) bool
	}{
		"default": {nil, func(s *instance, urls string) bool {
			return strings.Contains(urls, "?transport=udp") && strings.Contains(urls, "?transport=tcp") && !strings.Contains(urls, "turns:")
		}},
		"TLS": {[]string{"CARELINE_HTTP_TLS_MODE=self", "CARELINE_TURN_HOST=turn.example.org"}, func(s *instance, urls string) bool {
			return strings.Contains(urls, "turns:turn.example.org:") && strings.Contains(urls, "turn:turn.example.org:")
		}},
		"one transport": {[]string{"CARELINE_TURN_TRANSPORTS=tcp"}, func(s *instance, urls string) bool {
			return strings.Contains(urls, "?transport=tcp") && !strings.Contains(urls, "udp") && !strings.Contains(urls, "turns:")
		}},
		"shared": {[]string{"CARELINE_HTTP_TLS_MODE=self", "CARELINE_TURN_SHARE_HTTPS_PORT=true", "CARELINE_TURN_HOST=x.example"}, func(s *instance, urls string) bool {
			_, port, _ := strings.Cut(s.HTTPAddr().String(), ":")
			return strings.Contains(urls, "turns:x.example:"+port+"?")
		}},
		"off": {[]string{"CARELINE_TURN_ENABLED=false"}, func(s *instance, urls string) bool { return urls == "" }},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, development(t, c.environ...))
			urls := ""
			if list := s.ICEServers("PA_x"); len(list) > 0 {
				urls = strings.Join(list[0].Urls, " ")
			}
			if !c.want(s, urls) {
				t.Errorf("clients are told %q", urls)
			}
		})
	}
}
