package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"go.etcd.io/bbolt"
)

// bbolt trusts its file: pages that make no sense end the process, in goroutines where nothing can be done about it, and a torn newest header
// makes it take the one before without a word. So the file is read before bbolt writes to it.

// Of bbolt's file format, version 2: all numbers are in the order of the machine.
const (
	pageHeader  = 16 // id 8, flags 2, count 2, overflow 4
	pageElement = 16
	pageBranch  = 0x01
	pageLeaf    = 0x02
	leafBucket  = 0x01
	bucketRoot  = 16 // root 8, sequence 8
	metaSize    = 64
	metaMagic   = 0xED0CDAED
	metaVersion = 2

	deepest  = 64 // levels of a tree; bbolt's has 4 with a hundred million records
	mostTold = 10 // damaged records that are named
)

// inspection is what a look at a whole file found.
type inspection struct {
	tornHeader bool    // the last commit may be missing
	records    []error // damaged ones, the first few
	damaged    int     // how many
}

// inspect reads a file that nobody else writes to. The error is ErrDamaged when its structure is; records whose checksum is wrong are only
// counted and named, since all others can be read.
func inspect(path string) (*inspection, error) {
	// A reader keeps writers out, and loads nothing that it could trip over.
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait})
	if err != nil {
		return nil, openError(path, err)
	}
	defer func() { _ = db.Close() }() // nothing was written
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	c := &boltCheck{file: f, size: uint64(info.Size()), found: new(inspection)}
	if err := c.run(); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends early")
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return c.found, nil
}

type boltCheck struct {
	file     io.ReaderAt
	size     uint64 // bytes
	pageSize uint64
	end      uint64 // the number of pages
	seen     []bool // by page
	found    *inspection
}

func (c *boltCheck) run() error {
	root, err := c.header()
	if err != nil {
		return err
	}
	return c.page(root, 0, nil, nil, func(key, value []byte, flags uint32) error {
		if flags != leafBucket || len(value) < bucketRoot {
			return fmt.Errorf("%q is no space", key)
		}
		return c.space(string(key), binary.NativeEndian.Uint64(value), value[bucketRoot:])
	})
}

