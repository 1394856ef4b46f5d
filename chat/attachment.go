package chat

import (
	"context"
	"io"

	"careline/internal/errs"
	"careline/internal/store"
)

// Attachment is a file as a message shows it.
type Attachment struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Type   string `json:"type"` // as the server found it
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
	Width  int    `json:"width,omitempty"` // pixels
	Height int    `json:"height,omitempty"`
}

// Attachments is what a Service needs of the files: who keeps them implements it. Its methods work in the caller's transaction.
type Attachments interface {
	// Attach ties an uploaded file to a message, whose sender has to be who uploaded it for the conversation. It is kept while it is tied.
	Attach(tx *store.Tx, file, conversation, sender, message string) error
	// Detach unties it.
	Detach(tx *store.Tx, file, message string) error
	// Erase ends everything that somebody uploaded for a conversation, also what was not finished or not sent.
	Erase(tx *store.Tx, conversation, sender string) error
}

// Files tells what is known of a file, outside a transaction, because its name is sealed.
type Files interface {
	Attachments
	// Describe returns what is known of a file before its sender attaches it.
	Describe(caller *Caller, conversation, file string) (Attachment, error)
	// Content returns what is in a file, for whom its message is shown, and a name to save it by. Close has to follow.
	Content(ctx context.Context, file string) (name string, content FileContent, err error)
}

// FileContent is what is in a file.
type FileContent interface {
	io.ReadCloser
	Size() int64 // bytes
	Sum() []byte // SHA-256
}

var errNoFiles = errs.New(errs.Invalid, "this server takes no attachments")
