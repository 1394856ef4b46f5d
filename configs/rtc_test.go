package configs

import (
	"net/netip"
	"testing"
)

func TestInterfacesAllow(t *testing.T) {
	for _, c := range []struct {
		filter Interfaces
		name   string
		want   bool
	}{
		{Interfaces{}, "eth0", true},
		{Interfaces{Include: []string{"eth*"}}, "eth0", true},
		{Interfaces{Include: []string{"eth*"}}, "wlan0", false},
		{Interfaces{Exclude: []string{"docker?"}}, "docker0", false},
		{Interfaces{Exclude: []string{"docker?"}}, "docker10", true},
		{Interfaces{Include: []string{"*"}, Exclude: []string{"veth*"}}, "veth1", false},
	} {
		if got := c.filter.Allow(c.name); got != c.want {
			t.Errorf("%+v allows %s: %v", c.filter, c.name, got)
		}
	}
}

func TestAddressesAllow(t *testing.T) {
	ten := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	link := []netip.Prefix{netip.MustParsePrefix("fe80::/10")}
	for _, c := range []struct {
		filter Addresses
		addr   string
		want   bool
	}{
		{Addresses{}, "2001:db8::1", true},
		{Addresses{Include: ten}, "10.1.2.3", true},
		{Addresses{Include: ten}, "::ffff:10.1.2.3", true},
		{Addresses{Include: ten}, "192.0.2.1", false},
		{Addresses{Exclude: ten}, "10.1.2.3", false},
		{Addresses{Exclude: link}, "fe80::1%eth0", false},
		{Addresses{Include: ten, Exclude: ten}, "10.1.2.3", false},
	} {
		if got := c.filter.Allow(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%+v allows %s: %v", c.filter, c.addr, got)
		}
	}
}

func TestLite(t *testing.T) {
	public := []netip.Addr{netip.MustParseAddr("203.0.113.7")}
	for _, c := range []struct {
		rtc  RTC
		want bool
	}{
		{RTC{ICELite: "auto"}, false},
		{RTC{ICELite: "auto", PublicAddresses: public}, true},
		{RTC{ICELite: "on"}, true},
		{RTC{ICELite: "off", PublicAddresses: public}, false},
	} {
		if got := c.rtc.Lite(); got != c.want {
			t.Errorf("%+v: %v", c.rtc, got)
		}
	}
}
