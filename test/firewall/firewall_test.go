// Package firewall holds no code: its tests put a server and its clients into network namespaces of their own, with a firewall between them
// that lets only one way through. They need Linux, root and iproute2; where that is not there, they are skipped.
package firewall

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
)

const (
	serverIP = "10.77.0.1"
	clientIP = "10.77.0.2"
	patience = 90 * time.Second
)

// network is a server's and a client's namespace, joined by a cable.
type network struct {
	t              *testing.T
	server, client string // names of the namespaces
	rules          int
}

// lay makes the network, or skips the test where that is not possible.
func lay(t *testing.T) *network {
	t.Helper()
	name := fmt.Sprintf("careline-%d-%x", os.Getpid(), time.Now().UnixNano()&0xffff)
	n := &network{t: t, server: name + "-s", client: name + "-c"}
	if out, err := exec.Command("ip", "netns", "add", n.server).CombinedOutput(); err != nil {
		t.Skipf("no network namespaces here: %v %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", n.server).Run() })
	n.ip("netns", "add", n.client)
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", n.client).Run() })
	n.ip("link", "add", "cable", "netns", n.server, "type", "veth", "peer", "name", "cable", "netns", n.client)
	for name, address := range map[string]string{n.server: serverIP, n.client: clientIP} {
		n.ip("-n", name, "addr", "add", address+"/24", "dev", "cable")
		n.ip("-n", name, "link", "set", "lo", "up")
		n.ip("-n", name, "link", "set", "cable", "up")
	}
	// What is asked before the table of own addresses works as a filter of what comes in.
	n.ip("-n", n.server, "rule", "add", "pref", "1000", "lookup", "local")
	n.ip("-n", n.server, "rule", "del", "pref", "0")
	return n
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// open lets a protocol and port of the server through.
func (n *network) open(protocol string, port int) {
	n.rules++
	n.ip("-n", n.server, "rule", "add", "pref", fmt.Sprint(n.rules), "iif", "cable", "ipproto", protocol, "dport", fmt.Sprint(port), "lookup", "local")
}

// shut drops everything else, without a word.
func (n *network) shut(protocols ...string) {
	for i, protocol := range protocols {
		n.ip("-n", n.server, "rule", "add", "pref", fmt.Sprint(900+i), "iif", "cable", "ipproto", protocol, "blackhole")
	}
}

func (n *network) command(namespace string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", namespace}, args...)...)
}

// programs are built once for all tests.
type programs struct{ careline, client string }

func build(t *testing.T) programs {
	t.Helper()
	dir := t.TempDir()
	p := programs{filepath.Join(dir, "careline"), filepath.Join(dir, "callclient")}
	for out, source := range map[string]string{p.careline: "careline/cmd/careline", p.client: "careline/test/firewall/callclient"} {
		if text, err := exec.Command("go", "build", "-o", out, source).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", source, err, text)
		}
	}
	return p
}

// certificate writes a certificate for the server's address and its key.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "firewall test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.ParseIP(serverIP)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// Media finds each way through a firewall that leaves only that one open. ICE over TCP is Chromium's to show (firewall.spec.ts): the Go SDK
// does not speak it.
func TestOneWayOpen(t *testing.T) {
	p := build(t)
	for _, c := range []struct {
		name, protocol string
		port           int
		share          bool
	}{
		{"TURN over UDP", "udp", 3478, false},
		{"TURN over TCP", "tcp", 3478, false},
		{"TURN over TLS", "tcp", 5349, false},
		{"the HTTPS port alone", "tcp", 443, true},
	} {
		for _, mode := range []string{"dual", "single"} {
			t.Run(c.name+", "+mode, func(t *testing.T) {
				t.Parallel()
				n := lay(t)
				s := n.serve(p, c.share)
				n.open("tcp", 443) // signalling
				n.open(c.protocol, c.port)
				n.shut("udp", "tcp")
				call := n.call(p, s, mode)
				call.media()
				call.end()
			})
		}
	}
}

// When UDP is cut in the middle of a call, media comes back another way.
func TestUDPCut(t *testing.T) {
	p := build(t)
	for _, mode := range []string{"dual", "single"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			n := lay(t)
			s := n.serve(p, false)
			call := n.call(p, s, mode)
			call.media()
			n.shut("udp")
			begin := time.Now()
			time.Sleep(time.Second) // what is still on its way
			if _, err := io.WriteString(call.input, "\n"); err != nil {
				t.Fatal(err)
			}
			call.media()
			t.Logf("media was back %v after UDP was cut", time.Since(begin).Round(10*time.Millisecond))
			call.end()
		})
	}
}

type service struct {
	n    *network
	cert string
}

// serve runs a server as an operator would, behind the cable.
func (n *network) serve(p programs, share bool) *service {
	n.t.Helper()
	dir := n.t.TempDir()
	cert, key := certificate(n.t, dir)
	cmd := n.command(n.server, p.careline, "serve")
	cmd.Env = []string{"CARELINE_KEYS=firewall: " + secret, "CARELINE_HTTP_ADDRESS=:443", "CARELINE_HTTP_TLS_MODE=files", "CARELINE_HTTP_TLS_CERT_FILE=" + cert,
		"CARELINE_HTTP_TLS_KEY_FILE=" + key, "CARELINE_DATA_DIR=" + dir, fmt.Sprint("CARELINE_TURN_SHARE_HTTPS_PORT=", share), "PATH=" + os.Getenv("PATH")}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			n.t.Errorf("the server ended with %v", err)
		}
		if n.t.Failed() || testing.Verbose() {
			n.t.Log(log.String())
		}
	})
	return &service{n, cert}
}

const secret = "Zk3vQ9wLr8Tn2Xb7Hs5Jd1Fg6Py4Cm0a"

func token(t *testing.T, identity string) string {
	t.Helper()
	text, err := lkauth.NewAccessToken("firewall", secret).SetIdentity(identity).SetVideoGrant(&lkauth.VideoGrant{RoomJoin: true, Room: "room"}).
		SetValidFor(time.Hour).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// call is callclient at work.
type call struct {
	t      *testing.T
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
	errors *strings.Builder
}

func (n *network) call(p programs, s *service, mode string) *call {
	n.t.Helper()
	cmd := n.command(n.client, p.client, "wss://"+serverIP, token(n.t, "viewer"), token(n.t, "publisher"), mode)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+s.cert)
	c := &call{t: n.t, cmd: cmd, errors: new(strings.Builder)}
	cmd.Stderr = c.errors
	var err error
	if c.input, err = cmd.StdinPipe(); err != nil {
		n.t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	c.output = bufio.NewReader(output)
	n.awaitPort()
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	n.t.Cleanup(func() {
		kill.Stop()
		_ = c.input.Close()
		_ = cmd.Wait()
	})
	return c
}

// awaitPort waits until signalling is open.
func (n *network) awaitPort() {
	n.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		out, err := n.command(n.server, "ss", "-Hltn", "sport = :443").Output()
		if err == nil && len(out) > 0 {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("the server does not come up: %v", err)
		}
	}
}

// media waits until the viewer says that media flows.
func (c *call) media() {
	c.t.Helper()
	if line, err := c.output.ReadString('\n'); err != nil || line != "media\n" {
		_ = c.cmd.Wait()
		c.t.Fatalf("%q, %v\n%s", line, err, c.errors)
	}
}

func (c *call) end() {
	_ = c.input.Close()
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the client ended with %v", err)
	}
}
