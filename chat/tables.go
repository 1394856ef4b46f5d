package chat

import (
	"errors"
	"time"

	"careline/internal/errs"
	"careline/internal/store"
)

// of is the key of what belongs to a conversation and a principal, at of what belongs to a conversation and has a number.
type (
	of = store.Pair[string, string]
	at = store.Pair[string, uint64]

	// seen orders the conversations of somebody, or of all for nobody, by when they were active.
	seen = store.Triple[string, int64, string]
	// wrote finds messages of somebody.
	wrote = store.Triple[string, string, uint64]
	// sent finds a message by the hash of its client key.
	sent = store.Triple[string, string, uint64]
	// linked finds conversations by what they belong to.
	linked = store.Triple[string, string, string]
)

// remembered is how many rows of a table that each message needs are kept decoded: those of the conversations that people write in now.
const remembered = 2048

var (
	ofConversation = store.Join(store.String[string](), store.String[string]())
	numbered       = store.Join(store.String[string](), store.Uint64[uint64]())
	seenKey        = store.Join3(store.String[string](), store.Descending(store.Int64[int64]()), store.String[string]())
	wroteKey       = store.Join3(store.String[string](), store.String[string](), store.Uint64[uint64]())
	sentKey        = store.Join3(store.String[string](), store.String[string](), store.Uint64[uint64]())
	threeTexts     = store.Join3(store.String[string](), store.String[string](), store.String[string]())

	conversations = store.NewTable("chat_conversations", store.String[string](), store.JSON[Conversation]()).Remember(remembered)
	heads         = store.NewTable("chat_heads", store.String[string](), store.JSON[Head]()).Remember(remembered)
	participants  = store.NewTable("chat_participants", ofConversation, store.JSON[Participant]()).Remember(remembered)
	messages      = store.NewTable("chat_messages", numbered, store.JSON[Message]())
	marks         = store.NewTable("chat_marks", ofConversation, store.JSON[Marks]())

	openKeys = store.NewUnique(conversations, "open", store.String[string](), func(_ string, c Conversation) []string { return some(c.OpenKey) })
	creates  = store.NewUnique(conversations, "create", store.String[string](), func(_ string, c Conversation) []string { return some(c.CreateKey) })
	byLink   = store.NewIndex(conversations, "link", threeTexts, func(id string, c Conversation) (keys []linked) {
		for _, l := range c.Links {
			keys = append(keys, linked{First: l.Type, Second: l.ID, Third: id})
		}
		return keys
	})
	byActivity = store.NewIndex(conversations, "activity", store.Join(store.Descending(store.Int64[int64]()), store.String[string]()),
		func(id string, c Conversation) []store.Pair[int64, string] {
			if !c.DestroyedAt.IsZero() {
				return nil
			}
			return []store.Pair[int64, string]{{First: c.Bucket, Second: id}}
		})

	// byWhom finds the places of a principal, and of an organisation's people.
	byWhom = store.NewIndex(participants, "whom", seenKey, func(_ of, p Participant) []seen {
		keys := []seen{{First: p.Principal, Second: p.Bucket, Third: p.Conversation}}
		if p.Organization != "" {
			keys = append(keys, seen{First: p.Organization, Second: p.Bucket, Third: p.Conversation})
		}
		return keys
	})
	byPlace = store.NewUnique(participants, "id", store.String[string](), func(_ of, p Participant) []string { return []string{p.ID} })

	byMessage = store.NewUnique(messages, "id", store.String[string](), func(_ at, m Message) []string { return []string{m.ID} })

	// byClientKey leads from hashes to landmarks, which say whose they are. Most enter it 32 at a time, since each sender's go into pages of their own.
	byClientKey = store.NewIndex(messages, "key_hash", sentKey, func(_ at, m Message) (keys []sent) {
		if m.Sender != "" && m.OwnPrev == 0 && m.ClientKey != "" {
			keys = append(keys, sent{First: m.Conversation, Second: m.Sender, Third: hashOf(m.ClientKey)})
		}
		for hash := range hashes(m.KeyHashes) {
			keys = append(keys, sent{First: m.Conversation, Second: m.Sender, Third: hash})
		}
		return keys
	})
	tombstones = store.NewIndex(messages, "deleted", numbered, func(_ at, m Message) []at {
		if m.DeletedAt.IsZero() || !m.countable() {
			return nil
		}
		return []at{{First: m.Conversation, Second: m.Seq}}
	})
)

func some(key string) []string {
	if key == "" {
		return nil
	}
	return []string{key}
}

// instead says what is missing in the caller's words.
func instead(err, missing error) error {
	if errs.Is(err, errs.NotFound) && !errors.Is(err, missing) {
		return missing
	}
	return err
}

// live returns a conversation that was not deleted.
func live(tx *store.Tx, id string) (Conversation, error) {
	c, err := conversations.Get(tx, id)
	if err == nil && c.Status == Deleted {
		err = ErrNoConversation
	}
	return c, instead(err, ErrNoConversation)
}

// member returns a conversation and the caller's place in it. Who is not in it is told that there is none.
func member(tx *store.Tx, id, principal string) (Conversation, Participant, error) {
	c, err := live(tx, id)
	if err != nil {
		return c, Participant{}, err
	}
	p, err := participants.Get(tx, of{First: id, Second: principal})
	if err == nil && p.State != In {
		err = ErrNoConversation
	}
	return c, p, instead(err, ErrNoConversation)
}

// head returns what changes with each message; there is none before the first.
func head(tx *store.Tx, id string) (Head, error) {
	h, err := heads.Get(tx, id)
	if errs.Is(err, errs.NotFound) {
		return Head{}, nil
	}
	return h, err
}

// muted tells whether a participant may not write now.
func (p *Participant) muted(now time.Time) bool { return now.Before(p.MutedUntil) }
