package turn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"go.uber.org/goleak"

	"careline/internal/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience only ends tests that have failed.
const patience = 40 * time.Second

// rig is a relay on the loopback, over every transport and address family.
type rig struct {
	t           *testing.T
	server      *Server
	credentials *Credentials
	clock       *clock.Fake // nil: the real one

	mu   sync.Mutex
	dead map[string]bool // sessions that have ended
}

func (r *rig) live(session string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.dead[session]
}

func (r *rig) kill(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dead[session] = true
}

type setup struct {
	fake   bool
	change func(*Config)
}

var (
	loopback4 = netip.MustParseAddr("127.0.0.1")
	loopback6 = netip.MustParseAddr("::1")
)

func start(t *testing.T, s setup) *rig {
	t.Helper()
	r := &rig{t: t, dead: make(map[string]bool)}
	var c clock.Clock = clock.Real{}
	if s.fake {
		r.clock = clock.NewFake(time.Now())
		c = r.clock
	}
	r.credentials = NewCredentials(MaxLife, r.live, c)
	listen := func(network, address string) net.Listener {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	packets := func(network, address string) *net.UDPConn {
		conn, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return conn.(*net.UDPConn)
	}
	cfg := Config{
		Realm:       "care",
		Credentials: r.credentials,
		Peers:       NewPeerFilter(Peers{}),
		Relayed:     []netip.Addr{loopback4, loopback6},
		UDP:         []*net.UDPConn{packets("udp4", "127.0.0.1:0"), packets("udp6", "[::1]:0")},
		TCP:         []net.Listener{listen("tcp4", "127.0.0.1:0"), listen("tcp6", "[::1]:0")},
		TLS:         []net.Listener{listen("tcp4", "127.0.0.1:0")},
		TLSConfig:   &tls.Config{Certificates: []tls.Certificate{certificate(t)}, NextProtos: []string{ALPN}},
		Clock:       c,
	}
	if s.change != nil {
		s.change(&cfg)
	}
	r.server = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the relay ended with %v", err)
		}
		if s := r.server.Stats(); s.Allocations != 0 || s.Connections != 0 {
			t.Errorf("%d allocations and %d connections are left", s.Allocations, s.Connections)
		}
	})
	return r
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// caller is a client that speaks STUN message by message, by another library.
type caller struct {
	net.Conn
	t               *testing.T
	stream          bool
	username, realm string
	nonce           string
	password        string
	integrity       stun.MessageIntegrity
}

// transports by which dial reaches a rig.
var transports = []string{"udp", "tcp", "tls", "udp6", "tcp6"}

func (r *rig) dial(transport string) *caller {
	r.t.Helper()
	cfg := r.server.cfg
	var conn net.Conn
	var err error
	switch transport {
	case "udp":
		conn, err = net.Dial("udp", cfg.UDP[0].LocalAddr().String())
	case "udp6":
		conn, err = net.Dial("udp", cfg.UDP[1].LocalAddr().String())
	case "tcp":
		conn, err = net.Dial("tcp", cfg.TCP[0].Addr().String())
	case "tcp6":
		conn, err = net.Dial("tcp", cfg.TCP[1].Addr().String())
	case "tls":
		conn, err = tls.Dial("tcp", cfg.TLS[0].Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{ALPN}})
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return &caller{Conn: conn, t: r.t, stream: transport != "udp" && transport != "udp6"}
}

// as gives the caller a session's credentials.
func (c *caller) as(r *rig, session string) *caller {
	username, password := r.credentials.Issue(session)
	return c.with(username, password)
}

func (c *caller) with(username, password string) *caller {
	c.username, c.password = username, password
	return c
}

// read returns the next message, or what the connection ended with.
func (c *caller) read() ([]byte, error) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 4096)
	if !c.stream {
		n, err := c.Conn.Read(b)
		return b[:n], err
	}
	if _, err := io.ReadFull(c.Conn, b[:4]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if b[0] < 4 {
		n += headerSize - channelHeader
	}
	padded := (n + 3) &^ 3
	_, err := io.ReadFull(c.Conn, b[4:4+padded])
	return b[:4+n], err
}

// silence reports whether everything that was sent before is left unanswered:
// the answer to a Binding request comes next.
func (c *caller) silence() bool {
	c.t.Helper()
	m := c.message(stun.MethodBinding, stun.ClassRequest)
	c.send(m.Raw)
	b, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	answer := &stun.Message{Raw: b}
	return answer.Decode() == nil && answer.TransactionID == m.TransactionID
}

func (c *caller) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) message(method stun.Method, class stun.MessageClass, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, class)}, attributes...)
	m, err := stun.Build(setters...)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// plain sends a request without credentials and returns the answer.
func (c *caller) plain(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	return c.exchange(c.message(method, stun.ClassRequest, attributes...))
}

