package address

import (
	"net/netip"
	"testing"
)

func TestRestricted(t *testing.T) {
	for _, text := range []string{
		"0.0.0.0", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "192.0.0.1",
		"198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fc00::1", "fe80::1", "ff02::1",
		"100.127.255.255", "192.0.0.255", "198.19.255.255", "192.88.99.1", "172.31.255.255", "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::a00:1",
		"64:ff9b:1::1", "2002:c0a8:101::1", "2002:a9fe:a9fe::", "2001:0:53aa:64c::1", "100::1", "fd00::1", "fec0::1", "febf::1", "ff0e::1", "fe80::1%eth0",
	} {
		if !Restricted(netip.MustParseAddr(text)) {
			t.Errorf("%s is allowed", text)
		}
	}
	for _, text := range []string{
		"8.8.8.8", "2001:db8::1", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.32.0.1", "198.20.0.1", "2606:4700::1", "64:ff9b::808:808", "2002:808:808::1",
	} {
		if Restricted(netip.MustParseAddr(text)) {
			t.Errorf("%s is refused", text)
		}
	}
	if !Restricted(netip.Addr{}) {
		t.Error("no address is allowed")
	}
}

func TestEmbedded(t *testing.T) {
	for text, want := range map[string]string{"2002:c633:6402::1": "198.51.100.2", "64:ff9b::808:808": "8.8.8.8", "2001:db8::1": "", "8.8.8.8": ""} {
		got, ok := Embedded(netip.MustParseAddr(text))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
}
