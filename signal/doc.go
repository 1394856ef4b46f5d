// Package signal speaks LiveKit's client protocol: it turns HTTP requests and WebSocket frames into calls of sfu, and sfu's messages into
// frames. Nothing below it knows what a SignalRequest is, nothing in it knows what a packet is.
//
// A join walks like this:
//
//	GET /rtc or /rtc/v1        Handler.ServeHTTP     handler.go
//	token                      Handler.read          entry.go, grant.go
//	query or join_request      readQuery, readJoin   query.go, joinrequest.go, client.go
//	join answer                rooms.Join            (sfu) an error is still a plain HTTP status: status.go
//	upgrade                    Handler.run           handler.go
//	join, refresh_token        Session.greet         session.go, welcome.go, token.go
//	everything else            Session.read, Session.write
//
// Per WebSocket there are two goroutines: the HTTP server's own, which reads frames and hands each request to the participant (request.go),
// and one that writes (response.go), keeps the connection alive and refreshes the token. Between the participant and the writer lies a queue
// of queueLength messages; when it is full the WebSocket closes and the participant stays for its resume time-out.
//
// Beside it: LiveKit's server API (api.go, roomservice.go, dispatchservice.go), agent workers (agents.go), and the bridge between data channels
// and conversations (chatbridge.go).
//
// Handler.mu guards the set of sessions and is held for an append to a participant's inbox, nothing longer. A Session has no lock.
package signal
