package server_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"sync"
	"testing"
	"time"
)

// authority is a certificate authority (RFC 8555) as strict as a server needs
// to find out that it does its part: signatures and nonces are checked, names
// are proved by a connection, certificates are signed.
type authority struct {
	*httptest.Server
	t       *testing.T
	key     *ecdsa.PrivateKey
	root    *x509.Certificate
	offers  string // the kind of challenge
	expires time.Time

	mu sync.Mutex
	// guarded by mu
	connect string // where a name leads, host:port
	nonces  map[string]bool
	account *ecdsa.PublicKey
	print   string // RFC 7638
	orders  []*order
	broken  bool
}

type order struct {
	name, token, status, authorized string
	chain                           []byte
}

func newAuthority(t *testing.T, offers string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key, root: root, offers: offers, nonces: make(map[string]bool), expires: time.Now().Add(90 * 24 * time.Hour).Truncate(time.Second)}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	return a
}

// leads says where all names lead.
func (a *authority) leads(address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connect = address
}

func (a *authority) issued() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, o := range a.orders {
		if o.chain != nil {
			n++
		}
	}
	return n
}

func (a *authority) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken {
		http.Error(w, "out of order", http.StatusInternalServerError)
		return
	}
	nonce := rand.Text()
	a.nonces[nonce] = true
	w.Header().Set("Replay-Nonce", nonce)
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodPost {
		if r.URL.Path == "/directory" {
			_ = json.NewEncoder(w).Encode(map[string]any{
				"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/order",
				"meta": map[string]string{"termsOfService": a.URL + "/terms"},
			})
		}
		return
	}
	status, answer, err := a.answer(w, r)
	if err != nil {
		a.t.Errorf("authority: %s: %v", r.URL.Path, err)
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"type": "urn:ietf:params:acme:error:malformed", "detail": err.Error()})
		return
	}
	if chain, ok := answer.([]byte); ok {
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(chain)
		return
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func (a *authority) answer(w http.ResponseWriter, r *http.Request) (int, any, error) {
	payload, err := a.verify(r)
	if err != nil {
		return 0, nil, err
	}
	switch r.URL.Path {
	case "/account":
		w.Header().Set("Location", a.URL+"/account/1")
		return http.StatusCreated, map[string]string{"status": "valid"}, nil
	case "/order":
		var wanted struct{ Identifiers []struct{ Value string } }
		if err := json.Unmarshal(payload, &wanted); err != nil || len(wanted.Identifiers) != 1 {
			return 0, nil, fmt.Errorf("order %s: %w", payload, err)
		}
		a.orders = append(a.orders, &order{name: wanted.Identifiers[0].Value, token: rand.Text(), status: "pending", authorized: "pending"})
		n := len(a.orders) - 1
		w.Header().Set("Location", fmt.Sprintf("%s/order/%d", a.URL, n))
		return http.StatusCreated, a.show(n), nil
	}
	n, err := strconv.Atoi(path.Base(r.URL.Path))
	if err != nil || n < 0 || n >= len(a.orders) {
		return 0, nil, errors.New("no such thing")
	}
	o := a.orders[n]
	challenge := map[string]string{"type": a.offers, "url": fmt.Sprintf("%s/challenge/%d", a.URL, n), "token": o.token, "status": o.authorized}
	switch path.Dir(r.URL.Path) {
	case "/order":
		return http.StatusOK, a.show(n), nil
	case "/authorization":
		return http.StatusOK, map[string]any{
			"status": o.authorized, "identifier": map[string]string{"type": "dns", "value": o.name}, "challenges": []any{challenge},
		}, nil
	case "/challenge":
		if err := a.prove(o); err != nil {
			return 0, nil, err
		}
		o.authorized, o.status, challenge["status"] = "valid", "ready", "valid"
		return http.StatusOK, challenge, nil
	case "/finalize":
		if o.status != "ready" {
			return 0, nil, errors.New("nothing is proved")
		}
		if err := a.sign(o, payload); err != nil {
			return 0, nil, err
		}
		w.Header().Set("Location", fmt.Sprintf("%s/order/%d", a.URL, n))
		return http.StatusOK, a.show(n), nil
	case "/certificate":
		return http.StatusOK, o.chain, nil
	}
	return 0, nil, errors.New("no such thing")
}

func (a *authority) show(n int) map[string]any {
	o := a.orders[n]
	shown := map[string]any{
		"status": o.status, "finalize": fmt.Sprintf("%s/finalize/%d", a.URL, n),
		"identifiers":    []any{map[string]string{"type": "dns", "value": o.name}},
		"authorizations": []string{fmt.Sprintf("%s/authorization/%d", a.URL, n)},
	}
	if o.chain != nil {
		shown["certificate"] = fmt.Sprintf("%s/certificate/%d", a.URL, n)
	}
	return shown
}

// verify checks a request's signature (RFC 7515), nonce and URL, and returns
// what was signed.
func (a *authority) verify(r *http.Request) ([]byte, error) {
	var message struct{ Protected, Payload, Signature string }
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &message)
	}
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	encoding := base64.RawURLEncoding
	protected, err1 := encoding.DecodeString(message.Protected)
	payload, err2 := encoding.DecodeString(message.Payload)
	signature, err3 := encoding.DecodeString(message.Signature)
	var header struct {
		Alg, Nonce, URL, Kid string
		JWK                  *struct{ X, Y, Crv, Kty string }
	}
	if err := errors.Join(err1, err2, err3, json.Unmarshal(protected, &header)); err != nil {
		return nil, err
	}
	if header.Alg != "ES256" || header.URL != a.URL+r.URL.Path || !a.nonces[header.Nonce] || len(signature) != 64 {
		return nil, fmt.Errorf("header %s", protected)
	}
	delete(a.nonces, header.Nonce)
	if header.JWK != nil {
		x, err1 := encoding.DecodeString(header.JWK.X)
		y, err2 := encoding.DecodeString(header.JWK.Y)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if a.account, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...)); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, header.JWK.X, header.JWK.Y))
		a.print = encoding.EncodeToString(sum[:])
	} else if header.Kid != a.URL+"/account/1" {
		return nil, fmt.Errorf("account %s", header.Kid)
	}
	sum := sha256.Sum256([]byte(message.Protected + "." + message.Payload))
	if a.account == nil || !ecdsa.Verify(a.account, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return nil, errors.New("wrong signature")
	}
	return payload, nil
}

