package auth_test

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
)

func TestClientAddress(t *testing.T) {
	proxies := auth.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ff::/48")}
	for _, c := range []struct {
		peer    string
		headers []string
		want    string
	}{
		{"203.0.113.1:99", nil, "203.0.113.1"},
		{"[2001:db8::1%eth0]:99", nil, "2001:db8::1"},
		{"[::ffff:203.0.113.1]:99", nil, "203.0.113.1"},
		{"@", nil, "invalid IP"},
		{"203.0.113.1:99", []string{"X-Forwarded-For: 198.51.100.1"}, "203.0.113.1"},
		{"10.0.0.1:99", nil, "10.0.0.1"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: 198.51.100.1"}, "198.51.100.1"},
		{"[::ffff:10.0.0.1]:99", []string{"X-Forwarded-For: 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: 1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: 198.51.100.1:1234"}, "198.51.100.1"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: [2001:db8::7]:1234"}, "2001:db8::7"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: 1.1.1.1, junk"}, "10.0.0.1"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: 1.1.1.1, junk, 10.0.0.3"}, "10.0.0.3"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: 10.0.0.3"}, "10.0.0.3"},
		{"10.0.0.1:99", []string{"X-Forwarded-For: " + strings.Repeat("10.0.0.2, ", 100) + "10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:99", []string{`Forwarded: for=1.1.1.1, For="[2001:db8::7]:4711";proto=https;by=10.0.0.1`}, "2001:db8::7"},
		{"10.0.0.1:99", []string{"Forwarded: for=1.1.1.1;host=x", "Forwarded: proto=http;for=198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:99", []string{"Forwarded: for=_hidden"}, "10.0.0.1"},
		{"10.0.0.1:99", []string{"Forwarded: for=1.1.1.1, proto=https"}, "10.0.0.1"},
		{"10.0.0.1:99", []string{"Forwarded: for=198.51.100.1", "X-Forwarded-For: 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:99", []string{"Forwarded: for=1.1.1.1", "X-Forwarded-For: 198.51.100.1"}, "10.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		for _, h := range c.headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Add(name, value)
		}
		if got := proxies.ClientAddress(r).String(); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.peer, c.headers, got, c.want)
		}
	}
}

// FuzzClientAddress holds that nobody but a trusted proxy has a say.
func FuzzClientAddress(f *testing.F) {
	f.Add("203.0.113.1:1", "10.0.0.2, 1.1.1.1", `for="[::1]:1"`)
	f.Add("10.0.0.1:1", ",,,", ";;for=")
	proxies := auth.Proxies{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, listed, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header["X-Forwarded-For"], r.Header["Forwarded"] = []string{listed}, []string{forwarded}
		got, direct := proxies.ClientAddress(r), auth.Proxies{}.ClientAddress(r)
		if !proxies[0].Contains(direct) && got != direct {
			t.Errorf("%v, but the connection is from %v", got, direct)
		}
		if source, ok := proxies.Source(r); ok && !source.IsValid() {
			t.Error("an invalid source")
		}
	})
}

func TestLimiter(t *testing.T) {
	c := clock.NewFake(now)
	l := auth.NewLimiter[string](60, c)
	take := func(key string, times int) (taken int) {
		for range times {
			if _, ok := l.Take(key); ok {
				taken++
			}
		}
		return taken
	}
	if n := take("a", 100); n != 60 {
		t.Errorf("%d at once", n)
	}
	if wait, ok := l.Take("a"); ok || wait != time.Second {
		t.Errorf("the next in %v", wait)
	}
	if n := take("b", 100); n != 60 {
		t.Errorf("%d of another", n)
	}
	for range 90 { // across the turn of generations
		c.Advance(time.Second)
		if n := take("a", 3); n != 1 {
			t.Fatalf("%d within a second", n)
		}
	}
	c.Advance(10 * time.Second)
	if n := take("a", 100); n != 10 {
		t.Errorf("%d after ten seconds", n)
	}
	c.Advance(time.Hour)
	if n := take("a", 100); n != 60 {
		t.Errorf("%d after an hour", n)
	}
	c.Advance(-time.Hour) // a clock that is set back must not lock anybody out for longer than a minute
	take("a", 100)
	c.Advance(time.Minute)
	if n := take("a", 100); n != 60 {
		t.Errorf("%d after the clock went back", n)
	}
}
