package chat

import (
	"crypto/rand"
	"encoding/base32"
	"time"
)

// crockford is the alphabet of ULIDs, in the order of its bytes.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var randomPart = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// newID makes a ULID: 48 bits of the time in milliseconds and 80 random ones, in 26 characters that sort by time.
func newID(now time.Time) string {
	var stamp [10]byte
	for ms, i := uint64(now.UnixMilli()), len(stamp)-1; i >= 0; i-- {
		stamp[i] = crockford[ms%32]
		ms /= 32
	}
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: it would have ended the process
	return string(stamp[:]) + randomPart.EncodeToString(random[:])
}
