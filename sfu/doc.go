// Package sfu is the engine: rooms, participants, what they publish and who receives it. It knows nothing of HTTP, WebSockets or tokens;
// the protocol edge calls Manager.Join and Manager.Resume, asks through the methods in command.go and is told through the types in
// message.go.
//
// # An RTP packet from a publisher to its viewers
//
//	pion             ICE, DTLS-SRTP, one read stream per encoding
//	layer.go         layer.read, one goroutine per encoding: parse and put into the ring, NACK the publisher's gaps,
//	                 ring the doorbell of each worker with a viewer of this layer, once per frame
//	                 -- the only hand-over --
//	worker.go        worker.run, GOMAXPROCS-1 of them: for each layer that rang, viewer by viewer
//	subscription.go  subscription.forward: from the viewer's cursor to the ring's head: choose the layer, rewrite, write
//	udp              the worker's batch: all packets of one viewer leave in one segmented datagram
//
// Feedback comes back through subscription.readFeedback (one goroutine per subscription) into the worker's mailbox: NACKs are answered
// from the ring, picture losses go to the publisher at most every keyframeSpacing.
//
// # A session
//
//	join.go          Manager.Join: limits, room, snapshot, duplicate identity; the participant's goroutine starts
//	participant.go   Participant.run: the inbox; attach, detach, resume, end; what others changed
//	negotiate.go     offers, answers, candidates; transport.go is one PeerConnection
//	publish.go       announced tracks meet the sections of offers: publications
//	subscribe.go     wishes meet publications: subscriptions, and the table of sections that carry them
//	data.go          data channels, both directions; rpc.go answers and places calls
//	settings.go      what a viewer wants of a track; demand.go: what all of them want, told to its publisher; backup.go: in which codec
//	egress.go        what a viewer's connection carries, and who gets how much of it
//	permission.go, profile.go, admin.go   rights, names and attributes, the server's control
//	events.go        what others are told of: webhooks, agents
//
// # Rules
//
// A packet's state belongs to its layer's reader until it is in the ring, to the viewer's worker after. A participant's state belongs to its
// goroutine. Lock order: Manager.mu, Room.mu, then the leaf locks of dataLink, Publication and layer; nobody calls out with a lock held.
// Nothing that a client does may block a worker or another participant: inboxes, mailboxes, rings and data channels are bounded, and what
// happens when they are full is said where they are declared and counted in counters.go.
package sfu
