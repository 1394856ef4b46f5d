// Package turn is the relay for clients whose network lets nothing else
// through: STUN (RFC 8489) and TURN (RFC 8656) over UDP, TCP and TLS.
//
// It is a door to this server's own media port, not to the Internet: a client
// may relay to what PeerFilter allows, by default nothing else, with a password
// that is made for one session and dies with it.
//
// A walk. Packets come in through udpListener.read or stream.serve; both hand
// each whole message to Server.receive. ChannelData and Send indications take
// the short way: allocation.forward finds the peer in an immutable table,
// asks the rate and writes to the allocation's own socket. What comes back is
// read by allocation.read, which frames it and writes it to the client. All
// else is a request: control.go authenticates it and answers. Server.sweep
// removes what has expired and what belongs to sessions that ended.
//
// RFC 6062 (TCP to the peer) is not offered. The protocol is written out here,
// not taken from a library, because nearly every answer differs from what a
// permissive relay gives: see docs/architecture.md.
package turn
