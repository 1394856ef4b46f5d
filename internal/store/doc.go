// Package store keeps what must survive: ordered, transactional, typed tables with indexes and dense counters, in one file.
//
// A Table, an Index and a Counter are descriptions, made once as package variables of who uses them; they hold no data and no file. Data is
// reached through a Tx, inside DB.Update or DB.View:
//
//	var calls = store.NewTable("calls", store.String[string](), store.JSON[Call]())
//
//	err := db.Update(ctx, func(tx *store.Tx) error { return calls.Insert(tx, call.ID, call) })
//
// One goroutine, DB.Run, writes. It takes all operations that wait, runs them one after the other in one transaction, commits it with fsync and
// then answers all of them: many writers share the cost of the disk. An operation that fails leaves nothing behind, and the others commit.
//
// Keys are encoded so that their bytes sort as their values do, and none is the beginning of another. Everything is expressed in such keys, so
// that a database like PostgreSQL can stand in for the file: it would implement the interface engine.
//
// Every record carries a checksum over its table, key and value. What is damaged is reported (ErrDamaged) and never taken for absent.
package store
