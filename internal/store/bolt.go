package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	// lockWait is how long a file may stay locked by a process that is just ending.
	lockWait = time.Second

	// mapped is how much of the file bbolt maps at first. Mapping more later waits for all that read, a backup among them. It costs
	// addresses, not memory.
	mapped = 1 << 30

	// filled is how much of a full page stays in it when it is split. Most keys come in order, whose pages nobody writes to again.
	filled = 0.9
)

// boltEngine keeps each space in a bucket of one bbolt file.
type boltEngine struct {
	db    *bbolt.DB
	path  string
	found *inspection // nil for a new file
}

// openBolt opens a file that exists, or makes an empty one with create. With sync false nothing is durable before flush.
func openBolt(path string, create, sync bool) (_ *boltEngine, err error) {
	defer recoverDamage(&err, "file")
	options := &bbolt.Options{
		Timeout:        lockWait,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		NoSync:         !sync,
		NoGrowSync:     !sync,
	}
	if runtime.GOOS != "windows" && ^uint(0)>>32 != 0 { // on Windows the file itself would get that large
		options.InitialMmapSize = mapped
	}
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		if create {
			return os.OpenFile(name, flag|os.O_EXCL, mode)
		}
		return os.OpenFile(name, flag&^os.O_CREATE, mode)
	}
	db, err := bbolt.Open(path, 0o600, options)
	if err != nil {
		return nil, openError(path, err)
	}
	return &boltEngine{db: db, path: path}, nil
}

func openError(path string, err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("%s: %w", path, ErrInUse)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum), errors.Is(err, bbolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return err
}

func (e *boltEngine) begin(writable bool) (_ transaction, err error) {
	defer recoverDamage(&err, "file")
	tx, err := e.db.Begin(writable)
	if errors.Is(err, bbolterrors.ErrDatabaseNotOpen) {
		return nil, errClosed
	}
	if err != nil {
		return nil, err
	}
	return &boltTx{tx: tx, buckets: make(map[string]*boltBucket)}, nil
}

// flush makes durable what was written without sync.
func (e *boltEngine) flush() error { return e.db.Sync() }

