package turn

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" // MESSAGE-INTEGRITY is HMAC-SHA1 (RFC 8489 section 14.5)
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
)

const (
	headerSize          = 20
	magicCookie         = 0x2112A442
	fingerprintXOR      = 0x5354554e
	integritySize       = sha1.Size
	maxPeers            = 16 // XOR-PEER-ADDRESS attributes of one CreatePermission
	maxUnknown          = 8  // unknown attributes that an answer lists
	familyIPv4     byte = 1
	familyIPv6     byte = 2
)

// Methods and classes (RFC 8489 section 5, RFC 8656 section 17).
const (
	methodBinding          = 0x001
	methodAllocate         = 0x003
	methodRefresh          = 0x004
	methodSend             = 0x006
	methodData             = 0x007
	methodCreatePermission = 0x008
	methodChannelBind      = 0x009

	classRequest    = 0x000
	classIndication = 0x010
	classSuccess    = 0x100
	classError      = 0x110
	classMask       = 0x110
)

// Attributes that we know.
const (
	attrUsername           = 0x0006
	attrIntegrity          = 0x0008
	attrErrorCode          = 0x0009
	attrUnknownAttributes  = 0x000A
	attrChannelNumber      = 0x000C
	attrLifetime           = 0x000D
	attrXORPeerAddress     = 0x0012
	attrData               = 0x0013
	attrRealm              = 0x0014
	attrNonce              = 0x0015
	attrXORRelayedAddress  = 0x0016
	attrRequestedFamily    = 0x0017
	attrEvenPort           = 0x0018
	attrRequestedTransport = 0x0019
	attrReservationToken   = 0x0022
	attrXORMappedAddress   = 0x0020
	attrFingerprint        = 0x8028

	comprehensionOptional = 0x8000
)

var errMessage = errors.New("not a STUN message")

// message is a parsed STUN message. Its slices point into the packet that it
// was read from.
type message struct {
	kind        uint16 // method and class
	transaction [12]byte
	raw         []byte

	username, realm, nonce, data []byte
	integrity                    int // where the attribute starts in raw, 0 when there is none
	hasData                      bool
	fingerprint                  bool
	malformed                    bool   // an attribute has a size or value that it cannot have
	evenPort, evenPortNext       bool   // an even port, and the one after it kept
	reservation                  []byte // token of such a port, nil without
	hasTransport, hasFamily      bool
	hasLifetime, hasChannel      bool

	transport, family byte
	lifetime          uint32 // seconds
	channel           uint16
	peers             [maxPeers]peerAddress
	peerCount         int
	unknown           [maxUnknown]uint16
	unknownCount      int
}

// peerAddress is a peer as the client wrote it: family is that of the
// attribute, also when an IPv6 address embeds an IPv4 one.
type peerAddress struct {
	netip.AddrPort
	family byte
}

func (m *message) method() uint16 { return m.kind &^ classMask }
func (m *message) class() uint16  { return m.kind & classMask }

// isSTUN reports whether a packet can be a STUN message, by its first bytes.
func isSTUN(b []byte) bool {
	return len(b) >= headerSize && b[0] < 4 && binary.BigEndian.Uint32(b[4:]) == magicCookie
}

// parse reads one message that fills b. The error says that b is no message at
// all and deserves no answer; lesser faults are marked in m.
func (m *message) parse(b []byte) error {
	if !isSTUN(b) || len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-headerSize {
		return errMessage
	}
	*m = message{kind: binary.BigEndian.Uint16(b), raw: b}
	copy(m.transaction[:], b[8:headerSize])
	for at := headerSize; at < len(b); {
		kind, size := binary.BigEndian.Uint16(b[at:]), int(binary.BigEndian.Uint16(b[at+2:]))
		value := at + 4
		next := value + (size+3)&^3
		if next > len(b) {
			return errMessage
		}
		if kind == attrFingerprint {
			// Always the last one (RFC 8489 section 14.7).
			if size != 4 || next != len(b) || binary.BigEndian.Uint32(b[value:]) != crc32.ChecksumIEEE(b[:at])^fingerprintXOR {
				return errMessage
			}
			m.fingerprint = true
			return nil
		}
		// What follows MESSAGE-INTEGRITY is not protected and does not count.
		if m.integrity == 0 {
			m.attribute(kind, b[value:value+size], at)
		}
		at = next
	}
	return nil
}

