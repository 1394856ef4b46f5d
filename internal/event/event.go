package event

import (
	"encoding/json"
	"fmt"
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
	StreamPos uint64          `json:"stream_pos"` // in the stream's order, from 1 without holes
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

	events   = store.NewTable("event_log", store.Uint64[uint64](), store.JSON[Event]())
	byStream = store.NewUnique(events, "stream", placeKey, func(_ uint64, e Event) []place { return []place{{First: e.Stream, Second: e.StreamPos}} })
	byTime   = store.NewIndex(events, "time", store.Time(), func(_ uint64, e Event) []time.Time { return []time.Time{e.At} })

	positions = store.NewCounter("event_positions", store.String[string]())
)

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
	if e.StreamPos, err = positions.Next(tx, stream); err != nil {
		return e, err
	}
	if e.Pos, err = positions.Next(tx, node); err != nil {
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
	after := place{First: stream, Second: pos}
	for _, e := range byStream.Scan(tx, store.Range[place]{In: placeKey.Of(stream), After: &after, Limit: limit}) {
		list = append(list, e)
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

// Trim removes events that are older than before and that every consumer has handled, limit at most, and returns how many.
func (l *Log) Trim(tx *store.Tx, before time.Time, limit int) (int, error) {
	handled, err := l.handled(tx)
	if err != nil {
		return 0, err
	}
	var old []uint64
	for _, pos := range byTime.Keys(tx, store.Range[time.Time]{To: &before, Limit: limit}) {
		if pos <= handled {
			old = append(old, pos)
		}
	}
	for _, pos := range old {
		if err := events.Delete(tx, pos); err != nil {
			return 0, err
		}
	}
	return len(old), nil
}
