package webhook

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

// names answers with one list of addresses after the other, the last for ever.
type names struct {
	asked atomic.Int64
	lists [][]string
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	i := min(int(n.asked.Add(1)), len(n.lists))
	var addrs []netip.Addr
	for _, text := range n.lists[i-1] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs, nil
}

func TestGuardRefuses(t *testing.T) {
	hit := newReceiver(t, ok)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(hit.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, lists := range [][]string{
		{"127.0.0.1"}, {"::1"}, {"::ffff:127.0.0.1"}, {"0.0.0.0"}, {"10.0.0.1"}, {"169.254.169.254"}, {"fd00::1"}, {"64:ff9b::7f00:1"},
		{"203.0.113.9", "127.0.0.1"}, // one of them is enough
	} {
		g := &guard{resolver: &names{lists: [][]string{lists}}}
		client := newClient(g.DialContext)
		_, err := client.Get("http://desk.example:" + port)
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("%v: %v", lists, err)
		}
	}
	// By number: the system's resolver gives numbers back as they are.
	g := &guard{resolver: net.DefaultResolver}
	for _, host := range []string{"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"} {
		if _, err := newClient(g.DialContext).Get("http://" + host + ":" + port); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if hit.asked() != 0 {
		t.Errorf("%d requests went through", hit.asked())
	}
}

// TestRebinding: a name that is allowed when it is looked at leads nowhere else when it is connected to, and is looked at for each connection.
func TestRebinding(t *testing.T) {
	hit := newReceiver(t, ok)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(hit.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	rebinding := &names{lists: [][]string{{"127.0.0.1"}, {"127.0.0.2"}}}
	g := &guard{resolver: rebinding, allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	var connected []string
	client := newClient(func(ctx context.Context, network, target string) (net.Conn, error) {
		c, err := g.DialContext(ctx, network, target)
		if err == nil {
			connected = append(connected, c.RemoteAddr().String())
		}
		return c, err
	})
	get := func() error {
		response, err := client.Get("http://desk.example:" + port)
		if err == nil {
			err = response.Body.Close()
		}
		client.CloseIdleConnections()
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	if rebinding.asked.Load() != 1 || len(connected) != 1 || connected[0] != "127.0.0.1:"+port {
		t.Errorf("looked up %d times, connected to %v", rebinding.asked.Load(), connected)
	}
	if err := get(); !errors.Is(err, ErrForbidden) {
		t.Errorf("the second time: %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	inside := newReceiver(t, ok)
	outside := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusTemporaryRedirect))
	defer outside.Close()
	g := &guard{resolver: net.DefaultResolver, allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	client := newClient(g.DialContext)
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, outside.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v := judge(client, r, nowhen); v.outcome != again || v.status != http.StatusTemporaryRedirect || inside.asked() != 0 {
		t.Errorf("%+v, %d requests inside", v, inside.asked())
	}
}
