// Package udp is the UDP socket under pion's ICE mux that sends RTP in batches.
//
// A packet to a viewer takes this way:
//
//	view.go    pion writes to the PeerConnection's view of the port; RTP is told from the rest
//	batch.go   RTP is copied into the batch of the worker that owns the PeerConnection
//	batch.go   Flush hands each socket its messages: runs of equal packets to one destination
//	send_linux.go  one sendmmsg(2); a run is one message that the kernel cuts (UDP_SEGMENT)
//
// STUN, DTLS and RTCP are written at once, through pion's mux (socket.go). No write waits for the
// kernel on Linux: what a full socket buffer does not take is dropped and counted. Elsewhere packets
// are written one by one through package net.
//
// Received datagrams go to pion's mux as they are. On Linux the socket is not in the runtime's poller
// (descriptor_linux.go says why).
package udp
