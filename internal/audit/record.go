package audit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/store"
)

// Entry is what is recorded.
type Entry struct {
	Actor  string            `json:"actor"`            // who
	Action string            `json:"action"`           // did what, as "message.deleted"; reads too, as "message.read-deleted"
	Object string            `json:"object"`           // with what
	From   string            `json:"from,omitempty"`   // by which way: api, data-channel, token
	Reason string            `json:"reason,omitempty"` // as given
	Before []byte            `json:"before,omitempty"` // salted hash of the content that was
	After  []byte            `json:"after,omitempty"`  // salted hash of the content that is
	Detail map[string]string `json:"detail,omitempty"` // nothing that would have to be erased
}

// Record is an entry in the chain.
type Record struct {
	Pos uint64    `json:"pos"` // from 1 without holes
	At  time.Time `json:"at"`
	Entry
	Prev []byte `json:"prev"` // hash of the record before
	Hash []byte `json:"hash"` // SHA-256 of Prev and the record without Hash, as JSON
}

// Head is the end of the chain.
type Head struct {
	Pos  uint64    `json:"pos"`
	Hash []byte    `json:"hash"`
	At   time.Time `json:"at"` // of the record
}

var (
	records = store.NewTable("audit_records", store.Uint64[uint64](), store.JSON[Record]())
	heads   = store.NewTable("audit_heads", store.String[string](), store.JSON[Head]()).Remember(1)
	salts   = store.NewTable("audit_salts", store.String[string](), store.Bytes())
)

const headKey = "head"

// origin is the hash before the first record.
var origin = make([]byte, sha256.Size)

// Chain is the audit of one store.
type Chain struct{ clock clock.Clock }

// New returns the chain; the store is that of the transactions.
func New(c clock.Clock) *Chain { return &Chain{c} }

// Append records an entry in the caller's transaction.
func (c *Chain) Append(tx *store.Tx, e Entry) (Record, error) {
	head, err := c.Head(tx)
	if err != nil {
		return Record{}, err
	}
	r := Record{Pos: head.Pos + 1, At: c.clock.Now().UTC().Truncate(time.Microsecond), Entry: e, Prev: head.Hash}
	if r.Hash, err = r.sum(); err != nil {
		return r, err
	}
	if err := records.Insert(tx, r.Pos, r); err != nil {
		return r, fmt.Errorf("write audit record %d: %w", r.Pos, err)
	}
	return r, heads.Put(tx, headKey, Head{Pos: r.Pos, Hash: r.Hash, At: r.At})
}

// Head returns the end of the chain; before the first record its position is 0.
func (c *Chain) Head(tx *store.Tx) (Head, error) {
	head, err := heads.Get(tx, headKey)
	if errs.Is(err, errs.NotFound) {
		return Head{Hash: origin}, nil
	}
	return head, err
}

// sum is the hash of a record. Maps are encoded in the order of their keys, so the same record always gives the same bytes.
func (r Record) sum() ([]byte, error) {
	r.Hash = nil
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode audit record: %w", err)
	}
	h := sha256.New()
	_, _ = h.Write(r.Prev)
	_, _ = h.Write(b)
	return h.Sum(nil), nil
}

// Hash is how content of a stream appears in records.
func (c *Chain) Hash(tx *store.Tx, stream string, content []byte) ([]byte, error) {
	salt, err := salts.Get(tx, stream)
	if errs.Is(err, errs.NotFound) {
		salt = make([]byte, sha256.Size)
		_, _ = rand.Read(salt) // never fails: it would have ended the process
		err = salts.Put(tx, stream, salt)
	}
	if err != nil {
		return nil, err
	}
	return sum(salt, content), nil
}

// Matches tells whether content of a stream is what a record has as a hash. After Forget nothing matches.
func (c *Chain) Matches(tx *store.Tx, stream string, content, hash []byte) (bool, error) {
	salt, err := salts.Get(tx, stream)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil && hmac.Equal(sum(salt, content), hash), err
}

// Forget destroys the salt of a stream.
func (c *Chain) Forget(tx *store.Tx, stream string) error { return salts.Delete(tx, stream) }

func sum(salt, content []byte) []byte {
	h := hmac.New(sha256.New, salt)
	_, _ = h.Write(content)
	return h.Sum(nil)
}

// After returns records from after a position on, limit at most.
func (c *Chain) After(tx *store.Tx, pos uint64, limit int) []Record {
	var list []Record
	for _, r := range records.Scan(tx, store.Range[uint64]{After: &pos, Limit: limit}) {
		list = append(list, r)
	}
	return list
}

// ErrBroken says that the chain is not what was written. The error around it says where.
var ErrBroken = errors.New("the audit chain is broken")
