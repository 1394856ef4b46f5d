package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"careline/configs"
	"careline/internal/notices"
	"careline/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logs collects what a server logs.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type instance struct {
	*server.Server
	t    *testing.T
	log  *logs
	stop context.CancelFunc
	err  chan error
}

// development returns a configuration on free loopback ports.
func development(t *testing.T, environ ...string) *configs.Config {
	t.Helper()
	cfg, err := configs.Load(configs.LoadOptions{Dev: true, Environ: append([]string{
		"CARELINE_HTTP_ADDRESS=127.0.0.1:0", "CARELINE_RTC_UDP_PORT=0", "CARELINE_RTC_TCP_PORT=0",
		"CARELINE_TURN_UDP_PORT=0", "CARELINE_TURN_TCP_PORT=0", "CARELINE_TURN_TLS_PORT=0", "CARELINE_SHUTDOWN_TIMEOUT=5s",
	}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func start(t *testing.T, cfg *configs.Config) *instance {
	t.Helper()
	return startWith(t, cfg, server.Options{})
}

func startWith(t *testing.T, cfg *configs.Config, opts server.Options) *instance {
	t.Helper()
	i := &instance{t: t, log: new(logs), err: make(chan error, 1)}
	var err error
	level := new(slog.LevelVar)
	level.Set(cfg.Log.SlogLevel())
	opts.Logger, opts.LogLevel = slog.New(slog.NewTextHandler(i.log, &slog.HandlerOptions{Level: level})), level
	i.Server, err = server.New(cfg, opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	i.stop = cancel
	go func() { i.err <- i.Run(ctx) }()
	t.Cleanup(i.end)
	return i
}

// end stops the server and reports an unclean end, once.
func (i *instance) end() {
	i.stop()
	if err, ok := <-i.err; ok && err != nil {
		i.t.Errorf("the server ended with: %v", err)
	}
	i.stop = func() {}
	select {
	case <-i.err:
	default:
		close(i.err)
	}
}

func client(t *testing.T) *http.Client {
	c := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := client(t).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestRoutes(t *testing.T) {
	s := start(t, development(t))
	for path, want := range map[string]int{
		"/":                  http.StatusOK,
		"/rtc/validate":      http.StatusUnauthorized,
		"/rtc/v1/validate":   http.StatusUnauthorized,
		"//rtc/validate":     http.StatusUnauthorized,
		"//rtc//v1/validate": http.StatusUnauthorized,
		"/rtc":               http.StatusNotFound, // no upgrade
		"/rtcx":              http.StatusNotFound,
		"/dev/call":          http.StatusMethodNotAllowed,
		"/nothing":           http.StatusNotFound,

		"/third-party-notices": wantNotices(),
	} {
		if got, _ := get(t, s.URL()+path); got != want {
			t.Errorf("%s: status %d, want %d", path, got, want)
		}
	}
}

// wantNotices depends on how the test was built.
func wantNotices() int {
	if notices.Write(io.Discard) != nil {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

func TestTwoServersInOneProcess(t *testing.T) {
	a, b := start(t, development(t)), start(t, development(t, "CARELINE_KEYS=other: othersecret"))
	if a.URL() == b.URL() || a.UDPPort() == b.UDPPort() {
		t.Fatalf("ports collide: %s %d, %s %d", a.URL(), a.UDPPort(), b.URL(), b.UDPPort())
	}
	call, err := a.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	validate := "/rtc/validate?access_token=" + call.Links[0].Token
	if status, body := get(t, a.URL()+validate); status != http.StatusOK {
		t.Errorf("own token: %d %s", status, body)
	}
	if status, _ := get(t, b.URL()+validate); status != http.StatusUnauthorized {
		t.Errorf("the other server takes the token: %d", status)
	}
	a.end()
	if status, _ := get(t, b.URL()+"/"); status != http.StatusOK {
		t.Errorf("the end of one server took the other along: %d", status)
	}
}

func postCall(t *testing.T, s *instance, body string, set func(*http.Request)) (int, *server.Call) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL()+"/dev/call", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if set != nil {
		set(req)
	}
	res, err := client(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	call := new(server.Call)
	if res.StatusCode == http.StatusOK {
		if err := json.NewDecoder(res.Body).Decode(call); err != nil {
			t.Fatal(err)
		}
		if res.Header.Get("Cache-Control") != "no-store" {
			t.Error("tokens may be cached")
		}
	}
	return res.StatusCode, call
}

func TestDevCall(t *testing.T) {
	s := start(t, development(t))
	_, first := postCall(t, s, `{"room":""}`, nil)
	_, second := postCall(t, s, `{}`, nil)
	if len(first.Room) < 20 || first.Room == second.Room {
		t.Errorf("rooms %q and %q can be guessed", first.Room, second.Room)
	}
	if len(first.Links) != 2 || first.Links[0].Identity == first.Links[1].Identity {
		t.Fatalf("links %+v", first.Links)
	}
	for _, link := range first.Links {
		if link.URL != "/call#token="+link.Token || link.Name == "" {
			t.Errorf("link %+v", link)
		}
		if status, body := get(t, s.URL()+"/rtc/validate?access_token="+link.Token); status != http.StatusOK {
			t.Errorf("%s: %d %s", link.Identity, status, body)
		}
	}
	if _, named := postCall(t, s, `{"room":"tea"}`, nil); named.Room != "tea" {
		t.Errorf("room %q, want tea", named.Room)
	}

	for kind, want := range map[string]int{"direct": 2, "conference": 3, "broadcast": 3} {
		_, made := postCall(t, s, `{"kind":"`+kind+`","title":"tea"}`, nil)
		if len(made.Links) != want {
			t.Fatalf("%s: links %+v", kind, made.Links)
		}
		for i, link := range made.Links {
			invited := kind != "direct" && i == len(made.Links)-1
			if invited != strings.HasPrefix(link.URL, "/call#invite=") || invited == (link.Token != "") || link.Role == "" {
				t.Errorf("%s: link %+v", kind, link)
			}
			if status, body := get(t, s.URL()+"/rtc/validate?access_token="+link.Token); !invited && status != http.StatusOK {
				t.Errorf("%s, %s: %d %s", kind, link.Identity, status, body)
			}
		}
	}

	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		body string
		set  func(*http.Request)
		want int
	}{
		"no JSON":           {`room`, nil, http.StatusBadRequest},
		"unknown member":    {`{"rooms":"a"}`, nil, http.StatusBadRequest},
		"too long":          {`{"room":"` + strings.Repeat("r", 65) + `"}`, nil, http.StatusBadRequest},
		"control character": {`{"room":"a\u0000"}`, nil, http.StatusBadRequest},
		"kind and room":     {`{"kind":"direct","room":"a"}`, nil, http.StatusBadRequest},
		"no such kind":      {`{"kind":"party"}`, nil, http.StatusBadRequest},
		"endless":           {strings.Repeat(" ", 5<<10) + `{}`, nil, http.StatusBadRequest},
		"another site":      {`{}`, header("Sec-Fetch-Site", "cross-site"), http.StatusForbidden},
		"another origin":    {`{}`, header("Origin", "https://evil.example"), http.StatusForbidden},
		"another name":      {`{}`, func(r *http.Request) { r.Host = "evil.example" }, http.StatusForbidden},
		"localhost":         {`{}`, func(r *http.Request) { r.Host = "localhost:7880" }, http.StatusOK},
	} {
		if got, _ := postCall(t, s, c.body, c.set); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
	}
}

func TestProductionMintsForNobody(t *testing.T) {
	cfg, err := configs.Load(configs.LoadOptions{Environ: []string{
		"CARELINE_KEYS=prod: Zk3vQ9wLr8Tn2Xb7Hs5Jd1Fg6Py4Cm0a",
		"CARELINE_HTTP_ADDRESS=127.0.0.1:0", "CARELINE_ADMIN_ADDRESS=", "CARELINE_RTC_UDP_PORT=0", "CARELINE_RTC_TCP_PORT=0",
		"CARELINE_TURN_UDP_PORT=0", "CARELINE_TURN_TCP_PORT=0", "CARELINE_TURN_TLS_PORT=0", "CARELINE_DATA_DIR=" + t.TempDir(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, cfg)
	if status, _ := postCall(t, s, `{}`, nil); status == http.StatusOK {
		t.Error("anybody gets a token")
	}
	if status, body := get(t, s.URL()+"/"); status != http.StatusOK || strings.TrimSpace(body) != "OK" {
		t.Errorf("/ answers %d %q", status, body)
	}
	if strings.Contains(s.log.String(), "DEVELOPMENT") {
		t.Error("production calls itself development")
	}
}

func TestDevelopmentSaysSo(t *testing.T) {
	s := start(t, development(t))
	get(t, s.URL()+"/")
	if log := s.log.String(); !strings.Contains(log, "level=WARN msg=\"DEVELOPMENT MODE") || !strings.Contains(log, "loopback_candidates=true") {
		t.Errorf("log: %s", log)
	}
}

func TestTokensStayOutOfTheLog(t *testing.T) {
	s := start(t, development(t, "CARELINE_LOG_LEVEL=debug"))
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	good := call.Links[0].Token
	for _, token := range []string{good, good[:len(good)-4] + "AAAA", "hunter2.hunter2.hunter2"} {
		for _, path := range []string{"/rtc/validate", "/rtc/v1/validate", "/rtc", "/call", "/nothing"} {
			_, body := get(t, s.URL()+path+"?access_token="+token)
			if strings.Contains(body, token) {
				t.Errorf("%s repeats the token", path)
			}
		}
	}
	dial(t, s, good)
	s.end()
	for _, part := range append(strings.Split(good, "."), "hunter2") {
		if strings.Contains(s.log.String(), part) {
			t.Errorf("the log holds %q", part)
		}
	}
}

// dial is join with a socket that is closed at the end of the test.
func dial(t *testing.T, s *instance, token string) *websocket.Conn {
	t.Helper()
	c := join(t, s, token)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// join joins by signalling and returns the socket after the join response.
func join(t *testing.T, s *instance, token string) *websocket.Conn {
	t.Helper()
	address := "ws" + strings.TrimPrefix(s.URL(), "http") + "/rtc?protocol=17&access_token=" + token
	c, res, err := websocket.DefaultDialer.Dial(address, nil)
	if err != nil {
		t.Fatalf("dial: %v (%v)", err, res)
	}
	if m := read(t, c); m.GetJoin() == nil {
		t.Fatalf("the first message is %v", m)
	}
	return c
}

func read(t *testing.T, c *websocket.Conn) *livekit.SignalResponse {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, data, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	m := new(livekit.SignalResponse)
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestStopTellsClients(t *testing.T) {
	s := start(t, development(t))
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s, call.Links[0].Token)
	ping, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WriteMessage(websocket.BinaryMessage, ping); err != nil {
		t.Fatal(err)
	}
	for { // the answer shows that the session is fully set up
		if _, ok := read(t, c).Message.(*livekit.SignalResponse_Pong); ok {
			break
		}
	}
	s.stop()
	for {
		leave := read(t, c).GetLeave()
		if leave == nil {
			continue
		}
		if leave.Reason != livekit.DisconnectReason_SERVER_SHUTDOWN {
			t.Errorf("reason %v", leave.Reason)
		}
		if leave.Action != livekit.LeaveRequest_RECONNECT {
			t.Errorf("action %v: nobody comes back after a restart", leave.Action)
		}
		break
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("closed with %v", err)
	}
	s.end()
	if conn, err := net.Dial("tcp", s.HTTPAddr().String()); err == nil {
		_ = conn.Close()
		t.Error("the port is still open")
	}
}

func TestSelfSignedTLS(t *testing.T) {
	s := start(t, development(t, "CARELINE_HTTP_TLS_MODE=self"))
	if !s.TLS() || !strings.HasPrefix(s.URL(), "https://localhost:") {
		t.Fatalf("URL %s", s.URL())
	}
	conn, err := tls.Dial("tcp", s.HTTPAddr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	cert := conn.ConnectionState().PeerCertificates[0]
	_ = conn.Close()
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", strings.ToLower(hostname)} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if cert.PublicKeyAlgorithm != x509.ECDSA || cert.NotAfter.Sub(cert.NotBefore) > 398*24*time.Hour {
		t.Errorf("%v, valid for %v", cert.PublicKeyAlgorithm, cert.NotAfter.Sub(cert.NotBefore))
	}
	if status, _ := get(t, s.URL()+"/"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

func TestLocalhostIsBothLoopbacks(t *testing.T) {
	s := start(t, development(t, "CARELINE_HTTP_ADDRESS=localhost:0"))
	u, err := url.Parse(s.URL())
	if err != nil || u.Hostname() != "localhost" {
		t.Fatalf("URL %s, %v", s.URL(), err)
	}
	hosts := []string{"127.0.0.1"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		_ = l.Close()
		hosts = append(hosts, "::1")
	}
	for _, host := range hosts {
		if status, _ := get(t, "http://"+net.JoinHostPort(host, u.Port())+"/"); status != http.StatusOK {
			t.Errorf("%s: status %d", host, status)
		}
	}
}

func TestURLs(t *testing.T) {
	all := start(t, development(t, "CARELINE_HTTP_ADDRESS=:0"))
	if urls := all.URLs(); !strings.HasPrefix(urls[0], "http://localhost:") {
		t.Errorf("URLs %v", urls)
	}
	one := start(t, development(t, "CARELINE_HTTP_ADDRESS=127.0.0.2:0"))
	if urls := one.URLs(); !slices.Equal(urls, []string{"http://" + one.HTTPAddr().String()}) {
		t.Errorf("URLs %v", urls)
	}
}

func TestTakenPorts(t *testing.T) {
	tcp, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	udp, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	tcpPort := strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port)
	for key, variable := range map[string]string{
		"http.address":   "CARELINE_HTTP_ADDRESS=127.0.0.1:" + tcpPort,
		"rtc.tcp_port":   "CARELINE_RTC_TCP_PORT=" + tcpPort,
		"rtc.udp_port":   fmt.Sprintf("CARELINE_RTC_UDP_PORT=%d", udp.LocalAddr().(*net.UDPAddr).Port),
		"http.address: ": "CARELINE_HTTP_ADDRESS=192.0.2.1:0",
	} {
		_, err := server.New(development(t, variable), server.Options{Logger: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func TestBadCertificate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pem")
	if err := os.WriteFile(path, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := development(t, "CARELINE_HTTP_TLS_MODE=files", "CARELINE_HTTP_TLS_CERT_FILE="+path, "CARELINE_HTTP_TLS_KEY_FILE="+path)
	if _, err := server.New(cfg, server.Options{Logger: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "http.tls.cert_file") {
		t.Errorf("%v", err)
	}
}

func TestCloseWithoutRun(t *testing.T) {
	s, err := server.New(development(t), server.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	address := s.HTTPAddr().String()
	s.Close()
	s.Close()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	_ = l.Close()
}

func TestSlowHeaderIsCut(t *testing.T) {
	plain := freePort(t)
	s := start(t, development(t, "CARELINE_HTTP_READ_HEADER_TIMEOUT=200ms", "CARELINE_ADMIN_ADDRESS=127.0.0.1:0"))
	secure := start(t, development(t, "CARELINE_HTTP_READ_HEADER_TIMEOUT=200ms", "CARELINE_HTTP_TLS_MODE=acme", "CARELINE_HTTP_TLS_ACME_HOSTS="+calls,
		"CARELINE_HTTP_TLS_ACME_DIRECTORY=http://127.0.0.1:1/", "CARELINE_HTTP_TLS_ACME_HTTP_ADDRESS="+plain))
	for _, address := range []string{s.HTTPAddr().String(), s.AdminAddr().String(), secure.HTTPAddr().String(), plain} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		half := "GET / HTTP/1.1\r\nHost: x\r\nX-"
		if address == secure.HTTPAddr().String() {
			half = "\x16\x03\x01\x02\x00" // of a handshake
		}
		if _, err := io.WriteString(conn, half); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if rest, err := io.ReadAll(conn); err != nil {
			t.Errorf("%s keeps a half request: %q, %v", address, rest, err)
		}
	}
}
