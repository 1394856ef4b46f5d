package store

import (
	"bytes"
	"encoding/json"
)

// Value turns values into bytes.
type Value[V any] interface {
	Encode(V) ([]byte, error)
	// Decode keeps no reference to b.
	Decode(b []byte) (V, error)
}

// maxValue bounds an encoded value in bytes. What is larger belongs into a file.
const maxValue = 16 << 20

// JSON encodes values as encoding/json does. Fields that it does not know are skipped.
func JSON[V any]() Value[V] { return jsonValue[V]{} }

type jsonValue[V any] struct{}

func (jsonValue[V]) Encode(v V) ([]byte, error) { return json.Marshal(v) }

func (jsonValue[V]) Decode(b []byte) (v V, err error) {
	err = json.Unmarshal(b, &v)
	return v, err
}

// Bytes keeps bytes as they are.
func Bytes() Value[[]byte] { return bytesValue{} }

type bytesValue struct{}

func (bytesValue) Encode(v []byte) ([]byte, error) { return v, nil }

func (bytesValue) Decode(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
