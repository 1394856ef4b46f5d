package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Key turns keys into bytes that sort as the keys do, none of which is the beginning of another.
type Key[K any] interface {
	// Append appends the bytes of k.
	Append(b []byte, k K) []byte
	// Cut reads a key from the front of b and returns the rest.
	Cut(b []byte) (k K, rest []byte, err error)
}

// maxKey bounds an encoded key in bytes; databases with B-tree pages of 8 KiB take no more.
const maxKey = 2 << 10

var (
	errShort = errors.New("key ends early")
	errKey   = errors.New("bytes are no key")
)

// Uint64 encodes numbers in 8 bytes, big-endian.
func Uint64[K ~uint64]() Key[K] { return uint64Key[K]{} }

type uint64Key[K ~uint64] struct{}

func (uint64Key[K]) Append(b []byte, k K) []byte { return binary.BigEndian.AppendUint64(b, uint64(k)) }

func (uint64Key[K]) Cut(b []byte) (K, []byte, error) {
	if len(b) < 8 {
		return 0, nil, errShort
	}
	return K(binary.BigEndian.Uint64(b)), b[8:], nil
}

// Int64 encodes numbers in 8 bytes, the negative ones first.
func Int64[K ~int64]() Key[K] { return int64Key[K]{} }

type int64Key[K ~int64] struct{}

func (int64Key[K]) Append(b []byte, k K) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(k)^1<<63)
}

func (int64Key[K]) Cut(b []byte) (K, []byte, error) {
	if len(b) < 8 {
		return 0, nil, errShort
	}
	return K(binary.BigEndian.Uint64(b) ^ 1<<63), b[8:], nil
}

// String encodes texts byte by byte; a zero byte takes two, the end too.
func String[K ~string]() Key[K] { return stringKey[K]{} }

type stringKey[K ~string] struct{}

// A zero byte of the text is followed by escaped, the one behind the text by ended, which is less.
const (
	ended   = 0x01
	escaped = 0xff
)

func (stringKey[K]) Append(b []byte, k K) []byte {
	for i := range len(k) {
		if b = append(b, k[i]); k[i] == 0 {
			b = append(b, escaped)
		}
	}
	return append(b, 0, ended)
}

func (stringKey[K]) Cut(b []byte) (K, []byte, error) {
	var text []byte
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 == len(b) {
			return "", nil, errShort
		}
		text = append(text, b[:i]...)
		mark := b[i+1]
		b = b[i+2:]
		switch mark {
		case ended:
			return K(text), b, nil
		case escaped:
			text = append(text, 0)
		default:
			return "", nil, errKey
		}
	}
}

// Time encodes instants to the nanosecond in 12 bytes. They come back in UTC.
func Time() Key[time.Time] { return timeKey{} }

type timeKey struct{}

func (timeKey) Append(b []byte, k time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(k.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(k.Nanosecond()))
}

func (timeKey) Cut(b []byte) (time.Time, []byte, error) {
	if len(b) < 12 {
		return time.Time{}, nil, errShort
	}
	nanos := binary.BigEndian.Uint32(b[8:])
	if nanos >= uint32(time.Second) {
		return time.Time{}, nil, errKey
	}
	return time.Unix(int64(binary.BigEndian.Uint64(b)^1<<63), int64(nanos)).UTC(), b[12:], nil
}

// Descending turns the order of a key around.
func Descending[K any](key Key[K]) Key[K] { return descending[K]{key} }

type descending[K any] struct{ key Key[K] }

func (d descending[K]) Append(b []byte, k K) []byte {
	begin := len(b)
	b = d.key.Append(b, k)
	invert(b[begin:])
	return b
}

func (d descending[K]) Cut(b []byte) (k K, rest []byte, err error) {
	b = bytes.Clone(b)
	invert(b)
	if k, rest, err = d.key.Cut(b); err != nil {
		return k, nil, err
	}
	invert(rest)
	return k, rest, nil
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// encode returns the bytes of a key.
func encode[K any](key Key[K], k K) []byte { return key.Append(make([]byte, 0, 64), k) }

// decode reads bytes that are one key and nothing more.
func decode[K any](key Key[K], b []byte) (K, error) {
	k, rest, err := key.Cut(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes too many", errKey, len(rest))
	}
	return k, err
}

// behind returns the least bytes that are more than all that begin with b; nil when there are none.
func behind(b []byte) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != math.MaxUint8 {
			next := bytes.Clone(b[:i+1])
			next[i]++
			return next
		}
	}
	return nil
}
