package signal

import "sync/atomic"

// counters are written by the handler and its sessions and read by anybody.
type counters struct {
	sessions, joins, resumes, unknownResumes, refusals atomic.Int64
	malformed, oversize, overflows, silent, panics     atomic.Int64
	expired, floods                                    atomic.Int64
}

// Stats is a snapshot of what the handler counted since its start, levels of now excepted.
type Stats struct {
	Sessions       int64 // WebSockets open now
	Joins          int64
	Resumes        int64
	UnknownResumes int64 // resumes that were answered with a full reconnect
	Refusals       int64 // answered with an HTTP status instead of an upgrade
	Malformed      int64 // frames that were no SignalRequest, and candidates that were no JSON; frames end their WebSocket
	Oversize       int64 // WebSockets ended by a frame above the limit
	Overflows      int64 // WebSockets ended because the client did not read
	Silent         int64 // WebSockets ended because the client did not answer pings
	Panics         int64 // WebSockets ended by a mistake of ours
	Floods         int64 // WebSockets ended because the client sent too much too fast
	Expired        int64 // sessions ended because their token was not refreshed any more
	AgentWorkers   int64 // connected now
	AgentJobs      int64 // under way now
}

// Stats returns the counters of now.
func (h *Handler) Stats() Stats {
	c := &h.counters
	workers, jobs := h.agents.census()
	return Stats{
		AgentWorkers:   int64(workers),
		AgentJobs:      int64(jobs),
		Sessions:       c.sessions.Load(),
		Joins:          c.joins.Load(),
		Resumes:        c.resumes.Load(),
		UnknownResumes: c.unknownResumes.Load(),
		Refusals:       c.refusals.Load(),
		Malformed:      c.malformed.Load(),
		Oversize:       c.oversize.Load(),
		Overflows:      c.overflows.Load(),
		Silent:         c.silent.Load(),
		Panics:         c.panics.Load(),
		Expired:        c.expired.Load(),
		Floods:         c.floods.Load(),
	}
}
