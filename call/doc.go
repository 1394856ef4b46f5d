// Package call knows kinds of calls: who may join one and as what, who may do what to whom in it, and what is kept of it.
//
// A call is a room of the engine under the call's id, with a record in the store that says its kind, its people and their roles. The engine
// asks the Service at each join (sfu.Admission) and tells it what happened (sfu.Observer), so that locks, bans and roles hold for every client
// that speaks LiveKit's protocol, and survive a restart. A room that is no call is left alone.
//
//	kind.go       kinds, roles, and what each may do
//	create.go     new calls and their people
//	admission.go  the decision about a join
//	within.go     the call of a conversation, which its members begin and find
//	ring.go       devices ring; one answer counts
//	due.go        what has to be done when nobody asks for it
//	manage.go     what hosts do: lock, remove, mute, let speak
//	end.go        the end, whoever or whatever brings it
//	invite.go     links for guests, the waiting room
//	legs.go       who is there, written behind the engine's events; leg.go: the record of a session
//	personal.go   what is sealed of people and titles; erase.go takes it away
//	thread.go     what calls do to conversations; event.go: what those hear of calls
package call
