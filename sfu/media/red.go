package media

// redBlockLimit bounds the blocks of one RED packet; libwebrtc sends at most 9 redundant ones.
const redBlockLimit = 32

// REDPrimary returns the newest block of an RFC 2198 payload: what a receiver without RED gets as plain Opus.
// It points into payload. Headers or blocks that run past the payload, too many blocks and an empty primary
// block are ErrPayload.
func REDPrimary(payload []byte) ([]byte, error) {
	headers, redundant := 0, 0
	for i := 0; ; i++ {
		if i == redBlockLimit || headers >= len(payload) {
			return nil, ErrPayload
		}
		if payload[headers]&0x80 == 0 { // F = 0: the primary block's one-byte header
			headers++
			break
		}
		if len(payload) < headers+4 {
			return nil, ErrPayload
		}
		redundant += int(payload[headers+2]&0x03)<<8 | int(payload[headers+3])
		headers += 4
	}
	start := headers + redundant
	if start >= len(payload) {
		return nil, ErrPayload
	}
	return payload[start:], nil
}