// attribute takes one attribute; of repeated ones the first counts, but for
// peers.
func (m *message) attribute(kind uint16, v []byte, at int) {
	switch kind {
	case attrUsername:
		first(&m.username, v)
	case attrRealm:
		first(&m.realm, v)
	case attrNonce:
		first(&m.nonce, v)
	case attrIntegrity:
		m.integrity = at
		m.malformed = m.malformed || len(v) != integritySize
	case attrData:
		if !m.hasData {
			m.data, m.hasData = v, true
		}
	case attrXORPeerAddress:
		m.peer(v)
	case attrChannelNumber:
		if m.sized(v, 4) && !m.hasChannel {
			m.channel, m.hasChannel = binary.BigEndian.Uint16(v), true
		}
	case attrLifetime:
		if m.sized(v, 4) && !m.hasLifetime {
			m.lifetime, m.hasLifetime = binary.BigEndian.Uint32(v), true
		}
	case attrRequestedTransport:
		if m.sized(v, 4) && !m.hasTransport {
			m.transport, m.hasTransport = v[0], true
		}
	case attrRequestedFamily:
		if m.sized(v, 4) && !m.hasFamily {
			m.family, m.hasFamily = v[0], true
		}
	case attrEvenPort:
		if m.sized(v, 1) && !m.evenPort {
			m.evenPort, m.evenPortNext = true, v[0]&0x80 != 0
		}
	case attrReservationToken:
		if m.sized(v, 8) {
			first(&m.reservation, v)
		}
	case attrErrorCode, attrUnknownAttributes, attrXORRelayedAddress, attrXORMappedAddress:
		// Known, and meaningless in what a client sends.
	default:
		if kind < comprehensionOptional && m.unknownCount < maxUnknown {
			m.unknown[m.unknownCount] = kind
			m.unknownCount++
		}
	}
}

func first(to *[]byte, v []byte) {
	if *to == nil {
		*to = v
	}
}

func (m *message) sized(v []byte, n int) bool {
	m.malformed = m.malformed || len(v) != n
	return len(v) == n
}

func (m *message) peer(v []byte) {
	if m.peerCount == maxPeers || len(v) < 4 {
		m.malformed = true
		return
	}
	var addr netip.Addr
	switch {
	case v[1] == familyIPv4 && len(v) == 8:
		a := [4]byte(v[4:])
		m.unmask(a[:])
		addr = netip.AddrFrom4(a)
	case v[1] == familyIPv6 && len(v) == 20:
		a := [16]byte(v[4:])
		m.unmask(a[:])
		addr = netip.AddrFrom16(a)
	default:
		m.malformed = true
		return
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ magicCookie>>16
	m.peers[m.peerCount] = peerAddress{netip.AddrPortFrom(addr, port), v[1]}
	m.peerCount++
}

// unmask undoes the XOR of an address: with the cookie and, beyond four bytes,
// the transaction id, which follow one another in the header.
func (m *message) unmask(a []byte) {
	for i := range a {
		a[i] ^= m.raw[4+i]
	}
}

// signedBy reports whether MESSAGE-INTEGRITY was made with key.
func (m *message) signedBy(key []byte) bool {
	if m.integrity == 0 || len(m.raw) < m.integrity+4+integritySize {
		return false
	}
	sum := integrity(key, m.raw[:m.integrity])
	return hmac.Equal(sum, m.raw[m.integrity+4:m.integrity+4+integritySize])
}

// integrity computes MESSAGE-INTEGRITY over a message whose header is to count
// the attribute itself.
func integrity(key, before []byte) []byte {
	var header [headerSize]byte
	copy(header[:], before)
	binary.BigEndian.PutUint16(header[2:], uint16(len(before)-headerSize+4+integritySize))
	h := hmac.New(sha1.New, key)
	h.Write(header[:])
	h.Write(before[headerSize:])
	return h.Sum(nil)
}

// sameTransaction reports whether the message repeats the one with that id.
func (m *message) sameTransaction(id []byte) bool { return bytes.Equal(m.transaction[:], id) }
