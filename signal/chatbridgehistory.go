package signal

import (
	"context"
	"slices"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/chat"
	"careline/sfu"
)

// chatGap is for how long a client that returns may have missed what was sent to it: longer than clients try to come back.
const chatGap = time.Minute

// history sends somebody who has come what was written before, as far as the person may see it and was not sent it with the others. A stock
// client that returns after it lost its connection still shows what it had, and would show all of it as edited: it gets the newest only.
func (r *chatRoom) history(ctx context.Context, conversation string, info *livekit.ParticipantInfo, returns bool) {
	knows := info.Attributes[sfu.ClientAttribute] == "1"
	if limit := r.bridge.cfg.History; limit == 0 || !knows && !r.bridge.cfg.HistoryToStock {
		return
	}
	reader := &chat.Caller{Principal: info.Identity, Permissions: []chat.Permission{chat.Read}, Only: conversation, From: wayIn}
	list, err := r.bridge.cfg.Chats.Messages(ctx, reader, conversation, chat.Window{
		Limit: r.bridge.cfg.History, Kinds: []chat.Kind{chat.Text, chat.Image, chat.File, chat.Place},
	})
	if err != nil {
		r.bridge.cfg.Logger.Error("read what who came late is sent", "room", r.name, "error", err)
		return
	}
	me := func(i *livekit.ParticipantInfo) bool { return i.Sid == info.Sid }
	came, since := time.UnixMilli(info.JoinedAtMs), time.Time{}
	if returns && !knows {
		since = came.Add(-chatGap)
	}
	for _, m := range r.before(list.Items, since, came) {
		out := newOutgoing(m, livekit.DataStream_CREATE)
		out.about[attributeHistory] = "1"
		r.post(out.author, me, out.stream([]string{info.Identity})...)
		if !knows {
			r.post(out.author, me, out.legacy())
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.files { // of texts that the others have already
		if n := f.note; n.waits && !slices.Contains(n.late, info.Sid) {
			n.late = append(n.late, info.Sid)
		}
	}
}

// before returns the messages that were sent into the room since a time and before somebody came, the newest that fit.
func (r *chatRoom) before(items []chat.MessageView, since, came time.Time) (list []*chat.MessageView) {
	size, floor := 0, r.floor.Load()
	for i := range slices.Backward(items) {
		m := &items[i]
		at, handed := r.handed[m.Seq]
		if !handed {
			at = m.At
		}
		if m.Erased || !m.DeletedAt.IsZero() || m.Seq > floor && (!handed || !at.Before(came)) || at.Before(since) {
			continue
		}
		if size += len(m.Text) + 1000; size > historySize {
			break
		}
		list = append(list, m)
	}
	slices.Reverse(list)
	return list
}