// prove connects to where the name leads.
func (a *authority) prove(o *order) error {
	expected := o.token + "." + a.print
	if a.offers == "http-01" {
		r, err := http.NewRequest(http.MethodGet, "http://"+a.connect+"/.well-known/acme-challenge/"+o.token, nil)
		if err != nil {
			return err
		}
		r.Host = o.name
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(r)
		if err != nil {
			return fmt.Errorf("fetch proof: %w", err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || string(body) != expected {
			return fmt.Errorf("proof: %d %q, %w", res.StatusCode, body, err)
		}
		return nil
	}
	conn, err := tls.Dial("tcp", a.connect, &tls.Config{ServerName: o.name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = conn.Close() }()
	leaf := conn.ConnectionState().PeerCertificates[0]
	if conn.ConnectionState().NegotiatedProtocol != "acme-tls/1" || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != o.name {
		return fmt.Errorf("shown %v by %q", leaf.DNSNames, conn.ConnectionState().NegotiatedProtocol)
	}
	sum := sha256.Sum256([]byte(expected))
	wanted, err := asn1.Marshal(sum[:])
	if err != nil {
		return err
	}
	for _, e := range leaf.Extensions { // RFC 8737 section 3
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}) && e.Critical && bytes.Equal(e.Value, wanted) {
			return nil
		}
	}
	return errors.New("no proof in the certificate")
}

func (a *authority) sign(o *order, payload []byte) error {
	var wanted struct{ CSR string }
	if err := json.Unmarshal(payload, &wanted); err != nil {
		return err
	}
	der, err := base64.RawURLEncoding.DecodeString(wanted.CSR)
	if err != nil {
		return err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	if err := request.CheckSignature(); err != nil || len(request.DNSNames) != 1 || request.DNSNames[0] != o.name {
		return fmt.Errorf("request for %v: %w", request.DNSNames, err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(len(a.orders) + 1)), Subject: pkix.Name{CommonName: o.name}, DNSNames: request.DNSNames,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: a.expires,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leaf, err := x509.CreateCertificate(rand.Reader, template, a.root, request.PublicKey, a.key)
	if err != nil {
		return err
	}
	o.status = "valid"
	for _, der := range [][]byte{leaf, a.root.Raw} {
		o.chain = append(o.chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return nil
}