func (e *boltEngine) size() int64 {
	info, err := os.Stat(e.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (e *boltEngine) close() error { return e.db.Close() }

// boltTx seals each value with a checksum and remembers what the operation under way replaced: bbolt has no savepoints.
type boltTx struct {
	tx      *bbolt.Tx
	buckets map[string]*boltBucket
	undone  []replaced
	writes  int // counts, so that a scan knows that its cursor no longer stands
}

// replaced is what a write found: old is nil where there was nothing.
type replaced struct {
	bucket *boltBucket
	key    []byte
	old    []byte
}

// boltBucket remembers what was read or written last: most writes follow a read of the same key, and what counts is read again by the operation after.
// Finding a key costs more than anything else here.
type boltBucket struct {
	*bbolt.Bucket
	key, sealed []byte // key is nil when nothing is remembered
}

func newBoltBucket(b *bbolt.Bucket) *boltBucket {
	b.FillPercent = filled
	return &boltBucket{Bucket: b}
}

// read is Get.
func (b *boltBucket) read(key []byte) []byte {
	if b.key == nil || !bytes.Equal(b.key, key) {
		b.key, b.sealed = key, b.Get(key)
	}
	return b.sealed
}

// bucket returns nil when the space does not exist.
func (t *boltTx) bucket(space string) *boltBucket {
	b, ok := t.buckets[space]
	if !ok {
		if found := t.tx.Bucket([]byte(space)); found != nil {
			b = newBoltBucket(found)
		}
		t.buckets[space] = b
	}
	return b
}

func (t *boltTx) get(space string, key []byte) (_ []byte, err error) {
	defer recoverDamage(&err, space)
	b := t.bucket(space)
	if b == nil {
		return nil, nil
	}
	sealed := b.read(key)
	if sealed == nil {
		return nil, nil
	}
	return unseal(space, key, sealed)
}

func (t *boltTx) put(space string, key, value []byte) (err error) {
	defer recoverDamage(&err, space)
	b := t.bucket(space)
	if b == nil {
		made, err := t.tx.CreateBucketIfNotExists([]byte(space))
		if err != nil {
			return fmt.Errorf("create %s: %w", space, err)
		}
		b = newBoltBucket(made)
		t.buckets[space] = b
	}
	return t.replace(b, key, seal(space, key, value))
}

func (t *boltTx) delete(space string, key []byte) (err error) {
	defer recoverDamage(&err, space)
	if b := t.bucket(space); b != nil {
		return t.replace(b, key, nil)
	}
	return nil
}

// replace writes a sealed value, nil to delete, and remembers what it replaced.
func (t *boltTx) replace(b *boltBucket, key, sealed []byte) error {
	old := b.read(key)
	if sealed == nil && old == nil {
		return nil
	}
	t.writes++
	t.undone = append(t.undone, replaced{b, key, old})
	b.key, b.sealed = key, sealed
	if sealed == nil {
		return b.Delete(key)
	}
	return b.Put(key, sealed)
}

func (t *boltTx) mark() {
	clear(t.undone)
	t.undone = t.undone[:0]
}

func (t *boltTx) undo() (err error) {
	defer recoverDamage(&err, "file")
	for _, r := range slices.Backward(t.undone) {
		t.writes++
		r.bucket.key, r.bucket.sealed = nil, nil
		if r.old == nil {
			err = r.bucket.Delete(r.key)
		} else {
			err = r.bucket.Put(r.key, r.old)
		}
		if err != nil {
			return fmt.Errorf("undo: %w", err)
		}
	}
	t.mark()
	return nil
}

func (t *boltTx) wrote() bool { return t.writes > 0 }

func (t *boltTx) scan(space string, from, to []byte, reverse bool, yield func(key, value []byte) bool) error {
	b := t.bucket(space)
	if b == nil {
		return nil
	}
	c := boltCursor{space: space, cursor: b.Cursor(), from: from, to: to, reverse: reverse}
	for key, value, err := c.first(); key != nil || err != nil; key, value, err = c.next(key) {
		if err != nil {
			return err
		}
		writes := t.writes
		if !yield(key, value) {
			return nil
		}
		if t.writes != writes {
			c.cursor, c.moved = b.Cursor(), true
		}
	}
	return nil
}

// boltCursor goes through a range of a bucket in one direction. A nil key is the end.
type boltCursor struct {
	space    string
	cursor   *bbolt.Cursor
	from, to []byte
	reverse  bool
	moved    bool // the cursor is new and has to find its place
}

func (c *boltCursor) first() (_, _ []byte, err error) {
	defer recoverDamage(&err, c.space)
	switch {
	case !c.reverse:
		return c.open(c.cursor.Seek(c.from))
	case c.to == nil:
		return c.open(c.cursor.Last())
	default:
		return c.open(c.before(c.to))
	}
}

// next goes on from last.
func (c *boltCursor) next(last []byte) (_, _ []byte, err error) {
	defer recoverDamage(&err, c.space)
	moved := c.moved
	c.moved = false
	switch {
	case moved && c.reverse:
		return c.open(c.before(last))
	case moved:
		if key, sealed := c.cursor.Seek(last); !bytes.Equal(key, last) {
			return c.open(key, sealed)
		}
		return c.open(c.cursor.Next())
	case c.reverse:
		return c.open(c.cursor.Prev())
	default:
		return c.open(c.cursor.Next())
	}
}

// open returns what the cursor found, if it is still in the range.
func (c *boltCursor) open(key, sealed []byte) (_, _ []byte, err error) {
	if key == nil || c.reverse && bytes.Compare(key, c.from) < 0 || !c.reverse && c.to != nil && bytes.Compare(key, c.to) >= 0 {
		return nil, nil, nil
	}
	value, err := unseal(c.space, key, sealed)
	return key, value, err
}

// before finds the last key before one.
func (c *boltCursor) before(key []byte) ([]byte, []byte) {
	if found, _ := c.cursor.Seek(key); found == nil {
		return c.cursor.Last()
	}
	return c.cursor.Prev()
}

func (t *boltTx) spaces() (names []string, err error) {
	defer recoverDamage(&err, "file")
	err = t.tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		names = append(names, string(name))
		return nil
	})
	return names, err
}

func (t *boltTx) commit() (err error) {
	defer func() {
		if err != nil { // bbolt ends the transaction itself after most errors, but not after a panic
			_ = t.rollback()
		}
	}()
	defer recoverDamage(&err, "file")
	return t.tx.Commit()
}

func (t *boltTx) rollback() (err error) {
	defer recoverDamage(&err, "file")
	if err := t.tx.Rollback(); !errors.Is(err, bbolterrors.ErrTxClosed) {
		return err
	}
	return nil
}
