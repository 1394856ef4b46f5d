package blob

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"

	"careline/internal/errs"
	"careline/internal/seal"
)

const (
	magic      = "CLBLOB\x00\x01"
	numberSize = 16
	headSize   = len(magic) + numberSize

	chunkSize  = 64 << 10 // of content
	overhead   = 28       // of sealing
	footerSize = 8 + sha256.Size + overhead
)

// ErrDamaged says that a file is not what was written.
var ErrDamaged = errors.New("damaged file")

// ErrTooLarge says that content is larger than the limit that it was given.
var ErrTooLarge = errs.New(errs.Limit, "the file is too large")

// writer seals content on its way to a file.
type writer struct {
	// immutable
	out   *bufio.Writer
	key   *seal.Key
	place string // of the file
	limit int64

	// owned by who writes
	chunk []byte
	next  int64 // number of the chunk that is being filled
	size  int64
	sum   hash.Hash
}

func newWriter(out io.Writer, key *seal.Key, limit int64) (*writer, error) {
	number := make([]byte, numberSize)
	_, _ = rand.Read(number) // never fails
	w := &writer{
		out:   bufio.NewWriterSize(out, chunkSize+overhead),
		key:   key,
		place: placeOf(number),
		limit: limit,
		chunk: make([]byte, 0, chunkSize),
		sum:   sha256.New(),
	}
	_, err := w.out.Write(append([]byte(magic), number...))
	return w, err
}

func placeOf(number []byte) string { return "blob/" + hex.EncodeToString(number) + "/" }

func placeOfChunk(file string, n int64) string { return file + strconv.FormatInt(n, 10) }

func placeOfFooter(file string) string { return file + "footer" }

// Write fails with ErrTooLarge before anything above the limit is written.
func (w *writer) Write(b []byte) (int, error) {
	if w.size+int64(len(b)) > w.limit {
		return 0, ErrTooLarge
	}
	w.sum.Write(b)
	w.size += int64(len(b))
	written := len(b)
	for len(b) > 0 {
		n := copy(w.chunk[len(w.chunk):chunkSize], b)
		w.chunk, b = w.chunk[:len(w.chunk)+n], b[n:]
		if len(w.chunk) == chunkSize {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (w *writer) flush() error {
	_, err := w.out.Write(w.key.Seal(w.chunk, placeOfChunk(w.place, w.next)))
	w.chunk = w.chunk[:0]
	w.next++
	return err
}

// finish writes what remains, and returns the SHA-256 of the content.
func (w *writer) finish() ([]byte, error) {
	if len(w.chunk) > 0 {
		if err := w.flush(); err != nil {
			return nil, err
		}
	}
	sum := w.sum.Sum(nil)
	footer := append(binary.BigEndian.AppendUint64(nil, uint64(w.size)), sum...)
	if _, err := w.out.Write(w.key.Seal(footer, placeOfFooter(w.place))); err != nil {
		return nil, err
	}
	return sum, w.out.Flush()
}

// sealedSize returns how long a file with so much content is.
func sealedSize(size int64) int64 {
	chunks := (size + chunkSize - 1) / chunkSize
	return int64(headSize) + size + chunks*overhead + footerSize
}

// Reader reads a file's content, any part of it, and keeps one chunk of it in memory. It belongs to one goroutine. Reading goes on when the
// file is removed meanwhile.
type Reader struct {
	// immutable
	file  io.ReaderAt
	close func() error
	key   *seal.Key
	place string
	size  int64
	sum   []byte

	// owned by who reads
	at    int64
	n     int64 // number of the chunk in memory, -1 for none
	chunk []byte
	raw   []byte // buffer of a sealed chunk
}

// newReader reads a file of a length in bytes. It owns nothing: closeFile is called by Close.
func newReader(file io.ReaderAt, length int64, key *seal.Key, closeFile func() error) (*Reader, error) {
	if length < sealedSize(0) {
		return nil, fmt.Errorf("%w: it has %d bytes only", ErrDamaged, length)
	}
	head := make([]byte, headSize)
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(head, []byte(magic)) {
		return nil, fmt.Errorf("%w: it does not begin as one of ours", ErrDamaged)
	}
	r := &Reader{file: file, close: closeFile, key: key, place: placeOf(head[len(magic):]), n: -1}
	sealed := make([]byte, footerSize)
	if _, err := file.ReadAt(sealed, length-footerSize); err != nil {
		return nil, err
	}
	footer, err := key.Open(sealed, placeOfFooter(r.place))
	if err != nil {
		return nil, fmt.Errorf("%w: the footer: %w", ErrDamaged, err)
	}
	r.size, r.sum = int64(binary.BigEndian.Uint64(footer)), footer[8:]
	if sealedSize(r.size) != length {
		return nil, fmt.Errorf("%w: it has %d bytes, expected %d", ErrDamaged, length, sealedSize(r.size))
	}
	return r, nil
}

// Size returns how much content there is, in bytes.
func (r *Reader) Size() int64 { return r.size }

// Sum returns the SHA-256 of the content.
func (r *Reader) Sum() []byte { return bytes.Clone(r.sum) }

// Read implements io.Reader. The error is ErrDamaged when a chunk does not open; nothing of it is returned.
func (r *Reader) Read(b []byte) (int, error) {
	n, err := r.ReadAt(b[:min(len(b), chunkSize)], r.at)
	r.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt, but for one goroutine at a time.
func (r *Reader) ReadAt(b []byte, at int64) (read int, err error) {
	if at < 0 {
		return 0, errs.New(errs.Invalid, "negative offset")
	}
	for len(b) > 0 {
		if at >= r.size {
			return read, io.EOF
		}
		if err := r.load(at / chunkSize); err != nil {
			return read, err
		}
		n := copy(b, r.chunk[at%chunkSize:])
		b, at, read = b[n:], at+int64(n), read+n
	}
	return read, nil
}

func (r *Reader) load(n int64) error {
	if n == r.n {
		return nil
	}
	r.n = -1
	size := min(chunkSize, r.size-n*chunkSize) + overhead
	if r.raw == nil {
		r.raw = make([]byte, chunkSize+overhead)
	}
	raw := r.raw[:size]
	if _, err := r.file.ReadAt(raw, int64(headSize)+n*(chunkSize+overhead)); err != nil {
		return fmt.Errorf("read chunk %d: %w", n, err)
	}
	chunk, err := r.key.Open(raw, placeOfChunk(r.place, n))
	if err != nil {
		return fmt.Errorf("%w: chunk %d: %w", ErrDamaged, n, err)
	}
	r.chunk, r.n = chunk, n
	return nil
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	default:
		return 0, errs.New(errs.Invalid, "unknown whence")
	}
	if offset < 0 {
		return 0, errs.New(errs.Invalid, "negative offset")
	}
	r.at = offset
	return offset, nil
}

// Close ends the reading.
func (r *Reader) Close() error { return r.close() }
