// Package chat keeps conversations: who is in them, what was written, how far everybody has read, and what became of it.
//
// Everything that is accepted is on disk before it is acknowledged, with its event and its audit record in the same transaction. Messages are
// numbered by conversation from 1 without holes, also where one was deleted. What people wrote is sealed under a key of its conversation and
// author, so that one person can be erased from everything; events and audit records name messages and never hold what is in them.
//
// The package knows no transport. Whoever brings a message in (HTTP, WebSocket, data channel) calls Append as a Caller, whose rights come from
// a token; without the permission the error is of kind errs.Denied, without a place in the conversation it is ErrNoConversation, as if there
// were none.
//
//	conversation.go  conversations, their kinds and states
//	participant.go   people in them
//	message.go       messages and what may be in one
//	permission.go    what a token lets somebody do
//	create.go        new conversations, found or made
//	append.go        the one way in for messages
//	edit.go          what becomes of a message later
//	manage.go        what becomes of a conversation and its people
//	view.go, list.go what members see; search.go: what they find
//	receipts.go      marks: delivered and read up to; typing.go
//	feed.go          who hears what is committed; audience.go: who may
//	incall.go        what the data channel of a call does; calls.go: what the call does
//	retention.go     the end of conversations; hold.go, erase.go
//	export.go        conversations outside of this server, archive.go with their files; subject.go: what they hold of a person
package chat
