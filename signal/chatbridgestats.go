package signal

import (
	"context"
	"errors"
	"sync/atomic"

	"careline/chat"
	"careline/internal/errs"
)

// chatCounters count what became of what was written in calls.
type chatCounters struct {
	kept, changed, told                         atomic.Uint64
	refusedLength, refusedRate, refusedClosed   atomic.Uint64
	refusedRight, refusedForm, refusedOther     atomic.Uint64
	notStored, queueDropped, outDropped, sealed atomic.Uint64
}

// ChatStats is a reading of what a ChatBridge counted since it started.
type ChatStats struct {
	Kept          uint64 // messages
	Changed       uint64 // edits and deletions
	Told          uint64 // changes from outside that were sent into rooms
	RefusedLength uint64
	RefusedRate   uint64
	RefusedClosed uint64 // the conversation is
	RefusedRight  uint64 // removed, muted, hidden, not the author
	RefusedForm   uint64 // could not be read
	RefusedOther  uint64 // private, unknown, the key of another message
	NotStored     uint64 // the store did not take it, or too much waited for it
	QueueDropped  uint64 // of them: too much waited
	OutDropped    uint64 // changes from outside that a room was not told of, for too much waited
	Encrypted     uint64 // packets that only those in the call can read
}

// Stats reads the counters.
func (b *ChatBridge) Stats() ChatStats {
	c := &b.counters
	return ChatStats{
		Kept: c.kept.Load(), Changed: c.changed.Load(), Told: c.told.Load(),
		RefusedLength: c.refusedLength.Load(), RefusedRate: c.refusedRate.Load(), RefusedClosed: c.refusedClosed.Load(),
		RefusedRight: c.refusedRight.Load(), RefusedForm: c.refusedForm.Load(), RefusedOther: c.refusedOther.Load(),
		NotStored: c.notStored.Load(), QueueDropped: c.queueDropped.Load(), OutDropped: c.outDropped.Load(), Encrypted: c.sealed.Load(),
	}
}

// What is refused before the conversation is asked.
var (
	errChatRate    = errs.New(errs.Limit, "too many messages")
	errChatQueue   = errs.New(errs.Unavailable, "not stored: too much waits for the store")
	errChatStreams = errs.New(errs.Limit, "too many streams are open, or this one is already")
	errChatLate    = errs.New(errs.Invalid, "the stream did not end in time")
	errChatPrivate = errs.New(errs.Denied, "what is sent to some only is not kept")
	errChatHidden  = errs.New(errs.Denied, "who is hidden writes nothing that is kept")
	errChatID      = errs.New(errs.Invalid, "the id of the message is empty, too long or has control characters")
	errChatForm    = errs.New(errs.Invalid, "the message could not be read")
	errChatFile    = errs.New(errs.Invalid, "files are not kept from here: upload them")
)

// problem counts a refusal and returns its code, one of those of the API.
func (c *chatCounters) problem(err error) (code, detail string) {
	counter := &c.refusedOther
	detail = err.Error()
	switch kind := errs.KindOf(err); {
	case errors.Is(err, chat.ErrTextLength):
		code, counter = "too-large", &c.refusedLength
	case errors.Is(err, chat.ErrClosed):
		code, counter = "conversation-closed", &c.refusedClosed
	case errors.Is(err, chat.ErrFull):
		code, counter = "participant-limit", &c.refusedRight
	case errors.Is(err, chat.ErrOtherRequest):
		code = "idempotency-mismatch"
	case errors.Is(err, chat.ErrRevision):
		code = "revision-mismatch"
	case errors.Is(err, errChatPrivate):
		code = "forbidden"
	case kind == errs.Denied:
		code, counter = "forbidden", &c.refusedRight
	case kind == errs.Limit:
		code, counter = "rate-limited", &c.refusedRate
	case kind == errs.Invalid:
		code, counter = "validation", &c.refusedForm
	case kind == errs.NotFound:
		code = "not-found"
	case kind == errs.Conflict:
		code = "conflict"
	case kind == errs.Unavailable, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		code, detail, counter = "unavailable", "not stored", &c.notStored
	default: // our fault
		code, detail, counter = "internal", "not stored", &c.notStored
	}
	counter.Add(1)
	return code, detail
}
