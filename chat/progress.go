package chat

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"iter"

	"careline/internal/errs"
	"careline/internal/store"
)

// progress is how far somebody got with writing in a conversation. It is written with each message of theirs.
type progress struct {
	n      uint64 // messages
	last   uint64 // the number of the last
	recent []byte // hashes of client keys since the last landmark, each with its message's number
}

// progressOf returns that of a member, nothing for who wrote nothing.
func progressOf(tx *store.Tx, conversation, principal string) (progress, error) {
	w, err := written.Get(tx, of{First: conversation, Second: principal})
	if errs.Is(err, errs.NotFound) {
		return progress{}, nil
	}
	return w, err
}

// next counts a message, which has its number already. Of each member another message of 32 becomes a landmark: of many who write equally often
// hardly any two do it at once.
func (w *progress) next(m *Message) {
	m.OwnOrd, m.OwnPrev = w.n+1, w.last
	w.n, w.last = m.OwnOrd, m.Seq
	if m.OwnPrev == 0 {
		return // it has an entry of its own
	}
	turn := fnv.New32a()
	_, _ = io.WriteString(turn, m.Conversation+"/"+m.Sender) // a hash takes everything
	if (m.OwnOrd+uint64(turn.Sum32()))%landmarks == 0 {
		m.KeyHashes, w.recent = w.recent, nil
	}
	w.recent = binary.BigEndian.AppendUint64(w.recent[:len(w.recent):len(w.recent)], hashOf(m.ClientKey))
	w.recent = binary.AppendUvarint(w.recent, m.Seq)
}

// hashOf shortens a client key. Two with the same hash are told apart by their messages; that it is hard to meet one keeps them few.
func hashOf(clientKey string) uint64 {
	sum := sha256.Sum256([]byte(clientKey))
	return binary.BigEndian.Uint64(sum[:])
}

// hashes goes through those of client keys, with the numbers of their messages.
func hashes(list []byte) iter.Seq2[uint64, uint64] {
	return func(yield func(hash, seq uint64) bool) {
		for len(list) > 8 {
			seq, n := binary.Uvarint(list[8:])
			if n <= 0 || !yield(binary.BigEndian.Uint64(list), seq) {
				return
			}
			list = list[8+n:]
		}
	}
}

// sentAs finds what a member wrote under a client key. The error is of kind errs.NotFound when there is nothing.
func (w *progress) sentAs(tx *store.Tx, conversation, principal, clientKey string) (Message, error) {
	hash := hashOf(clientKey)
	lookAt := func(seq uint64) (Message, error) {
		m, err := messages.Get(tx, at{First: conversation, Second: seq})
		if err == nil && (m.Sender != principal || m.ClientKey != clientKey) {
			err = ErrNoMessage
		}
		return m, err
	}
	lookIn := func(list []byte) (Message, error) {
		for other, seq := range hashes(list) {
			if other != hash {
				continue
			}
			if m, err := lookAt(seq); !errs.Is(err, errs.NotFound) {
				return m, err
			}
		}
		return Message{}, ErrNoMessage
	}
	if m, err := lookIn(w.recent); !errs.Is(err, errs.NotFound) {
		return m, err
	}
	entry := sent{First: conversation, Second: principal, Third: hash}
	for found, row := range byClientKey.Keys(tx, store.Range[sent]{In: sentKey.Of2(conversation, principal), From: &entry}) {
		if found != entry {
			break
		}
		landmark, err := messages.Get(tx, row)
		if err != nil {
			return Message{}, err
		}
		if landmark.ClientKey == clientKey {
			return landmark, nil
		}
		if m, err := lookIn(landmark.KeyHashes); !errs.Is(err, errs.NotFound) {
			return m, err
		}
	}
	return Message{}, ErrNoMessage
}

// progressValue keeps progress in few bytes, since many of them are written at once.
type progressValue struct{}

// Encode implements store.Value.
func (progressValue) Encode(w progress) ([]byte, error) {
	b := make([]byte, 0, 2*binary.MaxVarintLen64+len(w.recent))
	b = binary.AppendUvarint(binary.AppendUvarint(b, w.n), w.last)
	return append(b, w.recent...), nil
}

// Decode implements store.Value.
func (progressValue) Decode(b []byte) (w progress, err error) {
	for _, number := range []*uint64{&w.n, &w.last} {
		n := 0
		if *number, n = binary.Uvarint(b); n <= 0 {
			return w, errors.New("it ends early")
		}
		b = b[n:]
	}
	w.recent = append(w.recent, b...)
	return w, nil
}
