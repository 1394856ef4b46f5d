package turn

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
	"time"
)

const (
	nonceLife = time.Hour
	nonceSize = 16 // characters; longer ones would make the answer to a forged request more than twice as long
)

// nonces makes and checks NONCE values: the time, signed together with the
// client's address, so that one that was overheard is of no use elsewhere.
type nonces struct{ secret [32]byte }

func newNonces() *nonces {
	n := new(nonces)
	_, _ = rand.Read(n.secret[:]) // never fails
	return n
}

func (n *nonces) make(client netip.AddrPort, now time.Time) []byte {
	return n.at(client, uint32(now.Unix()))
}

func (n *nonces) at(client netip.AddrPort, seconds uint32) []byte {
	var b [4 + 18]byte
	binary.BigEndian.PutUint32(b[:], seconds)
	ip := client.Addr().As16()
	copy(b[4:], ip[:])
	binary.BigEndian.PutUint16(b[20:], client.Port())
	h := hmac.New(sha256.New, n.secret[:])
	h.Write(b[:])
	return base64.RawURLEncoding.AppendEncode(nil, append(b[:4:4], h.Sum(nil)[:8]...))
}

// valid reports whether this server made the nonce for the client, not longer
// ago than nonceLife.
func (n *nonces) valid(nonce []byte, client netip.AddrPort, now time.Time) bool {
	var b [12]byte
	if len(nonce) != nonceSize {
		return false
	}
	if _, err := base64.RawURLEncoding.Decode(b[:], nonce); err != nil {
		return false
	}
	seconds := binary.BigEndian.Uint32(b[:])
	age := now.Sub(time.Unix(int64(seconds), 0))
	return age >= -time.Second && age <= nonceLife && hmac.Equal(nonce, n.at(client, seconds))
}
