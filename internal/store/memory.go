package store

import (
	"bytes"
	"sync"
)

// memory keeps rows as they were last decoded or written, each with the bytes that it stands for: it saves decoding, never reading, so it need
// not know of transactions, of what was taken back, or of which store a row is.
type memory[V any] struct {
	limit int // immutable

	mu   sync.Mutex
	rows map[string]remembered[V] // guarded by mu; by encoded key
}

type remembered[V any] struct {
	encoded []byte
	row     V
}

// Remember lets the table keep up to limit rows decoded, for those that are read with almost every write. The rows are shared from then on:
// whoever gets one, or has put one, never changes what it refers to, as the elements of a slice. It returns the table.
func (t *Table[K, V]) Remember(limit int) *Table[K, V] {
	t.memory = &memory[V]{limit: limit, rows: make(map[string]remembered[V])}
	return t
}

// find returns the row of a key if its bytes are these.
func (m *memory[V]) find(key, encoded []byte) (row V, ok bool) {
	if m == nil {
		return row, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, known := m.rows[string(key)]; known && bytes.Equal(r.encoded, encoded) {
		return r.row, true
	}
	return row, false
}

// keep remembers a row; encoded stays unchanged from now on. Where there are too many, any other is forgotten.
func (m *memory[V]) keep(key, encoded []byte, row V) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.rows[string(key)]; !known && len(m.rows) >= m.limit {
		for other := range m.rows {
			delete(m.rows, other)
			break
		}
	}
	m.rows[string(key)] = remembered[V]{encoded, row}
}
