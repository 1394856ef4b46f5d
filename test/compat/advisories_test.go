package compat

import (
	"encoding/binary"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// stun makes a message (RFC 8489 section 5) whose attributes say of themselves
// how long they are.
func stun(kind uint16, attributes ...[]byte) []byte {
	m := binary.BigEndian.AppendUint16(nil, kind)
	var body []byte
	for _, a := range attributes {
		body = append(body, a...)
	}
	m = binary.BigEndian.AppendUint16(m, uint16(len(body)))
	m = append(m, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	return append(m, body...)
}

func attribute(kind, length uint16, value ...byte) []byte {
	return append(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, kind), length), value...)
}

// TestPacketsOfAdvisories sends the packets that ended other servers, from a
// stranger to the media port and to the relay. Nobody in a call notices.
func TestPacketsOfAdvisories(t *testing.T) {
	r := start(t, setup{})
	track := r.publisher("ann")
	witness := r.enterWith(single, "witness", grant("ward"), [2]int{1, 1})
	packets := map[string][]byte{
		"empty mapped address":             stun(0x0101, attribute(0x0020, 0)),
		"mapped address of three bytes":    stun(0x0101, attribute(0x0020, 3, 0, 1, 2, 0)),
		"mapped address of family 7":       stun(0x0101, attribute(0x0020, 8, 0, 7, 0, 0, 0, 0, 0, 0)),
		"empty peer of a permission":       stun(0x0008, attribute(0x0012, 0)),
		"empty peer of an indication":      stun(0x0016, attribute(0x0012, 0), attribute(0x0013, 0)),
		"attribute longer than the packet": stun(0x0001, attribute(0x0006, 0xffff)),
		"message longer than the packet":   {0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"channel data without its data":    {0x40, 0x00, 0xff, 0xff},
		"DTLS record of no length":         {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"DTLS fragment beyond its message": {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"DTLS application data":            {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0},
		"RTP with padding beyond itself":   {0xb0, 0x6f, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xbe, 0xde, 0, 0, 0xff},
		"RTCP BYE with a long reason":      {0x81, 203, 0, 2, 0, 0, 0, 1, 0xff, 'x', 'x', 'x'},
	}
	ports := map[string]string{"media": net.JoinHostPort("127.0.0.1", strconv.Itoa(r.server.UDPPort()))}
	for _, server := range witness.join.IceServers {
		for _, address := range server.Urls {
			if u, err := url.Parse(strings.Replace(address, "turn:", "turn://", 1)); err == nil && u.Scheme == "turn" && u.Query().Get("transport") == "udp" {
				ports["relay"] = u.Host
			}
		}
	}
	if ports["relay"] == "" {
		t.Fatalf("no relay in %v", witness.join.IceServers)
	}
	for name, port := range ports {
		conn, err := net.Dial("udp", port)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		for what, packet := range packets {
			for range 20 {
				if _, err := conn.Write(packet); err != nil {
					t.Fatalf("%s to the %s port: %v", what, name, err)
				}
			}
		}
	}
	unharmed(t, track, witness)
	if n := r.server.Panics(); n != 0 {
		t.Errorf("%d panics", n)
	}
}
