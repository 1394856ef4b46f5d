package webhook

import (
	"time"

	"careline/internal/store"
)

// place is where something waits: receiver, stream, number.
type place = store.Triple[string, string, uint64]

// lineKey names what one receiver is told about one stream.
type lineKey = store.Pair[string, string]

// item is something that a receiver is to be told.
type item struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	At       time.Time `json:"at"`
	Body     []byte    `json:"body,omitempty"`     // what is sent, unless Pos
	Pos      uint64    `json:"pos,omitempty"`      // of the event to send: what it says is not copied
	Delivery string    `json:"delivery,omitempty"` // in the log of deliveries
}

// standing is how far a line is with its head. A line without a row is at its beginning.
type standing struct {
	Attempts int       `json:"attempts,omitempty"`
	Due      time.Time `json:"due,omitzero"`
	Gap      bool      `json:"gap,omitempty"` // something before was given up, and nothing was taken since
}

var (
	outboxKey = store.Join3(store.String[string](), store.String[string](), store.Uint64[uint64]())
	outbox    = store.NewTable("webhook_outbox", outboxKey, store.JSON[item]())
	lineKeys  = store.Join(store.String[string](), store.String[string]())
	standings = store.NewTable("webhook_lines", lineKeys, store.JSON[standing]())
	numbers   = store.NewCounter("webhook_numbers", store.String[string]())
)

// put writes an item behind those of its line and returns where.
func put(tx *store.Tx, key lineKey, it item) (place, error) {
	n, err := numbers.Next(tx, "")
	if err != nil {
		return place{}, err
	}
	at := place{First: key.First, Second: key.Second, Third: n}
	return at, outbox.Insert(tx, at, it)
}

// head returns the first item of a line; found is false when nothing waits.
func head(tx *store.Tx, key lineKey) (at place, it item, found bool) {
	for at, it = range outbox.Scan(tx, store.Range[place]{In: outboxKey.Of2(key.First, key.Second), Limit: 1}) {
		found = true
	}
	return at, it, found
}

// standingOf returns how far a line is.
func standingOf(tx *store.Tx, key lineKey) (s standing, err error) {
	known, err := standings.Has(tx, key)
	if err != nil || !known {
		return s, err
	}
	return standings.Get(tx, key)
}

// setStanding keeps no row for a line at its beginning.
func setStanding(tx *store.Tx, key lineKey, s standing) error {
	if s == (standing{}) {
		return standings.Delete(tx, key)
	}
	return standings.Put(tx, key, s)
}
