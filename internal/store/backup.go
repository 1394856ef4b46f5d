package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A backup is a line that names the format, then frames: a space with its name, a record with key and value, each length before what it counts;
// the last frame holds the number of records, and the SHA-256 of everything before follows. Spaces and keys ascend. It depends on no engine and
// holds nothing that was deleted.
const backupHead = "careline store backup 1\n"

const (
	frameEnd    = 0
	frameSpace  = 1
	frameRecord = 2
)

// ErrNoBackup says that what was read is not a whole backup.
var ErrNoBackup = errors.New("no backup, or a damaged one")

// Backup writes everything that is committed, while others read and write. It checks each record that it reads. The file grows more than
// usual meanwhile, so w is to be fast: a file rather than a client far away. also, if given, then reads the same state.
func (db *DB) Backup(ctx context.Context, w io.Writer, also ...func(*Tx) error) error {
	err := db.View(ctx, func(tx *Tx) error {
		b := &backupWriter{w: bufio.NewWriterSize(w, 256<<10), sum: sha256.New()}
		b.write([]byte(backupHead))
		spaces, err := tx.t.spaces()
		if err != nil {
			return err
		}
		for _, space := range spaces {
			b.frame(frameSpace, []byte(space))
			tx.scan(space, nil, nil, false, func(key, value []byte) bool {
				b.count++
				b.frame(frameRecord, key, value)
				select {
				case <-db.stopping: // nobody waits for a backup
					b.err = errClosed
				default:
				}
				return b.err == nil
			})
			if err := errors.Join(tx.usable(), b.err); err != nil {
				return err
			}
		}
		err = b.end()
		for _, read := range also {
			if err == nil {
				err = read(tx)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("back up store: %w", err)
	}
	return nil
}

// Unused is a store that nobody has open, to be backed up.
type Unused struct{ db *DB }

// OpenUnused opens a store to be backed up. It makes and migrates nothing. The error is ErrInUse when somebody has it open. Close has to follow.
func OpenUnused(path string) (*Unused, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("back up store: %w", err)
	}
	e, err := openFile(path)
	if err != nil {
		return nil, fmt.Errorf("back up store: %w", err)
	}
	u := &Unused{&DB{engine: e, path: path, stopping: make(chan struct{})}}
	_, known, err := u.db.schemaVersion()
	if err == nil && !known {
		err = fmt.Errorf("%w: %s is not a store of Careline", ErrDamaged, path)
	}
	if err != nil {
		return nil, errors.Join(err, u.Close())
	}
	return u, nil
}

// Backup is DB.Backup.
func (u *Unused) Backup(ctx context.Context, w io.Writer, also ...func(*Tx) error) error {
	return u.db.Backup(ctx, w, also...)
}

// Close lets go of the file.
func (u *Unused) Close() error { return u.db.engine.close() }

// CheckBackup reads a backup and returns nil if it is whole.
func CheckBackup(r io.Reader) error {
	b := newBackupReader(r)
	for b.next() { // checks as it reads
	}
	if b.err == nil && !b.formatted {
		b.wrong("it names no format")
	}
	return b.err
}

type backupWriter struct {
	w     *bufio.Writer
	sum   hash.Hash
	count uint64
	err   error
}

func (b *backupWriter) write(p []byte) {
	b.sum.Write(p)
	if b.err == nil {
		_, b.err = b.w.Write(p)
	}
}

func (b *backupWriter) frame(kind byte, parts ...[]byte) {
	b.write([]byte{kind})
	for _, p := range parts {
		b.write(binary.AppendUvarint(nil, uint64(len(p))))
		b.write(p)
	}
}

func (b *backupWriter) end() error {
	b.write(binary.AppendUvarint([]byte{frameEnd}, b.count))
	b.write(b.sum.Sum(nil))
	if b.err == nil {
		b.err = b.w.Flush()
	}
	return b.err
}

// restoreBatch is how many bytes a restore writes in one transaction.
const restoreBatch = 4 << 20

// Restore makes a store at path of a backup. It never replaces a file: the error is then fs.ErrExist. What is not a whole backup leaves none.
func Restore(path string, r io.Reader) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("restore store: %w", &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist})
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	file, err := newFile(path)
	if err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	if err := readBackup(r, file.engine); err != nil {
		return errors.Join(fmt.Errorf("restore store: %w", err), file.discard())
	}
	if err := errors.Join(file.engine.flush(), file.engine.close()); err != nil {
		return errors.Join(fmt.Errorf("restore store: %w", err), file.discard())
	}
	if err := file.publish(); err != nil {
		return fmt.Errorf("restore store: %w", err)
	}
	return nil
}

