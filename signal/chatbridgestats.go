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
	filesKept, filesRefused, filesDropped       atomic.Uint64
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
	FilesKept     uint64 // as attachments of messages
	FilesRefused  uint64 // too large, of a type that is not accepted, named by no text
	FilesDropped  uint64 // they did not come to their end, or their text did not
	FilesSpooled  int64  // bytes of files that wait to be written
}

// Stats reads the counters.
func (b *ChatBridge) Stats() ChatStats {
	c := &b.counters
	return ChatStats{
		Kept: c.kept.Load(), Changed: c.changed.Load(), Told: c.told.Load(),
		RefusedLength: c.refusedLength.Load(), RefusedRate: c.refusedRate.Load(), RefusedClosed: c.refusedClosed.Load(),
		RefusedRight: c.refusedRight.Load(), RefusedForm: c.refusedForm.Load(), RefusedOther: c.refusedOther.Load(),
		NotStored: c.notStored.Load(), QueueDropped: c.queueDropped.Load(), OutDropped: c.outDropped.Load(), Encrypted: c.sealed.Load(),
		FilesKept: c.filesKept.Load(), FilesRefused: c.filesRefused.Load(), FilesDropped: c.filesDropped.Load(), FilesSpooled: b.spooled.Load(),
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
	errChatTwice   = errs.New(errs.Conflict, "a stream of this id is open already")
	errFileAlone   = errs.New(errs.Invalid, "no message names this file, so it is not kept")
	errFileText    = errs.New(errs.Invalid, "the message of this file is not kept")
	errFileBroken  = errs.New(errs.Invalid, "the file was broken off")
	errFileLeft    = errs.New(errs.Unavailable, "not stored: its sender left before all of it came")
)

// chatCodes are the codes of the API for the kinds of errors.
var chatCodes = map[errs.Kind]string{
	errs.Invalid: "validation", errs.Denied: "forbidden", errs.NotFound: "not-found", errs.Conflict: "conflict", errs.Limit: "rate-limited",
}

// chatProblem returns the code of an error, one of those of the API, and a sentence for who sent what is refused.
func chatProblem(err error) (code, detail string) {
	if errors.Is(err, chat.ErrTextLength) {
		return "too-large", err.Error()
	}
	if code, detail, ok := chat.Code(err); ok {
		return code, detail
	}
	kind := errs.KindOf(err)
	if code, ok := chatCodes[kind]; ok {
		return code, err.Error()
	}
	if kind == errs.Unavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "unavailable", "not stored"
	}
	return "internal", "not stored" // our fault
}

// refusal returns what counts a message that is not kept.
func (c *chatCounters) refusal(err error) *atomic.Uint64 {
	if errors.Is(err, errChatPrivate) {
		return &c.refusedOther
	}
	switch code, _ := chatProblem(err); code {
	case "too-large":
		return &c.refusedLength
	case "conversation-closed":
		return &c.refusedClosed
	case "participant-limit", "forbidden":
		return &c.refusedRight
	case "rate-limited":
		return &c.refusedRate
	case "validation":
		return &c.refusedForm
	case "unavailable", "internal":
		return &c.notStored
	}
	return &c.refusedOther
}

// fileRefusal returns what counts a file that is not kept.
func (c *chatCounters) fileRefusal(err error) *atomic.Uint64 {
	for _, e := range []error{errChatLate, errFileText, errFileBroken, errFileLeft} {
		if errors.Is(err, e) {
			return &c.filesDropped
		}
	}
	return &c.filesRefused
}
