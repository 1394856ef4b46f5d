package store

// engine is what the store needs of a database. Spaces are its named maps of ordered byte keys; one that was never written to is empty.
type engine interface {
	// begin starts a transaction. There is one that writes at a time; those that read see the last committed state while they last.
	begin(writable bool) (transaction, error)
	// size is of the data on disk, in bytes.
	size() int64
	// close waits for the transactions that are open.
	close() error
}

// transaction is used by one goroutine at a time. Byte slices that it gives out are valid until it ends and are not to be written to; those
// that it takes stay unchanged until then.
type transaction interface {
	// get returns nil when the key is absent.
	get(space string, key []byte) ([]byte, error)
	put(space string, key, value []byte) error
	delete(space string, key []byte) error
	// scan calls yield for each key from from to before to, upwards or downwards, until it returns false; nil means no bound. yield may write.
	scan(space string, from, to []byte, reverse bool, yield func(key, value []byte) bool) error
	// spaces returns the names of those that exist, sorted.
	spaces() ([]string, error)
	// mark begins an operation, undo takes back what was written since. Both are of transactions that write only.
	mark()
	undo() error
	// wrote reports whether there is anything to commit.
	wrote() bool
	// commit makes what was written durable and ends the transaction. After an error it is unknown whether it is.
	commit() error
	// rollback ends the transaction without its writes; after commit it does nothing.
	rollback() error
}
