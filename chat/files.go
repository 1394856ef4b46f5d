package chat

import (
	"context"
	"errors"

	"careline/internal/attachment"
	"careline/internal/blob"
	"careline/internal/errs"
	"careline/internal/store"
)

// KeptFiles returns the files that a service of attachments keeps under FileScope.
func KeptFiles(s *attachment.Service) Files { return keptFiles{s} }

// FileScope names the key of the files that somebody sends in a conversation: that of what they write.
func FileScope(conversation, principal string) string { return scope(conversation, principal) }

type keptFiles struct{ *attachment.Service }

// Describe implements Files: a file that somebody sends is their own, and was uploaded for the conversation.
func (k keptFiles) Describe(caller *Caller, conversation, file string) (Attachment, error) {
	f, err := k.Service.Describe(context.Background(), file) // a short read, which nobody stops
	if err == nil && (f.By != caller.Principal || f.Conversation != conversation) {
		err = errs.New(errs.NotFound, "no such attachment")
	}
	if err != nil {
		return Attachment{}, err
	}
	return Attachment{ID: f.ID, Name: f.Name, Type: f.Type, Size: f.Size, SHA256: f.SHA256, Width: f.Width, Height: f.Height}, nil
}

// Content implements Files: what nobody but its sender may read, because it was not scanned yet, is no content.
func (k keptFiles) Content(ctx context.Context, file string) (string, FileContent, error) {
	f, content, err := k.Open(ctx, file, "", attachment.Whole)
	if err != nil {
		return "", nil, err
	}
	return f.SafeName(), content, nil
}

// whyWithout says in a word why a file is not handed out; empty where nothing is known to be wrong with the file.
func whyWithout(err error) string {
	switch {
	case errors.Is(err, attachment.ErrInfected):
		return "infected"
	case errors.Is(err, attachment.ErrPending):
		return "pending"
	case errors.Is(err, blob.ErrDamaged):
		return "damaged"
	case errs.Is(err, errs.NotFound):
		return "erased"
	}
	return ""
}

// Scanned tells a file's conversation what the scanner said of it, in the transaction that writes that down; Ring of the log has to follow.
func (s *Service) Scanned(tx *store.Tx, f attachment.File) error {
	if _, err := live(tx, f.Conversation); err != nil {
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		return err
	}
	_, err := s.cfg.Log.Append(tx, f.Conversation, AttachmentScanned, "", ScannedEvent{ID: f.ID, Scan: f.Scan})
	return err
}

// MayAttach refuses who may not write in a conversation; to who is not in it there is none.
func (s *Service) MayAttach(ctx context.Context, caller *Caller, conversation string) error {
	if err := caller.in(conversation, Write); err != nil {
		return err
	}
	return s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		c, p, err := member(tx, conversation, caller.Principal)
		switch {
		case err != nil:
			return err
		case c.Status != Active:
			return ErrClosed
		case p.muted(s.cfg.Clock.Now()):
			return errs.New(errs.Denied, "you may not write in this conversation for a while")
		}
		return nil
	})
}

// MaySee refuses who may read none of some messages of a conversation, all named by id. A right may be asked for beside that to read.
func (s *Service) MaySee(ctx context.Context, caller *Caller, conversation string, ids []string, also ...Permission) error {
	if err := caller.in(conversation, Read); err != nil {
		return err
	}
	if len(also) > 0 {
		if err := caller.needs(also...); err != nil {
			return err
		}
	}
	return s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		_, p, err := member(tx, conversation, caller.Principal)
		if err != nil {
			return err
		}
		for _, id := range ids {
			_, m, err := byMessage.Get(tx, id)
			if err != nil && !errs.Is(err, errs.NotFound) {
				return err
			}
			if err == nil && m.Conversation == conversation && m.Seq >= p.first() && m.DeletedAt.IsZero() {
				return nil
			}
		}
		return ErrNoMessage
	})
}
