package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/internal/clock"
	"careline/server"
)

func mint(t *testing.T, key, secret, identity string) string {
	t.Helper()
	token, err := lkauth.NewAccessToken(key, secret).SetIdentity(identity).SetValidFor(time.Hour).
		SetVideoGrant(&lkauth.VideoGrant{RoomJoin: true, Room: "tea"}).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (i *instance) reload(environ ...string) error {
	i.t.Helper()
	return i.Reload(development(i.t, environ...))
}

// alive asks a session for an answer.
func alive(t *testing.T, c *websocket.Conn) {
	t.Helper()
	ping, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WriteMessage(websocket.BinaryMessage, ping); err != nil {
		t.Fatalf("the session is gone: %v", err)
	}
	for {
		m := read(t, c)
		if _, ok := m.Message.(*livekit.SignalResponse_Pong); ok {
			return
		}
		if m.GetLeave() != nil {
			t.Fatalf("the session was ended: %v", m)
		}
	}
}

func TestReloadKeys(t *testing.T) {
	s := start(t, development(t, "CARELINE_KEYS=old: oldsecret, both: bothsecret"))
	status := func(token string) int {
		t.Helper()
		code, _ := get(t, s.URL()+"/rtc/validate?access_token="+token)
		return code
	}
	stays, goes := dial(t, s, mint(t, "both", "bothsecret", "ann")), dial(t, s, mint(t, "old", "oldsecret", "bob"))
	alive(t, stays)
	alive(t, goes)
	if code := status(mint(t, "new", "newsecret", "cy")); code != http.StatusUnauthorized {
		t.Errorf("a key of the future is taken: %d", code)
	}

	if err := s.reload("CARELINE_KEYS=new: newsecret, both: bothsecret"); err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]int{
		mint(t, "new", "newsecret", "cy"): http.StatusOK, mint(t, "both", "bothsecret", "cy"): http.StatusOK, mint(t, "old", "oldsecret", "cy"): http.StatusUnauthorized,
	} {
		if code := status(token); code != want {
			t.Errorf("after the reload: status %d, want %d", code, want)
		}
	}
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	if code := status(call.Links[0].Token); code != http.StatusOK {
		t.Errorf("the server signs with a key that is gone: %d", code)
	}
	alive(t, stays)
	for read(t, goes).GetLeave() == nil { // the session of the key that is gone ends
	}
	if !strings.Contains(s.log.String(), `msg="configuration reloaded" changed=[keys]`) {
		t.Errorf("log: %s", s.log.String())
	}
}

func TestReloadSaysWhatWaits(t *testing.T) {
	s := start(t, development(t, "CARELINE_LOG_LEVEL=warn"))
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s, call.Links[0].Token)
	if strings.Contains(s.log.String(), "room created") {
		t.Fatalf("level warn logs what is of level info: %s", s.log.String())
	}
	if err := s.reload("CARELINE_LOG_LEVEL=info", "CARELINE_ROOM_MAX_PARTICIPANTS=5", "CARELINE_HTTP_TLS_MODE=self"); err != nil {
		t.Fatal(err)
	}
	log := s.log.String()
	for _, want := range []string{"not in effect before a restart", `keys="[http.tls.mode room.max_participants]"`, "changed=[log.level]"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log: %s", want, log)
		}
	}
	alive(t, c)

	// The same again changes nothing, but still waits.
	if err := s.reload("CARELINE_LOG_LEVEL=info", "CARELINE_ROOM_MAX_PARTICIPANTS=5", "CARELINE_HTTP_TLS_MODE=self"); err != nil {
		t.Fatal(err)
	}
	if log = strings.TrimPrefix(s.log.String(), log); !strings.Contains(log, "changed=[]") || !strings.Contains(log, "room.max_participants") {
		t.Errorf("the second reload says %s", log)
	}
}

// certificate writes a pair of files for name; it is valid until expires.
func certificate(t *testing.T, dir, name string, expires time.Time) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: expires,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// shown returns the name in the certificate that a new connection is shown.
func shown(t *testing.T, s *instance) string {
	t.Helper()
	conn, err := tls.Dial("tcp", s.HTTPAddr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestReloadCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir, "first.example", time.Now().Add(time.Hour))
	environ := []string{"CARELINE_HTTP_TLS_MODE=files", "CARELINE_HTTP_TLS_CERT_FILE=" + cert, "CARELINE_HTTP_TLS_KEY_FILE=" + key, "CARELINE_ADMIN_ADDRESS=127.0.0.1:0"}
	s := start(t, development(t, environ...))
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	dialer := *websocket.DefaultDialer
	dialer.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	c, _, err := dialer.Dial("wss"+strings.TrimPrefix(s.URL(), "https")+"/rtc?protocol=17&access_token="+call.Links[0].Token, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if name := shown(t, s); name != "first.example" {
		t.Fatalf("shown %s", name)
	}

	expires := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	certificate(t, dir, "second.example", expires)
	if err := s.reload(environ...); err != nil {
		t.Fatal(err)
	}
	if name := shown(t, s); name != "second.example" {
		t.Errorf("after the reload: %s", name)
	}
	if got := metric(t, s, "careline_tls_certificate_expiry_timestamp_seconds"); got != float64(expires.Unix()) {
		t.Errorf("the metric tells %v, want %d", got, expires.Unix())
	}
	alive(t, c)

	if err := os.WriteFile(key, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.reload(append(environ, "CARELINE_KEYS=new: newsecret")...); err == nil || !strings.Contains(err.Error(), "http.tls.cert_file") {
		t.Errorf("a broken file: %v", err)
	}
	if name := shown(t, s); name != "second.example" {
		t.Errorf("after a failed reload: %s", name)
	}
	if code, _ := get(t, s.URL()+"/rtc/validate?access_token="+call.Links[0].Token); code != http.StatusOK {
		t.Errorf("a failed reload changed the keys: %d", code)
	}
	alive(t, c)
}

func TestChangedCertificateFilesAreFound(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir, "first.example", time.Now().Add(time.Hour))
	cfg := development(t, "CARELINE_HTTP_TLS_MODE=files", "CARELINE_HTTP_TLS_CERT_FILE="+cert, "CARELINE_HTTP_TLS_KEY_FILE="+key)
	fake := clock.NewFake(time.Now())
	i := startWith(t, cfg, server.Options{Clock: fake})
	certificate(t, dir, "second.example", time.Now().Add(time.Hour))
	later := time.Now().Add(time.Minute) // a file system's clock may be coarse
	for _, name := range []string{cert, key} {
		if err := os.Chtimes(name, later, later); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); shown(t, i) != "second.example"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the new certificate is not shown: %s", i.log.String())
		}
		fake.Advance(time.Minute)
	}
}
