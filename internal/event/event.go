package event

import (
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"careline/internal/store"
)

// Type names what happened, as "message.created".
type Type string

// Event is one entry of the log. Events are never changed.
type Event struct {
	Pos       uint64          `json:"pos"`    // in the node's order, from 1 without holes
	Stream    string          `json:"stream"` // the conversation, call or other thing that it is about
	At        time.Time       `json:"at"`
	StreamPos uint64          `json:"stream_pos"`     // in the stream's order, from 1 without holes
	Prev      uint64          `json:"prev,omitempty"` // position of the one before in the stream; 0 for the first, and where it was not kept
	Type      Type            `json:"type"`
	Actor     string          `json:"actor,omitempty"` // who caused it
	Data      json.RawMessage `json:"data,omitempty"`
}

// Decode reads the data of an event.
func Decode[D any](e *Event) (data D, err error) {
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return data, fmt.Errorf("data of event %d, %s: %w", e.Pos, e.Type, err)
	}
	return data, nil
}

// place is a position in a stream.
type place = store.Pair[string, uint64]

var (
	placeKey = store.Join(store.String[string](), store.Uint64[uint64]())

	events = store.NewTable("event_log", store.Uint64[uint64](), store.JSON[Event]())

	// byStream has one event in landmarks, and those that say nothing of the one before: from there on one goes back from each to the one before.
	// An entry for each event would change one more page of the file for most of them, which costs more than all else about an event.
	byStream = store.NewUnique(events, "stream", placeKey, func(_ uint64, e Event) []place {
		if e.Prev != 0 && e.StreamPos%landmarks != 0 {
			return nil
		}
		return []place{{First: e.Stream, Second: e.StreamPos}}
	})

	// positions knows for each stream the position in the node's order of its last event.
	positions = store.NewCounter("event_positions", store.String[string]())
)

// landmarks is how far the landmarks of a stream are apart, in events.
const landmarks = 32

// node is the key of the node's own order among those of streams, none of which is empty.
const node = ""

// Append writes an event into the log, in the transaction of what it tells of, and returns it with its positions.
func (l *Log) Append(tx *store.Tx, stream string, t Type, actor string, data any) (Event, error) {
	e := Event{Stream: stream, At: l.clock.Now().UTC(), Type: t, Actor: actor}
	if stream == "" {
		return e, fmt.Errorf("event %s has no stream", t)
	}
	var err error
	if data != nil {
		if e.Data, err = json.Marshal(data); err != nil {
			return e, fmt.Errorf("encode event %s: %w", t, err)
		}
	}
	if e.Pos, err = positions.Next(tx, node); err != nil {
		return e, err
	}
	if e.StreamPos, e.Prev, err = positions.NextAt(tx, stream, e.Pos); err != nil {
		return e, err
	}
	return e, events.Insert(tx, e.Pos, e)
}

// Last returns the newest position of a stream, of the node for an empty one; 0 before the first event.
func (l *Log) Last(tx *store.Tx, stream string) (uint64, error) { return positions.Last(tx, stream) }

// After returns events of the whole node from after a position on, limit at most.
func (l *Log) After(tx *store.Tx, pos uint64, limit int) []Event {
	list := make([]Event, 0, min(limit, 64))
	for _, e := range events.Scan(tx, store.Range[uint64]{After: &pos, Limit: limit}) {
		list = append(list, e)
	}
	return list
}

// StreamAfter returns events of one stream from after a position on, limit at most. trimmed: some of them are not kept any more.
func (l *Log) StreamAfter(tx *store.Tx, stream string, pos uint64, limit int) (list []Event, trimmed bool) {
	for e := range trail(tx, stream).After(pos) {
		if list = append(list, e); len(list) == limit {
			break
		}
	}
	last, err := positions.Last(tx, stream)
	if err != nil {
		return list, false
	}
	if len(list) == 0 {
		return list, last > pos
	}
	return list, list[0].StreamPos != pos+1
}

// trail is the events of a stream.
func trail(tx *store.Tx, stream string) store.Trail[Event] {
	get := func(pos uint64) (Event, bool) {
		if pos == 0 {
			return Event{}, false
		}
		e, err := events.Get(tx, pos)
		return e, err == nil
	}
	return store.Trail[Event]{
		Number: func(e Event) uint64 { return e.StreamPos },
		Landmarks: func(after uint64) iter.Seq[Event] {
			return func(yield func(Event) bool) {
				for _, e := range byStream.Scan(tx, store.Range[place]{In: placeKey.Of(stream), After: &place{First: stream, Second: after}}) {
					if !yield(e) {
						return
					}
				}
			}
		},
		Last: func() (Event, bool) {
			_, at, err := positions.LastAt(tx, stream)
			if err != nil {
				return Event{}, false
			}
			return get(at)
		},
		Before: func(e Event) (Event, bool) { return get(e.Prev) },
	}
}

// Trim removes events that are older than before and that every consumer has handled, limit at most, and returns how many. It ends at the first
// that is younger.
func (l *Log) Trim(tx *store.Tx, before time.Time, limit int) (int, error) {
	handled, err := l.handled(tx)
	if err != nil {
		return 0, err
	}
	var old []uint64
	for pos, e := range events.Scan(tx, store.Range[uint64]{Limit: limit}) {
		if pos > handled || !e.At.Before(before) {
			break
		}
		old = append(old, pos)
	}
	for _, pos := range old {
		if err := events.Delete(tx, pos); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}

// DropTimes is the migration that removes the index by time of earlier versions.
func DropTimes(tx *store.Tx) error { return store.DropIndex(tx, "event_log", "time") }
