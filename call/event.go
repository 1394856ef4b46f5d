package call

import (
	"time"

	"careline/internal/audit"
	"careline/internal/event"
	"careline/internal/store"
)

// The types of events, all with Event as data. They are in the stream of the call's conversation; of a call without one, in a stream under the
// call's id. Who comes and leaves as a viewer of a broadcast is not told: viewers are hidden from one another.
const (
	EventRinging   event.Type = "call.ringing"
	EventAccepted  event.Type = "call.accepted"
	EventDeclined  event.Type = "call.declined"
	EventCancelled event.Type = "call.cancelled" // the ringing, of whoever had not answered
	EventMissed    event.Type = "call.missed"
	EventStarted   event.Type = "call.started" // somebody is in it; of one that rings, somebody besides the caller
	EventLegJoined event.Type = "call.leg_joined"
	EventLegLeft   event.Type = "call.leg_left"
	EventEnded     event.Type = "call.ended"
)

// Event is the data of events about a call.
type Event struct {
	Call   string    `json:"call_id"`
	Kind   Kind      `json:"kind"`
	Caller string    `json:"caller,omitempty"` // of a call that rings
	People []string  `json:"people,omitempty"` // whom it concerns: for whom it rings or rang, and who calls them
	Who    []string  `json:"who,omitempty"`    // answered, missed it, are not called any more
	Until  time.Time `json:"until,omitzero"`   // it rings
	Leg    string    `json:"leg_id,omitempty"` // who came or left is the event's actor
	Reason string    `json:"reason,omitempty"` // why the leg or the call ended
}

// stream is where the log has what happens to the call.
func (c *Call) stream() string {
	if c.Conversation == "" {
		return c.ID
	}
	return c.Conversation
}

// happened writes what happened to the log and to the audit.
func (s *Service) happened(tx *store.Tx, c *Call, t event.Type, actor string, e Event) error {
	e.Call, e.Kind = c.ID, c.Kind
	if _, err := s.cfg.Log.Append(tx, c.stream(), t, actor, e); err != nil {
		return err
	}
	_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: actor, Action: string(t), Object: c.ID, From: "call", Reason: e.Reason})
	return err
}

// The codes of system messages in the conversation, with the parameter call; CodeEnded has the seconds that it lasted too.
const (
	codeStarted   = "call_started"
	codeEnded     = "call_ended"
	codeMissed    = "call_missed"
	codeDeclined  = "call_declined"
	codeCancelled = "call_cancelled"
)

// note writes a system message into the call's conversation.
func (s *Service) note(tx *store.Tx, c *Call, actor, code string, params map[string]string) error {
	if c.Conversation == "" {
		return nil
	}
	all := map[string]string{"call": c.ID}
	for name, value := range params {
		all[name] = value
	}
	return s.cfg.Threads.Note(tx, c.Conversation, actor, code, all)
}
