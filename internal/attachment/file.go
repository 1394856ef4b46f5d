package attachment

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"careline/internal/blob"
	"careline/internal/errs"
	"careline/internal/scan"
	"careline/internal/seal"
	"careline/internal/store"
)

// Metadata says what became of a picture's metadata.
type Metadata string

// What becomes of metadata.
const (
	None      Metadata = ""          // not a picture
	Stripped  Metadata = "stripped"  // there is none in the file
	Kept      Metadata = "kept"      // by policy
	Untouched Metadata = "untouched" // the format is not rewritten
)

// File is a finished upload.
type File struct {
	ID           string     `json:"id"`
	Conversation string     `json:"conversation"`
	By           string     `json:"by"` // principal
	Type         string     `json:"type"`
	Size         int64      `json:"size"`             // bytes, as it is read
	Width        int        `json:"width,omitempty"`  // pixels, as it is shown
	Height       int        `json:"height,omitempty"` // pixels, as it is shown
	Metadata     Metadata   `json:"metadata,omitempty"`
	Thumbnail    bool       `json:"thumbnail,omitempty"` // there is one
	Original     bool       `json:"original,omitempty"`  // the untouched file is kept aside
	Scan         scan.State `json:"scan"`
	Signature    string     `json:"signature,omitempty"` // of what the scanner found, or why it did not look
	At           time.Time  `json:"at"`
	Secret       `json:"-"`
}

// Secret is what of a file is sealed.
type Secret struct {
	Name     string `json:"name"`
	Declared string `json:"declared,omitempty"` // MIME type, as its sender says
	SHA256   string `json:"sha256"`             // of the file as it is read, in hexadecimal
	GPS      bool   `json:"gps,omitempty"`      // its metadata told a place when it came
}

// Inline reports whether a browser may show the file in place. Everything else is only to be saved.
func (f *File) Inline() bool {
	switch f.Type {
	case "image/jpeg", "image/png", "image/vnd.mozilla.apng", "image/webp", "image/gif":
		return true
	}
	return false
}

// row is a File in the store.
type row struct {
	File
	Box      []byte    `json:"box"` // Secret
	Blob     blob.ID   `json:"blob"`
	Small    blob.ID   `json:"small,omitempty"` // the thumbnail
	Aside    blob.ID   `json:"aside,omitempty"` // the original
	Ties     uint64    `json:"ties"`            // messages
	NextScan time.Time `json:"next_scan,omitzero"`
	Scans    int       `json:"scans,omitempty"` // that failed
	Ends     time.Time `json:"ends,omitzero"`   // while no message has it
}

type (
	tie   = store.Pair[string, string] // file, message
	owned = store.Triple[string, string, string]
)

var (
	tied   = store.Join(store.String[string](), store.String[string]())
	owners = store.Join3(store.String[string](), store.String[string](), store.String[string]()) // conversation, principal, id

	rows   = store.NewTable("attachments", store.String[string](), store.JSON[row]())
	byEnd  = store.NewIndex(rows, "ends", store.Time(), func(_ string, r row) []time.Time { return when(r.Ends) })
	byScan = store.NewIndex(rows, "scan", store.Time(), func(_ string, r row) []time.Time { return when(r.NextScan) })
	byBy   = store.NewIndex(rows, "by", owners, func(id string, r row) []owned {
		return []owned{{First: r.Conversation, Second: r.By, Third: id}}
	})
	loose = store.NewIndex(rows, "loose", tied, func(id string, r row) []tie { // those that count against their sender's limits
		if r.Ties > 0 {
			return nil
		}
		return []tie{{First: r.By, Second: id}}
	})
	ties = store.NewTable("attachment_ties", tied, store.JSON[struct{}]())
)

func when(t time.Time) []time.Time {
	if t.IsZero() {
		return nil
	}
	return []time.Time{t}
}

func newID(prefix string) string { return prefix + strings.ToLower(rand.Text()) }

// owner names a file's reference to a blob.
func owner(id string) string { return "attachment/" + id }

func (r *row) blobs() []blob.ID {
	all := []blob.ID{r.Blob}
	for _, id := range []blob.ID{r.Small, r.Aside} {
		if id != "" && id != r.Blob {
			all = append(all, id)
		}
	}
	return all
}

// sealed is what goes into a row's box, for the place of the row.
func sealed(key *seal.Key, id string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode what is to be sealed: %w", err)
	}
	return key.Seal(plain, id), nil
}

// unseal opens the box of a row. The error is seal.ErrErased when its key was destroyed.
func (s *Service) unseal(ctx context.Context, scope, id string, box []byte, v any) error {
	key, err := s.opts.Vault.Find(ctx, scope)
	if err != nil {
		return fmt.Errorf("find the key of an attachment: %w", err)
	}
	plain, err := key.Open(box, id)
	if err != nil {
		return fmt.Errorf("open attachment %s: %w", id, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("read attachment %s: %w", id, err)
	}
	return nil
}

// remove ends a file in the caller's transaction.
func (s *Service) remove(tx *store.Tx, r *row) error {
	for _, id := range r.blobs() {
		if err := s.opts.Blobs.Unref(tx, id, owner(r.ID)); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	for key := range ties.Scan(tx, store.Range[tie]{In: tied.Of(r.ID)}) {
		if err := ties.Delete(tx, key); err != nil {
			return err
		}
	}
	return rows.Delete(tx, r.ID)
}

func hexadecimal(sum []byte) string { return hex.EncodeToString(sum) }
