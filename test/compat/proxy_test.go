package compat

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/configs"
)

// The proxies of deploy/ are run as they are written, except for ports and
// files: a client joins through each, with an offer in the URL as long as they
// get, and the server learns the client's address and not what it claims.
func TestProxies(t *testing.T) {
	for name, proxy := range map[string]func(t *testing.T, dir, front, back string) *exec.Cmd{"nginx": nginx, "caddy": caddy} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skip("this machine has no " + name)
			}
			log := new(written)
			r := start(t, setup{log: log, change: func(c *configs.Config) {
				c.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
				c.Log.Requests = true
			}})
			secure := &tls.Config{InsecureSkipVerify: true, ServerName: "calls.example.org"}
			front, output := run(t, secure, func(front string) *exec.Cmd { return proxy(t, t.TempDir(), front, r.server.HTTPAddr().String()) })

			dialer := &websocket.Dialer{
				TLSClientConfig: secure, HandshakeTimeout: patience,
				NetDial: func(network, _ string) (net.Conn, error) {
					return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial(network, front)
				},
			}
			header := http.Header{"X-Forwarded-For": {"203.0.113.66"}, "Forwarded": {"for=203.0.113.67"}}
			url := "wss://calls.example.org/rtc?protocol=17&access_token=" + token(t, "ann", grant("ward")) + "&padding=" + strings.Repeat("x", 30_000)
			conn, response, err := dialer.Dial(url, header)
			if err != nil {
				t.Fatalf("join: %v, %v\n%s", err, response, output)
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			_, data, err := conn.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			first := new(livekit.SignalResponse)
			if err := proto.Unmarshal(data, first); err != nil || first.GetJoin().GetParticipant().GetIdentity() != "ann" {
				t.Fatalf("the first message is %v, %v", first, err)
			}
			_ = conn.Close()
			eventually(t, "the request is logged", func() bool { return strings.Contains(log.String(), "path=/rtc ") })
			if text := log.String(); !strings.Contains(text, "from=127.0.0.2") || strings.Contains(text, "203.0.113.6") {
				t.Errorf("the client's address is lost:\n%s", text)
			}
			if strings.Contains(output.String(), "access_token") {
				t.Errorf("%s logs the token:\n%s", name, output)
			}
		})
	}
}

// run starts a proxy and waits until it shows its certificate. Somebody else
// may take the port before it does; it is then given another one.
func run(t *testing.T, secure *tls.Config, command func(front string) *exec.Cmd) (front string, output *written) {
	t.Helper()
	for range 5 {
		front, output = freeAddress(t), new(written)
		cmd := command(front)
		cmd.Stdout, cmd.Stderr = output, output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = cmd.Wait()
			close(ended)
		}()
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-ended
		})
		over := false
		for deadline := time.Now().Add(patience); !over && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if conn, err := tls.Dial("tcp", front, secure); err == nil {
				_ = conn.Close()
				return front, output
			}
			select {
			case <-ended:
				over = true
			default:
			}
		}
		if !over {
			break
		}
	}
	t.Fatalf("the proxy does not listen:\n%s", output)
	return "", nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// deployed returns a file of deploy/ with replacements, each of which must be
// there.
func deployed(t *testing.T, name string, replacements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(out, replacements[i]) {
			t.Fatalf("%s does not say %q", name, replacements[i])
		}
		out = strings.ReplaceAll(out, replacements[i], replacements[i+1])
	}
	return out
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func nginx(t *testing.T, dir, front, back string) *exec.Cmd {
	t.Helper()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	selfSigned(t, cert, key)
	site := deployed(t, "nginx.conf", "127.0.0.1:7880;", back+";", "  listen [::]:443 ssl http2;\n", "", "listen 443", "listen "+front,
		"/etc/careline/tls.crt", cert, "/etc/careline/tls.key", key)
	temporary := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	path := filepath.Join(dir, "nginx.conf")
	put(t, path, fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr info;\nevents {}\nhttp {\n%s%s}\n", dir, temporary, site))
	return exec.Command("nginx", "-p", dir, "-c", path)
}

func caddy(t *testing.T, dir, front, back string) *exec.Cmd {
	t.Helper()
	_, port, err := net.SplitHostPort(front)
	if err != nil {
		t.Fatal(err)
	}
	site := deployed(t, "Caddyfile", "reverse_proxy 127.0.0.1:7880", "tls internal\n\tbind 127.0.0.1\n\treverse_proxy "+back, "calls.example.org {", "calls.example.org:"+port+" {")
	path := filepath.Join(dir, "Caddyfile")
	put(t, path, "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n\tstorage file_system "+dir+"\n}\n"+site)
	cmd := exec.Command("caddy", "run", "--adapter", "caddyfile", "--config", path)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	return cmd
}

func selfSigned(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"calls.example.org"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	put(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}
