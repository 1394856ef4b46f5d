// Package webhook tells an operator's servers by HTTP what happens.
//
// What is to be told is written into an outbox in the store and stays there until its receiver took it or every attempt failed, so it survives
// the end of the process: each receiver gets it at least once. What one receiver is told about one stream (a room, a conversation) is one
// line: it arrives in order, and its head is tried again until it is taken or given up. Lines do not wait for one another, and a receiver has a
// bounded number of requests under way, so that one that is slow holds up nobody else.
//
// A Notifier sends LiveKit's events in LiveKit's format to the URLs of the configuration. Hooks are receivers that were registered while the
// server runs; they are told of the event log, signed as Standard Webhooks says, and may not lead into the server's own network.
package webhook
