package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// ErrDamaged says that the disk gave back something other than what was written. The error around it names where.
var ErrDamaged = errors.New("damaged store")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumSize is the length of a checksum in front of a value, in bytes.
const sumSize = 4

// checksum covers where a record stands too, so that one at the wrong place is noticed.
func checksum(space string, key, value []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(space))
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, value)
}

// seal puts the checksum in front of a value.
func seal(space string, key, value []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, sumSize+len(value)), checksum(space, key, value)), value...)
}

// unseal checks a sealed value and returns what is in it. The result cannot be appended to in place.
func unseal(space string, key, sealed []byte) ([]byte, error) {
	if len(sealed) < sumSize {
		return nil, damagedRecord(space, key)
	}
	value := sealed[sumSize:]
	if binary.BigEndian.Uint32(sealed) != checksum(space, key, value) {
		return nil, damagedRecord(space, key)
	}
	return slices.Clip(value), nil
}

func damagedRecord(space string, key []byte) error {
	return fmt.Errorf("%w: record %x of %s has a wrong checksum", ErrDamaged, key, space)
}

// recoverDamage makes an error of a panic in the engine, which is how bbolt reports a page that makes no sense. It is deferred directly.
func recoverDamage(err *error, where string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %s: %v", ErrDamaged, where, p)
	}
}
