//go:build unix

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
)

// service is the server run as a service manager runs it: told by signals,
// telling by a socket.
type service struct {
	t      *testing.T
	cmd    *exec.Cmd
	config string
	notify *net.UnixConn
	ended  chan error
	log    *output
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func serve(t *testing.T, config string, environ ...string) *service {
	t.Helper()
	dir := t.TempDir()
	s := &service{t: t, config: filepath.Join(dir, "careline.yaml"), ended: make(chan error, 1), log: new(output)}
	s.write(config)
	socket := filepath.Join(dir, "notify")
	var err error
	if s.notify, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.notify.Close() })
	s.cmd = exec.Command(binary, "serve", "--config", s.config)
	s.cmd.Dir = dir
	s.cmd.Env = environment(append(environ, "NOTIFY_SOCKET="+socket, "CARELINE_HTTP_ADDRESS=127.0.0.1:0", "CARELINE_ADMIN_ADDRESS=",
		"CARELINE_RTC_UDP_PORT=0", "CARELINE_RTC_TCP_PORT=0", "TMPDIR="+dir))
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- s.cmd.Wait() }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	s.hear("READY=1")
	return s
}

func (s *service) write(config string) {
	s.t.Helper()
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// hear waits for what the process tells the service manager next.
func (s *service) hear(want string) {
	s.t.Helper()
	buf := make([]byte, 256)
	_ = s.notify.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := s.notify.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), want) {
		s.t.Fatalf("told %q, %v; want %s; log:\n%s", buf[:n], err, want, s.log)
	}
}

func (s *service) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// wait returns how the process ended.
func (s *service) wait() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(30 * time.Second):
		s.t.Fatalf("the process does not end:\n%s", s.log)
		return nil
	}
}

var servingURL = regexp.MustCompile(`msg=serving url=(\S+)`)

func (s *service) url() string {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if m := servingURL.FindStringSubmatch(s.log.String()); m != nil {
			return m[1]
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the process does not say where it serves:\n%s", s.log)
		}
	}
}

func (s *service) logged(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.log.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("never logged %q:\n%s", text, s.log)
		}
	}
}

func tokenOf(t *testing.T, key, secret string) string {
	t.Helper()
	token, err := lkauth.NewAccessToken(key, secret).SetIdentity("ann").SetValidFor(time.Hour).
		SetVideoGrant(&lkauth.VideoGrant{RoomJoin: true, Room: "tea"}).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (s *service) validate(token string) int {
	s.t.Helper()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(s.url() + "/rtc/validate?access_token=" + token)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

const otherSecret = "Qp7mN2xVb9Kd4Rt6Ws1Zc8Lf3Gh5Jy0e"

func TestHangupReloads(t *testing.T) {
	s := serve(t, "keys: [{id: stays, secret: "+secret+"}]\n")
	address := "ws" + strings.TrimPrefix(s.url(), "http") + "/rtc?protocol=17&access_token=" + tokenOf(t, "stays", secret)
	call, _, err := websocket.DefaultDialer.Dial(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = call.Close() }()
	fresh := tokenOf(t, "fresh", otherSecret)
	if status := s.validate(fresh); status != http.StatusUnauthorized {
		t.Errorf("an unknown key: %d", status)
	}

	s.write("keys: [{id: stays, secret: " + secret + "}, {id: fresh, secret: " + otherSecret + "}]\nregion: north\n")
	s.signal(syscall.SIGHUP)
	s.hear("RELOADING=1\nMONOTONIC_USEC=")
	s.hear("READY=1")
	if status := s.validate(fresh); status != http.StatusOK {
		t.Errorf("the new key: %d", status)
	}
	s.logged("keys=[region]")

	s.write("keys: nonsense\n")
	s.signal(syscall.SIGHUP)
	s.hear("RELOADING=1")
	s.hear("READY=1")
	s.logged("the old one stays")
	if status := s.validate(fresh); status != http.StatusOK {
		t.Errorf("a broken file changed the keys: %d", status)
	}
	if err := call.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)); err != nil {
		t.Errorf("the call was dropped: %v", err)
	}

	s.signal(syscall.SIGTERM)
	s.hear("STOPPING=1")
	if err := s.wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, s.log)
	}
	if strings.Contains(s.log.String(), secret) || strings.Contains(s.log.String(), otherSecret) {
		t.Error("the log shows a secret")
	}
}

// Of a development server whose terminal was closed nothing stays: not even the folder that it kept data in.
func TestHangupStopsDevelopment(t *testing.T) {
	s := serve(t, "development: true\n")
	folders := filepath.Join(filepath.Dir(s.config), "careline-*")
	if found, err := filepath.Glob(folders); err != nil || len(found) != 1 {
		t.Fatalf("folders of data: %q, %v", found, err)
	}
	s.signal(syscall.SIGHUP)
	if err := s.wait(); err != nil {
		t.Errorf("after SIGHUP: %v\n%s", err, s.log)
	}
	if found, err := filepath.Glob(folders); err != nil || len(found) != 0 {
		t.Errorf("left behind: %q, %v", found, err)
	}
}

// A stop that has to wait, here for a receiver of webhooks, is bounded; a
// second signal does not wait at all.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	asked, release := make(chan struct{}, 100), make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer receiver.Close()
	defer close(release)
	s := serve(t, fmt.Sprintf("keys: [{id: a, secret: %s}]\nshutdown_timeout: 10m\nwebhooks: {urls: ['%s']}\n", secret, receiver.URL))
	call, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.url(), "http")+"/rtc?protocol=17&access_token="+tokenOf(t, "a", secret), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = call.Close() }()
	select {
	case <-asked:
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook came")
	}
	s.signal(syscall.SIGTERM)
	s.hear("STOPPING=1")
	s.logged("msg=stopping")
	s.signal(syscall.SIGTERM)
	failure, ok := errors.AsType[*exec.ExitError](s.wait())
	if !ok || failure.ExitCode() != 128+int(syscall.SIGTERM) {
		t.Errorf("ended with %v", failure)
	}
}

func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("this machine has no systemd-analyze")
	}
	unit, err := os.ReadFile("../../deploy/careline.service")
	if err != nil {
		t.Fatal(err)
	}
	installed := strings.Replace(string(unit), "/usr/local/bin/careline", binary, 1)
	path := filepath.Join(t.TempDir(), "careline.service")
	if err := os.WriteFile(path, []byte(installed), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", path).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// 25 is an exposure of 2.5 of 10.
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=25", path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}
