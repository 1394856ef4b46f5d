package udp

import "encoding/binary"

// DTLS records (RFC 6347 section 4.1).
const (
	recordHeader     = 13
	recordFirst      = 20 // the first byte of a datagram that is DTLS (RFC 7983 section 7), and
	recordLast       = 63 // the last one
	changeCipherSpec = 20
	handshake        = 22
)

func isDTLS(packet []byte) bool {
	return len(packet) > 0 && packet[0] >= recordFirst && packet[0] <= recordLast
}

// soundRecords tells whether a datagram holds whole DTLS records, of which those in the clear belong to a handshake. Anybody who can write a
// sender's address can send records in the clear, and pion believes them after the handshake too: an alert ends the connection, and at what
// it cannot read it tells the other side to end it. A ChangeCipherSpec is in the clear for pion whatever its epoch says; only the first epoch
// has one. Alerts of a handshake that fails are lost with the others; the time-out of the join ends it.
func soundRecords(packet []byte) bool {
	for len(packet) > 0 {
		if len(packet) < recordHeader {
			return false
		}
		kind, epoch := packet[0], binary.BigEndian.Uint16(packet[3:])
		end := recordHeader + int(binary.BigEndian.Uint16(packet[recordHeader-2:]))
		if end > len(packet) {
			return false
		}
		content := packet[recordHeader:end]
		switch {
		case kind == changeCipherSpec && (epoch != 0 || len(content) != 1 || content[0] != 1):
			return false
		case kind != changeCipherSpec && kind != handshake && epoch == 0:
			return false
		}
		packet = packet[end:]
	}
	return true
}
