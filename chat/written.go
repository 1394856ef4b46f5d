package chat

import (
	"fmt"
	"iter"

	"careline/internal/store"
)

// landmarks is how far the messages of somebody in a conversation that bySender has are apart at most.
const landmarks = 32

var (
	written = store.NewTable("chat_written", ofConversation, progressValue{})

	bySender = store.NewUnique(messages, "sender", wroteKey, func(_ at, m Message) []wrote {
		if m.Sender == "" || !m.landmark() {
			return nil
		}
		return []wrote{{First: m.Sender, Second: m.Conversation, Third: m.Seq}}
	})

	// steps reads of messages only what leads from one to the next of its sender.
	steps = store.NewTable("chat_messages", numbered, store.JSON[step]())
)

// step is a message on the way through those of its sender.
type step struct {
	Seq     uint64 `json:"seq"`
	OwnOrd  uint64 `json:"own_ord"`
	OwnPrev uint64 `json:"own_prev"`
}

// trail is the messages that somebody wrote in a conversation.
func trail(tx *store.Tx, conversation, principal string) store.Trail[step] {
	get := func(seq uint64) (step, bool) {
		if seq == 0 {
			return step{}, false
		}
		s, err := steps.Get(tx, at{First: conversation, Second: seq})
		return s, err == nil
	}
	return store.Trail[step]{
		Number: func(s step) uint64 { return s.Seq },
		Landmarks: func(after uint64) iter.Seq[step] {
			return func(yield func(step) bool) {
				from := wrote{First: principal, Second: conversation, Third: after}
				for _, m := range bySender.Scan(tx, store.Range[wrote]{In: wroteKey.Of2(principal, conversation), After: &from}) {
					if !yield(step{m.Seq, m.OwnOrd, m.OwnPrev}) {
						return
					}
				}
			}
		},
		Last: func() (step, bool) {
			w, err := progressOf(tx, conversation, principal)
			if err != nil {
				return step{}, false
			}
			return get(w.last)
		},
		Before: func(s step) (step, bool) { return get(s.OwnPrev) },
	}
}

// writtenAfter counts the messages after a number that somebody wrote.
func writtenAfter(tx *store.Tx, conversation, principal string, seq uint64) (uint64, error) {
	w, err := progressOf(tx, conversation, principal)
	for first := range trail(tx, conversation, principal).After(seq) {
		return w.n - first.OwnOrd + 1, err
	}
	return 0, err
}

// messagesOf goes through the messages after a number that somebody wrote. They are counted: one that is missing between others, or at the end, is
// damage. Those before the first may have been destroyed with the conversation, which begins there. The error ends it.
func messagesOf(tx *store.Tx, conversation, principal string, after uint64) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		own, err := progressOf(tx, conversation, principal)
		if err != nil {
			yield(Message{}, err)
			return
		}
		ord := uint64(0) // of the message before, when that is known
		if m, err := messages.Get(tx, at{First: conversation, Second: after}); err == nil && m.Sender == principal {
			ord = m.OwnOrd
		}
		for s := range trail(tx, conversation, principal).After(after) {
			m, err := messages.Get(tx, at{First: conversation, Second: s.Seq})
			if err == nil && ord > 0 && m.OwnOrd != ord+1 {
				err = missing(conversation, principal, ord+1)
			}
			if ord = m.OwnOrd; !yield(m, err) || err != nil {
				return
			}
		}
		if ord > 0 && ord != own.n {
			yield(Message{}, missing(conversation, principal, ord+1))
		}
	}
}

func missing(conversation, principal string, ord uint64) error {
	return fmt.Errorf("%w: message %d that %s wrote in conversation %s is missing", store.ErrDamaged, ord, principal, conversation)
}

// CountWritten is the migration that begins the counts of what people wrote, and finds what is there by the hashes of client keys.
func CountWritten(tx *store.Tx) error {
	for key, m := range messages.Scan(tx, store.Range[at]{}) {
		if m.Sender == "" {
			continue
		}
		if err := written.Put(tx, of{First: key.First, Second: m.Sender}, progress{n: m.OwnOrd, last: m.Seq}); err != nil {
			return err
		}
	}
	if err := store.DropIndex(tx, "chat_messages", "client_key"); err != nil {
		return err
	}
	return byClientKey.Rebuild(tx)
}
