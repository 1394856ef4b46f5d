package turn

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// Error codes (RFC 8489 section 14.8, RFC 8656 section 19).
const (
	codeBadRequest           = 400
	codeUnauthenticated      = 401
	codeForbidden            = 403
	codeUnknownAttribute     = 420
	codeAllocationMismatch   = 437
	codeStaleNonce           = 438
	codeFamilyNotSupported   = 440
	codeWrongCredentials     = 441
	codeTransportUnsupported = 442
	codePeerFamilyMismatch   = 443
	codeQuotaReached         = 486
	codeInsufficientCapacity = 508
)

// answer is a STUN message in the making.
type answer struct{ b []byte }

// answerTo starts the answer of a class to a request. Answers carry no
// SOFTWARE and no reason phrases: they are short, so that forged requests gain
// nothing by them.
func answerTo(m *message, class uint16) *answer {
	a := &answer{make([]byte, headerSize, 128)}
	binary.BigEndian.PutUint16(a.b, m.method()|class)
	binary.BigEndian.PutUint32(a.b[4:], magicCookie)
	copy(a.b[8:], m.transaction[:])
	return a
}

func errorTo(m *message, code int) *answer {
	return answerTo(m, classError).attribute(attrErrorCode, []byte{0, 0, byte(code / 100), byte(code % 100)})
}

func (a *answer) attribute(kind uint16, value []byte) *answer {
	a.b = binary.BigEndian.AppendUint16(a.b, kind)
	a.b = binary.BigEndian.AppendUint16(a.b, uint16(len(value)))
	a.b = append(a.b, value...)
	for len(a.b)%4 != 0 {
		a.b = append(a.b, 0)
	}
	return a
}

func (a *answer) number(kind uint16, n uint32) *answer {
	return a.attribute(kind, binary.BigEndian.AppendUint32(nil, n))
}

func (a *answer) address(kind uint16, addr netip.AddrPort) *answer {
	var value [20]byte
	n := putXORAddress(value[:], addr, a.b[4:headerSize])
	return a.attribute(kind, value[:n])
}

// putXORAddress writes the value of an XOR-...-ADDRESS attribute and returns
// its size. mask is cookie and transaction id.
func putXORAddress(b []byte, addr netip.AddrPort, mask []byte) int {
	ip := addr.Addr().Unmap()
	binary.BigEndian.PutUint16(b[2:], addr.Port()^magicCookie>>16)
	b[0] = 0
	if ip.Is4() {
		b[1] = familyIPv4
		a := ip.As4()
		return 4 + xor(b[4:], a[:], mask)
	}
	b[1] = familyIPv6
	a := ip.As16()
	return 4 + xor(b[4:], a[:], mask)
}

func xor(to, a, mask []byte) int {
	for i := range a {
		to[i] = a[i] ^ mask[i]
	}
	return len(a)
}

// signed ends an answer to somebody whose key is known.
func (a *answer) signed(key []byte) []byte {
	sum := integrity(key, a.b)
	a.attribute(attrIntegrity, sum)
	return a.finish()
}

// fingerprinted ends an answer to a request that carried a FINGERPRINT.
func (a *answer) fingerprinted() []byte {
	binary.BigEndian.PutUint16(a.b[2:], uint16(len(a.b)-headerSize+8))
	a.number(attrFingerprint, crc32.ChecksumIEEE(a.b)^fingerprintXOR)
	return a.finish()
}

func (a *answer) finish() []byte {
	binary.BigEndian.PutUint16(a.b[2:], uint16(len(a.b)-headerSize))
	return a.b
}