func (c *caller) exchange(m *stun.Message) *stun.Message {
	c.t.Helper()
	c.send(m.Raw)
	answer := new(stun.Message)
	for {
		b, err := c.read()
		if err != nil {
			c.t.Fatal(err)
		}
		if b[0] < 4 && binary.BigEndian.Uint16(b) != methodData|classIndication { // data of a peer may come in between
			answer.Raw = b
			break
		}
	}
	if err := answer.Decode(); err != nil {
		c.t.Fatalf("%x: %v", answer.Raw, err)
	}
	if answer.TransactionID != m.TransactionID || answer.Type.Method != m.Type.Method {
		c.t.Fatalf("%v came in answer to %v", answer, m)
	}
	return answer
}

// challenge learns realm and nonce.
func (c *caller) challenge() {
	c.t.Helper()
	answer := c.plain(stun.MethodAllocate, udpTransport)
	var realm stun.Realm
	var nonce stun.Nonce
	if err := answer.Parse(&realm, &nonce); err != nil || codeOf(answer) != codeUnauthenticated {
		c.t.Fatalf("challenge %v: %v", answer, err)
	}
	c.realm, c.nonce = realm.String(), nonce.String()
	c.integrity = stun.NewLongTermIntegrity(c.username, c.realm, c.password)
}

// signedRequest builds a request with credentials.
func (c *caller) signedRequest(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	if c.nonce == "" {
		c.challenge()
	}
	attributes = append(attributes, stun.NewUsername(c.username), stun.NewRealm(c.realm), stun.NewNonce(c.nonce), c.integrity)
	return c.message(method, stun.ClassRequest, attributes...)
}

// ask sends a request with credentials and returns the answer, whose signature
// was checked if it has one.
func (c *caller) ask(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	answer := c.exchange(c.signedRequest(method, attributes...))
	if answer.Contains(stun.AttrMessageIntegrity) {
		if err := c.integrity.Check(answer); err != nil {
			c.t.Fatalf("signature of %v: %v", answer, err)
		}
	}
	return answer
}

// allocate must succeed; it returns the relayed address.
func (c *caller) allocate(attributes ...stun.Setter) netip.AddrPort {
	c.t.Helper()
	answer := c.ask(stun.MethodAllocate, append([]stun.Setter{udpTransport}, attributes...)...)
	if code := codeOf(answer); code != 0 {
		c.t.Fatalf("allocation refused with %d", code)
	}
	return addressOf(c.t, answer, stun.AttrXORRelayedAddress)
}

// codeOf returns the error code of an answer, 0 of a success.
func codeOf(m *stun.Message) int {
	if m.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	var code stun.ErrorCodeAttribute
	if code.GetFrom(m) != nil {
		return -1
	}
	return int(code.Code)
}

func addressOf(t *testing.T, m *stun.Message, kind stun.AttrType) netip.AddrPort {
	t.Helper()
	var a stun.XORMappedAddress
	if err := a.GetFromAs(m, kind); err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	ip, _ := netip.AddrFromSlice(a.IP)
	return netip.AddrPortFrom(ip.Unmap(), uint16(a.Port))
}

// attribute is one with a value as it goes over the wire.
type attribute struct {
	kind  stun.AttrType
	value []byte
}

func (a attribute) AddTo(m *stun.Message) error {
	m.Add(a.kind, a.value)
	return nil
}

var (
	udpTransport = attribute{stun.AttrRequestedTransport, []byte{17, 0, 0, 0}}
	tcpTransport = attribute{stun.AttrRequestedTransport, []byte{6, 0, 0, 0}}
	wantIPv6     = attribute{stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0}}
)

func lifetime(seconds uint32) attribute {
	return attribute{stun.AttrLifetime, binary.BigEndian.AppendUint32(nil, seconds)}
}

func channelNumber(n uint16) attribute {
	return attribute{stun.AttrChannelNumber, []byte{byte(n >> 8), byte(n), 0, 0}}
}

// peer is an XOR-PEER-ADDRESS in the family in which it is written: a mapped
// IPv4 address stays an IPv6 one.
type peer netip.AddrPort

func (p peer) AddTo(m *stun.Message) error {
	a := netip.AddrPort(p)
	v := []byte{0, familyIPv4}
	if a.Addr().Is6() {
		v[1] = familyIPv6
	}
	v = binary.BigEndian.AppendUint16(v, a.Port()^magicCookie>>16)
	mask := append([]byte{0x21, 0x12, 0xA4, 0x42}, m.TransactionID[:]...)
	for i, b := range a.Addr().AsSlice() {
		v = append(v, b^mask[i])
	}
	m.Add(stun.AttrXORPeerAddress, v)
	return nil
}

// echo is a peer that sends back what it gets.
func echo(t *testing.T, address string) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(b[:n], from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

// media makes a filter of peers on this machine that may be relayed to.
func media(peers ...netip.AddrPort) *PeerFilter {
	routes := make(map[netip.AddrPort]netip.AddrPort)
	for _, p := range peers {
		routes[p] = p
	}
	return NewPeerFilter(Peers{Media: routes})
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain: " + what)
		}
	}
}