// space goes through the records of one, whose only page is inline when root is 0.
func (c *boltCheck) space(name string, root uint64, inline []byte) error {
	each := func(key, value []byte, flags uint32) error {
		if flags != 0 {
			return fmt.Errorf("a record of %s is none", name)
		}
		if _, err := unseal(name, key, value); err != nil {
			if c.found.damaged++; len(c.found.records) < mostTold {
				c.found.records = append(c.found.records, err)
			}
		}
		return nil
	}
	var err error
	if root != 0 {
		err = c.page(root, 0, nil, nil, each)
	} else if len(inline) < pageHeader || binary.NativeEndian.Uint16(inline[8:]) != pageLeaf {
		err = errors.New("its page makes no sense")
	} else {
		err = c.leaf(inline, nil, nil, each)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// header chooses between the two that are written in turns, as bbolt does, and returns the root page.
func (c *boltCheck) header() (root uint64, err error) {
	metas := make([][]byte, 0, 2)
	for size := uint64(1 << 10); size <= 64<<10 && c.pageSize == 0; size <<= 1 { // the first says how large pages are; else it is searched for
		for _, at := range []uint64{0, size} {
			m := make([]byte, metaSize)
			if _, err := c.file.ReadAt(m, int64(at+pageHeader)); err == nil && validMeta(m) && uint64(binary.NativeEndian.Uint32(m[8:])) == size {
				c.pageSize = size
				metas = append(metas, m)
			}
		}
	}
	if len(metas) == 0 {
		return 0, errors.New("no header is valid")
	}
	c.found.tornHeader = len(metas) == 1
	newest := metas[0]
	for _, m := range metas {
		if binary.NativeEndian.Uint64(m[48:]) > binary.NativeEndian.Uint64(newest[48:]) {
			newest = m
		}
	}
	c.end = binary.NativeEndian.Uint64(newest[40:])
	if c.end < 3 || c.end > c.size/c.pageSize { // so a page is never larger than the file
		return 0, fmt.Errorf("it ends before its %d pages do", c.end)
	}
	return binary.NativeEndian.Uint64(newest[16:]), nil
}

func validMeta(m []byte) bool {
	sum := fnv.New64a()
	sum.Write(m[:56])
	return binary.NativeEndian.Uint32(m) == metaMagic && binary.NativeEndian.Uint32(m[4:]) == metaVersion && binary.NativeEndian.Uint64(m[56:]) == sum.Sum64()
}

// page goes through a tree, whose keys are from low to before high; nil means no bound.
func (c *boltCheck) page(number uint64, depth int, low, high []byte, each func(key, value []byte, flags uint32) error) error {
	page, err := c.read(number)
	if err != nil {
		return err
	}
	if depth > deepest {
		return errors.New("the tree is too deep")
	}
	switch binary.NativeEndian.Uint16(page[8:]) {
	case pageLeaf:
		err = c.leaf(page, low, high, each)
	case pageBranch:
		err = c.branch(page, depth, low, high, each)
	default:
		err = errors.New("is of no kind that a tree has")
	}
	if err != nil && depth == 0 {
		return fmt.Errorf("tree at page %d: %w", number, err)
	}
	return err
}

// read returns a page with what flows over into those behind it. Each is read once.
func (c *boltCheck) read(number uint64) ([]byte, error) {
	var header [pageHeader]byte
	if number < 2 || number >= c.end {
		return nil, fmt.Errorf("page %d is outside", number)
	}
	if _, err := c.file.ReadAt(header[:], int64(number*c.pageSize)); err != nil {
		return nil, err
	}
	last := number + uint64(binary.NativeEndian.Uint32(header[12:]))
	if id := binary.NativeEndian.Uint64(header[:]); id != number || last >= c.end {
		return nil, fmt.Errorf("page %d calls itself %d and ends at %d of %d", number, id, last, c.end)
	}
	for len(c.seen) <= int(last) {
		c.seen = append(c.seen, false)
	}
	for n := number; n <= last; n++ {
		if c.seen[n] {
			return nil, fmt.Errorf("page %d is used twice", n)
		}
		c.seen[n] = true
	}
	page := make([]byte, (last-number+1)*c.pageSize)
	_, err := c.file.ReadAt(page, int64(number*c.pageSize))
	return page, err
}

// elements goes through what a page holds: element headers one behind the other, then, in the same order and without gaps, what they stand
// for. That leaves no room for a number of elements that is wrong.
type elements struct {
	page []byte
	n    int // elements
	i    int // the next
	at   int // what it stands for
}

func newElements(page []byte) (*elements, error) {
	n := int(binary.NativeEndian.Uint16(page[10:]))
	at := pageHeader + n*pageElement
	if at > len(page) || n == 0 && bytes.ContainsFunc(page[pageHeader:], func(r rune) bool { return r != 0 }) {
		return nil, fmt.Errorf("%d elements in a page", n)
	}
	return &elements{page: page, n: n, at: at}, nil
}

// header returns that of the next element.
func (e *elements) header() []byte {
	at := pageHeader + e.i*pageElement
	return e.page[at : at+pageElement]
}

// take returns the bytes of the next element, which its header says are pos behind itself.
func (e *elements) take(pos uint32, n uint64) ([]byte, error) {
	begin := e.at
	if uint64(pageHeader+e.i*pageElement)+uint64(pos) != uint64(begin) || n > uint64(len(e.page)-begin) {
		return nil, errors.New("an element points to the wrong place")
	}
	e.i++
	e.at += int(n)
	return e.page[begin:e.at:e.at], nil
}

// ascends checks the order of keys within their bounds.
func ascends(before, key, low, high []byte) error {
	if len(key) == 0 || before != nil && bytes.Compare(before, key) >= 0 || bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0 {
		return fmt.Errorf("key %x is out of order", key)
	}
	return nil
}

func (c *boltCheck) leaf(page, low, high []byte, each func(key, value []byte, flags uint32) error) error {
	e, err := newElements(page)
	if err != nil {
		return err
	}
	var before []byte
	for e.i < e.n {
		h := e.header()
		keySize, valueSize := binary.NativeEndian.Uint32(h[8:]), binary.NativeEndian.Uint32(h[12:])
		both, err := e.take(binary.NativeEndian.Uint32(h[4:]), uint64(keySize)+uint64(valueSize))
		if err != nil {
			return err
		}
		key, value := both[:keySize], both[keySize:]
		if err := ascends(before, key, low, high); err != nil {
			return err
		}
		if err := each(key, value, binary.NativeEndian.Uint32(h)); err != nil {
			return err
		}
		before = key
	}
	return nil
}

func (c *boltCheck) branch(page []byte, depth int, low, high []byte, each func(key, value []byte, flags uint32) error) error {
	e, err := newElements(page)
	if err != nil {
		return err
	}
	if e.n == 0 {
		return errors.New("a branch leads nowhere")
	}
	keys, children := make([][]byte, e.n), make([]uint64, e.n)
	var before []byte
	for i := range e.n {
		h := e.header()
		if keys[i], err = e.take(binary.NativeEndian.Uint32(h), uint64(binary.NativeEndian.Uint32(h[4:]))); err != nil {
			return err
		}
		if err := ascends(before, keys[i], low, high); err != nil {
			return err
		}
		children[i], before = binary.NativeEndian.Uint64(h[8:]), keys[i]
	}
	for i, child := range children {
		until := high
		if i+1 < e.n {
			until = keys[i+1]
		}
		if err := c.page(child, depth+1, keys[i], until, each); err != nil {
			return err
		}
	}
	return nil
}
