package chat

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The last two files of an archive: what is in it, and a signature of that.
const (
	manifestName  = "manifest.json"
	signatureName = "manifest.sig"

	largestManifest = 64 << 20 // bytes
)

// Manifest says what is in an exported archive.
type Manifest struct {
	Conversation string         `json:"conversation_id,omitempty"`
	UserID       string         `json:"user_id,omitempty"` // whose part of all conversations it is
	ExportedAt   time.Time      `json:"exported_at"`
	ExportedBy   string         `json:"exported_by"`
	Files        []manifestFile `json:"files"`
	LeftOut      []leftOut      `json:"left_out,omitempty"` // attachments
	PublicKey    []byte         `json:"public_key"`         // Ed25519: of the server that signed it
}

// manifestFile is what a manifest says of a file.
type manifestFile struct {
	Name       string `json:"name"`
	Size       int64  `json:"size"`
	SHA256     string `json:"sha256"`
	Attachment string `json:"attachment_id,omitempty"`
}

// leftOut is an attachment that is not in the archive.
type leftOut struct {
	Attachment string `json:"attachment_id"`
	Name       string `json:"name"`
	Reason     string `json:"reason"` // infected, pending, erased or damaged
}

// ErrNotExported says that an archive is not what a server exported. The error around it says why.
var ErrNotExported = errors.New("this is not what was exported")

// VerifyArchive compares an archive with its manifest, and that with its signature by a server's key.
func VerifyArchive(z *zip.Reader, public ed25519.PublicKey) (m Manifest, err error) {
	files := make(map[string]*zip.File)
	for _, f := range z.File {
		if files[f.Name] != nil {
			return m, fmt.Errorf("%w: %q is there twice", ErrNotExported, f.Name)
		}
		files[f.Name] = f
	}
	text, err := readSmall(files[manifestName], manifestName)
	if err != nil {
		return m, err
	}
	signature, err := readSmall(files[signatureName], signatureName)
	if err != nil {
		return m, err
	}
	if !ed25519.Verify(public, text, signature) {
		return m, fmt.Errorf("%w: the signature is not by this key", ErrNotExported)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read the manifest: %w", err)
	}
	delete(files, manifestName)
	delete(files, signatureName)
	for _, f := range m.Files {
		if err := f.compare(files[f.Name]); err != nil {
			return m, err
		}
		delete(files, f.Name)
	}
	for name := range files {
		return m, fmt.Errorf("%w: %q is not in the manifest", ErrNotExported, name)
	}
	return m, nil
}

func readSmall(f *zip.File, name string) ([]byte, error) {
	if f == nil || f.UncompressedSize64 > largestManifest {
		return nil, fmt.Errorf("%w: there is no %s", ErrNotExported, name)
	}
	var b bytes.Buffer
	err := readArchived(f, &b)
	return b.Bytes(), err
}

// compare reads a file of an archive.
func (m *manifestFile) compare(f *zip.File) error {
	if f == nil {
		return fmt.Errorf("%w: %q is missing", ErrNotExported, m.Name)
	}
	sum := sha256.New()
	if err := readArchived(f, sum); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != m.SHA256 {
		return fmt.Errorf("%w: %q was changed", ErrNotExported, m.Name)
	}
	return nil
}

// readArchived copies a file of an archive, no more than it says that it has.
func readArchived(f *zip.File, to io.Writer) error {
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotExported, err)
	}
	if _, err = io.CopyN(to, r, int64(f.UncompressedSize64)+1); errors.Is(err, io.EOF) { // as it has to be
		err = nil
	} else if err == nil {
		err = zip.ErrFormat
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrNotExported, f.Name, err)
	}
	return nil
}
