package signal

import (
	"context"
	"io"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/attachment"
	"careline/internal/scan"
)

// chatFinish bounds what is done to a file once all of it is there: its type, a picture's metadata, a thumbnail.
const chatFinish = time.Minute

// ChatFiles takes the files of calls; *attachment.Service does.
type ChatFiles interface {
	Begin(ctx context.Context, o attachment.Offer) (attachment.Upload, error)
	Append(ctx context.Context, id, by string, offset int64, content io.Reader) (attachment.Upload, error)
	Finish(ctx context.Context, id, by string) (attachment.File, error)
	Cancel(ctx context.Context, id, by string) error
	Describe(ctx context.Context, id string) (attachment.File, error)
}

// admit has a file stored if who sends it may write in the conversation.
func (r *chatRoom) admit(ctx context.Context, conversation string, who *livekit.ParticipantInfo, f *chatFile) {
	err := r.seat(ctx, conversation, who)
	if err == nil {
		err = r.bridge.cfg.Chats.MayAttach(ctx, callerOf(who, conversation), conversation)
	}
	if err != nil {
		f.spool.finish(err)
		r.fileEnded(f, attachment.File{}, err)
		return
	}
	r.storing.Go(func() {
		kept, err := r.store(conversation, f)
		if err != nil {
			f.spool.finish(err) // it takes nothing any more
		}
		r.fileEnded(f, kept, err)
	})
}

// store makes an attachment of a file, as of every upload.
func (r *chatRoom) store(conversation string, f *chatFile) (kept attachment.File, err error) {
	files, by, s := r.bridge.cfg.Files, f.note.identity, f.spool
	ctx, cancel := context.WithTimeout(context.Background(), chatJobTimeout)
	u, err := files.Begin(ctx, attachment.Offer{Conversation: conversation, By: by, Name: s.name, Declared: s.declared, Length: s.length})
	cancel()
	if err != nil {
		return kept, err
	}
	// How long it may take is told by the stream, which ends.
	got, err := files.Append(context.Background(), u.ID, by, 0, s.content())
	if err == nil && got.Offset != s.length {
		err = errFileLength
	}
	if err == nil {
		ctx, cancel = context.WithTimeout(context.Background(), chatFinish)
		kept, err = files.Finish(ctx, u.ID, by)
		cancel()
	}
	if err != nil {
		r.discard(u.ID, by)
	}
	return kept, err
}

// discard ends an upload, or a file that no message has. If that fails, its time ends it.
func (r *chatRoom) discard(id, by string) {
	ctx, cancel := context.WithTimeout(context.Background(), chatJobTimeout)
	defer cancel()
	if err := r.bridge.cfg.Files.Cancel(ctx, id, by); err != nil {
		r.bridge.cfg.Logger.Warn("end a file that came in a call", "room", r.name, "error", err)
	}
}

// discardFiles ends the files of a text of which nothing became.
func (r *chatRoom) discardFiles(n *chatNote) {
	var kept []string
	r.mu.Lock()
	for _, f := range n.files {
		if f.kept.ID != "" {
			kept = append(kept, f.kept.ID)
			f.kept = attachment.File{}
		}
	}
	r.mu.Unlock()
	for _, id := range kept {
		r.discard(id, n.identity)
	}
}

// dropInfected takes the files away from a text that nobody may read.
func (r *chatRoom) dropInfected(ctx context.Context, n *chatNote) {
	for _, f := range n.files {
		r.mu.Lock()
		id := f.kept.ID
		r.mu.Unlock()
		if id == "" {
			continue
		}
		if now, err := r.bridge.cfg.Files.Describe(ctx, id); err != nil || now.Scan != scan.Infected {
			continue
		}
		r.mu.Lock()
		f.kept = attachment.File{}
		r.mu.Unlock()
		r.fileProblem(n.sid, f.id, attachment.ErrInfected)
		r.discard(id, n.identity)
	}
}
