package chat

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"testing"

	"careline/internal/seal"
)

// rewrite copies an archive with some files changed: nil takes one out.
func rewrite(t *testing.T, archive []byte, changes map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	put := func(name string, content []byte) {
		w, err := to.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range opened(t, archive).File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		changed, is := changes[f.Name]
		delete(changes, f.Name)
		switch {
		case is && changed == nil:
		case is:
			put(f.Name, changed)
		default:
			put(f.Name, content)
		}
	}
	for name, content := range changes {
		put(name, content)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func opened(t *testing.T, archive []byte) *zip.Reader {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestA23SignedManifest: an archive that left the server is known as it was, and any change of it is found.
func TestA23SignedManifest(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	r.say(id, "ann", "as it was")
	archive := r.handed(r.Export(ctx, who("bob"), id, AsZIP))
	m, err := VerifyArchive(opened(t, archive), r.vault.Public())
	r.must(err)
	if m.Conversation != id || m.ExportedBy != "bob" || len(m.Files) != 3 || !bytes.Equal(m.PublicKey, r.vault.Public()) {
		t.Errorf("%+v", m)
	}
	if _, err := VerifyArchive(opened(t, rewrite(t, archive, nil)), r.vault.Public()); err != nil {
		t.Errorf("packed anew: %v", err)
	}
	for name, changes := range map[string]map[string][]byte{
		"a message":         {"messages.jsonl": []byte("{}")},
		"a page":            {"conversation.html": []byte("<p>")},
		"a missing file":    {"conversation.json": nil},
		"one more file":     {"more.txt": []byte("more")},
		"the manifest":      {manifestName: []byte(`{"files":[]}`)},
		"no manifest":       {manifestName: nil},
		"no signature":      {signatureName: nil},
		"another signature": {signatureName: make([]byte, ed25519.SignatureSize)},
		"a short signature": {signatureName: []byte("x")},
	} {
		if _, err := VerifyArchive(opened(t, rewrite(t, archive, changes)), r.vault.Public()); !errors.Is(err, ErrNotExported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other, _, err := ed25519.GenerateKey(nil)
	r.must(err)
	if _, err := VerifyArchive(opened(t, archive), other); !errors.Is(err, ErrNotExported) {
		t.Errorf("by another key: %v", err)
	}
}

// FuzzVerifyArchive: whatever is handed in, it is judged without a panic, and only what was signed passes.
func FuzzVerifyArchive(f *testing.F) {
	signer, err := seal.NewSigner(make([]byte, seal.KeySize))
	if err != nil {
		f.Fatal(err)
	}
	x := &Exported{Conversation: "c", Messages: []ExportedMessage{{Seq: 1, ID: "m"}}}
	a := archive{Manifest: Manifest{Conversation: "c", LeftOut: []leftOut{{"att_1", "a.txt", "pending"}}}}
	if err := a.add("messages.jsonl", x.lines); err != nil {
		f.Fatal(err)
	}
	manifest, signature, err := a.sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	var whole bytes.Buffer
	if err := a.write(ctx, &whole, manifest, signature); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		if m, err := VerifyArchive(z, signer.Public()); err == nil && m.Conversation != "c" {
			t.Errorf("%+v was never exported", m)
		}
	})
}
