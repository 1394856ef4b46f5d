package call

import (
	"context"

	"careline/internal/auth"
	"careline/internal/errs"
	"careline/internal/store"
)

// Threads is what calls do to conversations; *chat.Service has it, which knows no calls.
type Threads interface {
	// WithThread makes a conversation of people, names by identity, or finds the one that a pair has, and calls then in the same transaction.
	WithThread(ctx context.Context, by, subject string, links, people map[string]string, pair bool, then func(tx *store.Tx, conversation string) error) error
	// CallOf returns the call that a conversation has. It refuses a conversation that is not there, or that is closed.
	CallOf(tx *store.Tx, conversation string) (call string, err error)
	// TieCall notes which call a conversation has, UntieCall that it has it no more.
	TieCall(tx *store.Tx, conversation, call string) error
	UntieCall(tx *store.Tx, conversation, call string) error
	// Note writes a system message where people may write.
	Note(tx *store.Tx, conversation, actor, code string, params map[string]string) error
	// Members returns who is in a conversation besides guests, limit at most, and whether there are just the two of a direct one.
	Members(tx *store.Tx, conversation string, limit int) (people []string, direct bool, err error)
	// About returns what a conversation belongs to.
	About(tx *store.Tx, conversation string) (links map[string]string, err error)
	// PutOut takes somebody out of a conversation.
	PutOut(tx *store.Tx, conversation, identity, actor string) error
}

// Conversation returns the conversation that is the chat of a room. ok is false when it has none, or is the room of no call.
func (s *Service) Conversation(ctx context.Context, room string) (conversation string, ok bool, err error) {
	c, err := s.Get(ctx, room)
	if errs.Is(err, errs.NotFound) {
		return "", false, nil
	}
	return c.Conversation, err == nil && c.Conversation != "", err
}

// begin calls write in a transaction with the conversation that the new call is to have.
func (s *Service) begin(ctx context.Context, n *NewCall, people []Person, by string, write func(tx *store.Tx, conversation string) error) error {
	if n.Conversation != "" || n.NoChat {
		return s.cfg.Log.Update(ctx, func(tx *store.Tx) error { return write(tx, n.Conversation) })
	}
	known := make(map[string]string)
	for _, p := range people {
		if p.Role != Viewer { // an audience comes into the thread when it opens it
			known[p.Identity] = p.Name
		}
	}
	return s.cfg.Threads.WithThread(ctx, by, n.Title, n.Links, known, n.Kind == Direct && len(people) == 2, write)
}

// tie gives a conversation its call. There is one at a time: an earlier one in which nobody is ends.
func (s *Service) tie(tx *store.Tx, c *Call) (replaced Call, err error) {
	former, err := s.callOf(tx, c.Conversation)
	switch {
	case err != nil:
		return Call{}, err
	case former.ID == "":
	case !former.RingUntil.IsZero() || busy(tx, former.ID):
		return Call{}, ErrLive
	default:
		if err := s.finish(tx, &former, c.by(), reasonReplaced); err != nil {
			return Call{}, err
		}
	}
	if len(c.Links) == 0 {
		if c.Links, err = s.cfg.Threads.About(tx, c.Conversation); err != nil {
			return Call{}, err
		}
	}
	return former, s.cfg.Threads.TieCall(tx, c.Conversation, c.ID)
}

// callOf returns the call of a conversation that has not ended; without id if there is none.
func (s *Service) callOf(tx *store.Tx, conversation string) (c Call, err error) {
	id, err := s.cfg.Threads.CallOf(tx, conversation)
	if err != nil || id == "" {
		return Call{}, err
	}
	c, err = s.getCall(tx, id)
	if errs.Is(err, errs.NotFound) || err == nil && !c.EndedAt.IsZero() {
		return Call{}, nil
	}
	return c, err
}

// busy tells whether somebody is in a call.
func busy(tx *store.Tx, call string) bool {
	_, _, err := byPresence.Get(tx, call)
	return err == nil
}

// What the token of somebody in a call lets its holder do in the call's conversation.
var chatRights = []string{"chat:read", "chat:write", "chat:edit:own", "chat:delete:own", "chat:search"}

// Guest tells whether somebody sees of the conversation only what is written from its coming on: it came by a link that does not say otherwise,
// or was named by nobody.
func (p *Participant) Guest() bool { return (p.Invite != "" || !p.Named) && !p.History }

// rights are the claims about chats in the token of a participant.
func (c *Call) rights(p *Participant) auth.Rights {
	if c.Conversation == "" {
		return auth.Rights{}
	}
	r := auth.Rights{Permissions: chatRights, Scope: &auth.Scope{Conversation: c.Conversation}}
	if p.Guest() {
		r.Type = "guest"
	}
	return r
}
