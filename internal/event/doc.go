// Package event is the log of what happened: typed events, in one order for each conversation and in one for the whole node, written in the
// transaction that changed the state they tell of.
//
// Whoever acts on events reads the log with a cursor of its own. A Consumer's cursor is durable and moves after its work is done, so each event
// is handled at least once; what fails for good goes to a dead letter and the rest goes on. A Tail follows live without a cursor in the store:
// it is rung, and reads; a reader that is slow reads later, and nothing is queued for it.
package event
