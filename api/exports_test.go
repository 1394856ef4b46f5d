package api

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"careline/chat"
	"careline/internal/seal"
)

// noise is content that no compression makes smaller.
func noise(t *testing.T, size int64) string {
	t.Helper()
	b, err := io.ReadAll(io.LimitReader(rand.NewChaCha8([32]byte{1}), size))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// archived downloads an archive, checks it, and returns its manifest and what is in it.
func (r *rig) archived(who, path string) (chat.Manifest, map[string]string) {
	r.t.Helper()
	a := r.ask(http.MethodGet, path, r.chatter(who), nil)
	if a.status != http.StatusOK {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	z, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		r.t.Fatal(err)
	}
	signer, err := seal.NewSigner(make([]byte, seal.KeySize))
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := chat.VerifyArchive(z, signer.Public())
	if err != nil {
		r.t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range z.File {
		content, err := fs.ReadFile(z, f.Name)
		if err != nil {
			r.t.Fatal(err)
		}
		files[f.Name] = string(content)
	}
	return m, files
}

// TestA23ExportHoldsAttachments: what was uploaded is in the archive as it was, under a name that is safe; what was not
// scanned yet is not, not even for its sender.
func TestA23ExportHoldsAttachments(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	large := noise(t, 300_000) // some chunks of it
	plan := r.sendFile("ann", id, "../plan.bin", large)
	note := r.sendFile("bob", id, "note.txt", "a note")
	var unread AttachmentInfo
	r.upload("ann", id, "new.txt", "", "unreadable").into(t, &unread)
	if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages", r.chatter("ann"), NewMessage{Kind: "file", Attachments: []string{unread.ID}, ClientKey: "u"}); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	m, files := r.archived("ann", "/v1/conversations/"+id+"/export?format=zip")
	held := make(map[string]string)
	for _, f := range m.Files {
		held[f.Attachment] = f.Name
	}
	if files[held[plan.ID]] != large || filepath.Base(held[plan.ID]) != "1-1-_plan.bin" || files[held[note.ID]] != "a note" || held[unread.ID] != "" {
		t.Errorf("%v", held)
	}
	if got := fmt.Sprint(m.LeftOut); got != fmt.Sprintf("[{%s new.txt pending}]", unread.ID) {
		t.Error(got)
	}
	m, files = r.archived("bob", "/v1/subjects/bob/export?format=zip")
	if len(m.Files) != 2 || m.UserID != "bob" || files[m.Files[1].Name] != "a note" {
		t.Errorf("%+v", m)
	}
	if a := r.ask(http.MethodGet, "/v1/subjects/bob/export?format=html", r.chatter("bob"), nil); a.status != http.StatusUnprocessableEntity {
		t.Errorf("%d", a.status)
	}
}

// TestA23BrokenExportBreaksOff: an attachment that turns out to be damaged while it is handed out leaves no archive that looks whole.
func TestA23BrokenExportBreaksOff(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	r.sendFile("ann", id, "plan.bin", noise(t, 300_000))
	spoiled := 0
	err := filepath.WalkDir(r.folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && len(b) > 300_000 {
			spoiled++
			b[150_000] ^= 1
			err = os.WriteFile(path, b, 0o600)
		}
		return err
	})
	if err != nil || spoiled != 1 {
		t.Fatalf("%d files, %v", spoiled, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/v1/conversations/"+id+"/export?format=zip", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.chatter("bob"))
	res, err := r.client.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	if err == nil {
		t.Error("the archive looks whole")
	}
}
