package udp

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// record is a DTLS 1.2 record.
func record(kind byte, epoch uint16, content ...byte) []byte {
	r := make([]byte, recordHeader, recordHeader+len(content))
	r[0], r[1], r[2] = kind, 0xfe, 0xfd
	binary.BigEndian.PutUint16(r[3:], epoch)
	binary.BigEndian.PutUint16(r[11:], uint16(len(content)))
	return append(r, content...)
}

func TestRecordsInTheClear(t *testing.T) {
	const alert, data, heartbeat = 21, 23, 24
	hello, finished := record(handshake, 0, 1, 2, 3), record(handshake, 1, 9, 9)
	for _, c := range []struct {
		name   string
		packet []byte
		sound  bool
	}{
		{"handshake", hello, true},
		{"a whole flight", slices.Concat(hello, record(changeCipherSpec, 0, 1), finished), true},
		{"encrypted alert", record(alert, 1, 7, 7, 7), true},
		{"encrypted data", record(data, 1, 7), true},
		{"fatal alert", record(alert, 0, 2, 10), false},
		{"close_notify", record(alert, 0, 1, 0), false},
		{"close_notify after a handshake message", slices.Concat(hello, record(alert, 0, 1, 0)), false},
		{"data", record(data, 0, 7), false},
		{"heartbeat", record(heartbeat, 0, 7), false},
		{"ChangeCipherSpec of two bytes", record(changeCipherSpec, 0, 1, 1), false},
		{"ChangeCipherSpec of another value", record(changeCipherSpec, 0, 2), false},
		{"empty ChangeCipherSpec", record(changeCipherSpec, 0), false},
		{"ChangeCipherSpec of a later epoch", record(changeCipherSpec, 1, 1), false},
		{"broken ChangeCipherSpec of a later epoch", record(changeCipherSpec, 1, 7, 7), false},
		{"half a header", hello[:12], false},
		{"half a record", finished[:14], false},
		{"a tail", append(slices.Clone(hello), 22), false},
	} {
		if soundRecords(c.packet) != c.sound {
			t.Errorf("%s: sound is %v", c.name, !c.sound)
		}
		g, _, _ := gated()
		g.sends(stunMessage(stunSuccess, 1), ann)
		if g.receives(c.packet, ann) != c.sound || g.port.unsound.Load() != map[bool]uint64{false: 1}[c.sound] {
			t.Errorf("%s: let in %v, %d counted", c.name, !c.sound, g.port.unsound.Load())
		}
	}
}

func FuzzDTLSRecords(f *testing.F) {
	f.Add(slices.Concat(record(handshake, 0, 1), record(changeCipherSpec, 0, 1), record(handshake, 1, 2)))
	f.Add(record(21, 0, 1, 0))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if !soundRecords(packet) {
			return
		}
		for rest := packet; len(rest) > 0; {
			end := recordHeader + int(binary.BigEndian.Uint16(rest[11:]))
			if binary.BigEndian.Uint16(rest[3:]) == 0 && rest[0] != handshake && rest[0] != changeCipherSpec {
				t.Fatalf("a record of type %d in the clear", rest[0])
			}
			if rest[0] == changeCipherSpec && !bytes.Equal(rest[3:5], []byte{0, 0}) {
				t.Fatal("a ChangeCipherSpec of a later epoch")
			}
			rest = rest[end:]
		}
	})
}
