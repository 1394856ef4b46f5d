package audit

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Signer signs the end of what is exported.
type Signer interface {
	Sign(content []byte) []byte
	Public() ed25519.PublicKey
}

// closing is the last line of an export.
type closing struct {
	Head      *Head  `json:"head"`
	PublicKey []byte `json:"public_key"`
	Signature []byte `json:"signature"` // Ed25519, of what signed returns
}

// signed is what the signature of an export is of: the hash of its last record, in which all of them are.
func (h *Head) signed() ([]byte, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode the audit's head: %w", err)
	}
	return append([]byte("careline audit head\n"), b...), nil
}

// Export writes the chain as JSON lines, one record each, and a last line with the head and its signature.
func (c *Chain) Export(ctx context.Context, db Viewer, w io.Writer, signer Signer) error {
	enc := json.NewEncoder(w)
	head, err := c.walk(ctx, db, func(r Record) error { return enc.Encode(r) })
	if err == nil {
		var content []byte
		if content, err = head.signed(); err == nil {
			err = enc.Encode(closing{&head, signer.Public(), signer.Sign(content)})
		}
	}
	if err != nil {
		return fmt.Errorf("export the audit: %w", err)
	}
	return nil
}

// reads decodes a line that is exactly what v is encoded as: nothing can stand in it that is in no hash.
func reads(line []byte, v any) bool {
	if json.Unmarshal(line, v) != nil {
		return false
	}
	again, err := json.Marshal(v)
	return err == nil && bytes.Equal(again, line)
}

// longestLine bounds a line of an export, in bytes: a record names things and holds no content.
const longestLine = 1 << 20

// VerifyExport reads an export and compares it with itself and with the signature of its head, by a server's key. It returns how many records
// there are.
func VerifyExport(r io.Reader, public ed25519.PublicKey) (uint64, error) {
	last := Head{Hash: origin}
	var end closing
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var record Record
		switch {
		case end.Head != nil:
			return last.Pos, fmt.Errorf("%w: there is something behind its head", ErrBroken)
		case reads(lines.Bytes(), &record):
			if err := record.follows(&last); err != nil {
				return last.Pos, err
			}
		case !reads(lines.Bytes(), &end) || end.Head == nil:
			return last.Pos, fmt.Errorf("%w: what follows record %d is neither a record nor the head", ErrBroken, last.Pos)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return last.Pos, fmt.Errorf("%w: what follows record %d is too long", ErrBroken, last.Pos)
	}
	if err := lines.Err(); err != nil {
		return last.Pos, fmt.Errorf("read the export: %w", err)
	}
	if end.Head == nil || end.Head.Pos != last.Pos || !bytes.Equal(end.Head.Hash, last.Hash) {
		return last.Pos, fmt.Errorf("%w: it ends with record %d, which its head does not say", ErrBroken, last.Pos)
	}
	content, err := end.Head.signed()
	if err != nil {
		return last.Pos, err
	}
	if !bytes.Equal(end.PublicKey, public) || !ed25519.Verify(public, content, end.Signature) {
		return last.Pos, fmt.Errorf("%w: its head is not signed by this key", ErrBroken)
	}
	return last.Pos, nil
}
