package signal

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/chat"
	"careline/internal/attachment"
)

// topicAck is where a sender is told what became of a message.
const topicAck = "careline.ack"

// chatRights are what who is in a call may do in its conversation by the data channel.
var chatRights = []chat.Permission{chat.Read, chat.Write, chat.EditOwn, chat.DeleteOwn}

// chatAnswer says what became of a message.
type chatAnswer struct {
	ID           string     `json:"id"` // of the stream, as its sender knows it
	Conversation string     `json:"conv,omitempty"`
	Seq          uint64     `json:"seq,omitempty"`
	MessageID    string     `json:"message_id,omitempty"`
	CreatedAt    *time.Time `json:"created_at,omitempty"`
	Revision     uint64     `json:"revision,omitempty"` // of an edit
	Deleted      bool       `json:"deleted,omitempty"`
	// Files are the attachments of the message by the ids of their streams, Missing the streams of which nothing was kept.
	Files   map[string]string `json:"files,omitempty"`
	Missing []string          `json:"missing,omitempty"`
	Problem string            `json:"problem,omitempty"` // one of the codes of the API; the message is not kept
	Detail  string            `json:"detail,omitempty"`
}

// chatChange names a change of a message, as both the room and the log know it.
type chatChange struct {
	seq     uint64
	edit    uint64
	deleted bool
}

// chatHand says where a change that came out of the room has got to.
type chatHand struct {
	by   string   // identity
	held bool     // the others have not seen it
	late []string // sessions that have not, of a text that waited for its files

	files []string // streams that it names; the others have these
}

// keep writes down what somebody wrote in the call, and says to its sender what came of it.
func (r *chatRoom) keep(ctx context.Context, n *chatNote) {
	conversation := r.thread.Load().conversation
	answer, change, fresh, err := chatAnswer{}, chatChange{}, false, r.seat(ctx, conversation, n.info)
	if err == nil {
		answer, change, fresh, err = r.commit(ctx, callerOf(n.info, conversation), conversation, n)
	}
	if err != nil {
		if n.held {
			r.lost(n)
		}
		r.problem(n.sid, n.id, err)
		r.giveUp(n)
		return
	}
	answer.Files, answer.Missing = r.filesKept(n)
	if fresh {
		hand := chatHand{by: n.identity, held: n.held, late: n.late}
		for _, f := range n.files {
			hand.files = append(hand.files, f.id)
		}
		r.own[change] = hand
		if n.op == opWrite && !n.held {
			r.hand(change.seq, n.at)
		}
	}
	answer.ID, answer.Conversation = n.id, conversation
	r.answer(n.sid, answer)
}

// callerOf is somebody in the call, as the conversation is asked.
func callerOf(info *livekit.ParticipantInfo, conversation string) *chat.Caller {
	return &chat.Caller{Principal: info.Identity, Name: info.Name, Permissions: chatRights, Only: conversation, From: wayIn}
}

// commit returns what was changed; fresh says that it was not before.
func (r *chatRoom) commit(ctx context.Context, caller *chat.Caller, conversation string, n *chatNote) (a chatAnswer, change chatChange, fresh bool, err error) {
	chats := r.bridge.cfg.Chats
	if n.op == opWrite {
		got, err := chats.Append(ctx, caller, conversation, r.draft(n))
		if errors.Is(err, attachment.ErrInfected) { // the scanner was quicker
			r.dropInfected(ctx, n)
			got, err = chats.Append(ctx, caller, conversation, r.draft(n))
		}
		if err != nil {
			return a, change, false, err
		}
		r.mu.Lock()
		r.recent.kept(n.id, got.Seq)
		r.mu.Unlock()
		r.bridge.counters.kept.Add(1)
		return chatAnswer{Seq: got.Seq, MessageID: got.ID, CreatedAt: &got.At}, chatChange{seq: got.Seq}, !got.Duplicate, nil
	}
	m, err := chats.Written(ctx, conversation, n.identity, clientKeyPrefix+n.id, n.id)
	if err != nil {
		return a, change, false, err
	}
	a = chatAnswer{Seq: m.Seq, MessageID: m.ID, CreatedAt: &m.At}
	if n.op == opDelete {
		fresh, a.Deleted = m.DeletedAt.IsZero(), true
		err = chats.DeleteMessage(ctx, caller, conversation, m.Seq, nil, "")
	} else {
		var v chat.MessageView
		v, err = chats.Edit(ctx, caller, conversation, m.Seq, chat.Edit{Text: n.text, Mentions: m.Mentions, Revision: m.EditNo})
		fresh, a.Revision = true, v.EditNo
	}
	if err == nil {
		r.bridge.counters.changed.Add(1)
	}
	return a, chatChange{m.Seq, a.Revision, a.Deleted}, fresh, err
}

// draft is the message as the conversation takes it. Its author is the session's, whatever the packet says.
func (r *chatRoom) draft(n *chatNote) chat.Draft {
	d := chat.Draft{ClientKey: clientKeyPrefix + n.id, Text: n.text, OnBehalfOf: n.behalf, Generated: n.generated && n.info.Kind == livekit.ParticipantInfo_AGENT}
	if at := time.UnixMilli(n.sentAt).UTC(); at.Year() >= 2000 && at.Year() < 2200 {
		d.SentAt = at
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	d.ReplyTo = r.recent.known[n.replyTo].seq
	d.Kind, d.Attachments = kindOf(n.files)
	return d
}

// problem tells a session that a message is not kept, and why.
func (r *chatRoom) problem(sid, id string, err error) {
	r.bridge.counters.refusal(err).Add(1)
	r.explain(sid, id, err)
}

// fileProblem tells a session that a file is not kept, and why.
func (r *chatRoom) fileProblem(sid, id string, err error) {
	r.bridge.counters.fileRefusal(err).Add(1)
	r.explain(sid, id, err)
}

func (r *chatRoom) explain(sid, id string, err error) {
	code, detail := chatProblem(err)
	if code == "internal" {
		r.bridge.cfg.Logger.Error("keep what was written in a call", "room", r.name, "error", err)
	}
	if len(id) > maxChatID {
		id = ""
	}
	r.answer(sid, chatAnswer{ID: id, Problem: code, Detail: detail})
}

func (r *chatRoom) answer(sid string, a chatAnswer) {
	payload, err := json.Marshal(a)
	if err != nil {
		r.bridge.cfg.Logger.Error("encode an answer", "error", err)
		return
	}
	r.post("", func(i *livekit.ParticipantInfo) bool { return i.Sid == sid }, userPacket(topicAck, payload))
}

func userPacket(topic string, payload []byte) *livekit.DataPacket {
	return &livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Topic: &topic, Payload: payload}}}
}