// readBackup copies a backup into an empty engine.
func readBackup(r io.Reader, to engine) error {
	b := newBackupReader(r)
	t, err := to.begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = t.rollback() }()
	written := 0
	for b.next() {
		if err := t.put(b.space, b.key, b.value); err != nil {
			return err
		}
		t.mark()
		if written += len(b.key) + len(b.value); written < restoreBatch {
			continue
		}
		if err := t.commit(); err != nil {
			return err
		}
		if t, err = to.begin(true); err != nil {
			return err
		}
		written = 0
	}
	if !b.formatted {
		b.wrong("it names no format")
	}
	if b.err != nil {
		return b.err
	}
	return t.commit()
}

// backupReader checks a backup as it reads.
type backupReader struct {
	r         *bufio.Reader
	sum       hash.Hash
	begun     bool
	formatted bool // the space of settings was seen
	count     uint64

	space      string
	key, value []byte
	err        error
}

func newBackupReader(r io.Reader) *backupReader {
	return &backupReader{r: bufio.NewReaderSize(r, 256<<10), sum: sha256.New()}
}

// next reads up to the next record. It returns false at the end and, with err, when something is wrong.
func (b *backupReader) next() bool {
	if !b.begun {
		b.begun = true
		if head := b.bytes(uint64(len(backupHead))); b.err != nil || string(head) != backupHead {
			b.wrong("it does not begin as one")
			return false
		}
	}
	for b.err == nil {
		switch kind := b.bytes(1); {
		case b.err != nil:
		case kind[0] == frameSpace:
			b.enter()
		case kind[0] == frameRecord:
			b.record()
			return b.err == nil
		case kind[0] == frameEnd:
			b.end()
			return false
		default:
			b.wrong("unknown frame")
		}
	}
	return false
}

func (b *backupReader) enter() {
	name := string(b.bytes(b.length(maxKey)))
	if b.err == nil && name <= b.space {
		b.wrong("spaces out of order")
	}
	b.space, b.key = name, nil
	b.formatted = b.formatted || name == settings.name
}

func (b *backupReader) record() {
	key := b.bytes(b.length(maxKey))
	value := b.bytes(b.length(maxValue))
	switch {
	case b.err != nil:
	case b.space == "" || len(key) == 0 || bytes.Compare(key, b.key) <= 0:
		b.wrong("records out of order")
	}
	b.key, b.value = key, value
	b.count++
}

func (b *backupReader) end() {
	if count := b.length(^uint64(0)); b.err == nil && count != b.count {
		b.wrong("records are missing")
	}
	sum := b.sum.Sum(nil)
	if read := b.bytes(sha256.Size); b.err == nil && !bytes.Equal(read, sum) {
		b.wrong("its checksum differs")
	}
	if _, err := b.r.ReadByte(); b.err == nil && err != io.EOF {
		b.wrong("something follows its end")
	}
}

// wrong keeps the first thing that is wrong.
func (b *backupReader) wrong(what string) {
	if b.err == nil {
		b.err = fmt.Errorf("%w: %s", ErrNoBackup, what)
	}
}

// failed keeps an error of the reader.
func (b *backupReader) failed(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		b.wrong("it ends early")
	} else if b.err == nil {
		b.err = fmt.Errorf("read backup: %w", err)
	}
}

func (b *backupReader) length(most uint64) uint64 {
	if b.err != nil {
		return 0
	}
	n, err := binary.ReadUvarint(summedByte{b})
	if err != nil {
		b.failed(err)
	} else if n > most {
		b.wrong("a length is out of bounds")
	}
	return n
}

func (b *backupReader) bytes(n uint64) []byte {
	if b.err != nil {
		return nil
	}
	// Grows with what is really there, so that a wrong length costs nothing.
	var read bytes.Buffer
	if _, err := io.CopyN(&read, b.r, int64(n)); err != nil {
		b.failed(err)
		return nil
	}
	b.sum.Write(read.Bytes())
	return read.Bytes()
}

// summedByte reads single bytes into the checksum.
type summedByte struct{ b *backupReader }

func (s summedByte) ReadByte() (byte, error) {
	c, err := s.b.r.ReadByte()
	if err == nil {
		s.b.sum.Write([]byte{c})
	}
	return c, err
}
