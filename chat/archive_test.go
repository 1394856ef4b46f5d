package chat

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"careline/internal/attachment"
	"careline/internal/blob"
	"careline/internal/seal"
	"careline/internal/store"
)

// shelf is files that are handed out as they are asked for.
type shelf struct {
	files map[string]func() (FileContent, error)
	open  int
}

func (*shelf) Attach(*store.Tx, string, string, string, string) error { return nil }

func (*shelf) Detach(*store.Tx, string, string) error { return nil }

func (*shelf) Erase(*store.Tx, string, string) error { return nil }

func (*shelf) Describe(_ *Caller, _, file string) (Attachment, error) {
	return Attachment{ID: file, Name: file + ".txt", Type: "text/plain"}, nil
}

func (s *shelf) Content(_ context.Context, file string) (string, FileContent, error) {
	content, err := s.files[file]()
	if err == nil {
		s.open++
	}
	return file + ".txt", content, err
}

// lent is the content of a file that counts what of it was read.
type lent struct {
	io.Reader
	of   *shelf
	size int64
	sum  [sha256.Size]byte
	read int64
}

func (l *lent) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	l.read += int64(n)
	return n, err
}

func (l *lent) Size() int64 { return l.size }

func (l *lent) Sum() []byte { return l.sum[:] }

func (l *lent) Close() error {
	l.of.open--
	return nil
}

func (s *shelf) put(file string, content []byte) {
	s.files[file] = func() (FileContent, error) {
		return &lent{Reader: bytes.NewReader(content), of: s, size: int64(len(content)), sum: sha256.Sum256(content)}, nil
	}
}

func newShelf(t *testing.T) (*rig, *shelf) {
	s := &shelf{files: make(map[string]func() (FileContent, error))}
	return newRigIn(t, t.TempDir(), s), s
}

func (r *rig) sendFiles(conversation, principal string, files ...string) uint64 {
	r.t.Helper()
	m, err := r.Append(ctx, who(principal), conversation, Draft{ClientKey: freshKey(), Kind: File, Attachments: files})
	r.must(err)
	return m.Seq
}

// TestA23ArchiveHoldsFiles: the attachments are in the archive under its signature, each once; those that nobody may read are named instead.
func TestA23ArchiveHoldsFiles(t *testing.T) {
	r, s := newShelf(t)
	id := r.group("ann", "bob")
	s.put("plan", []byte("the plan"))
	s.put("map", []byte("the map"))
	s.put("gone", []byte("of a deleted message"))
	for file, err := range map[string]error{
		"bad": attachment.ErrInfected, "new": attachment.ErrPending, "old": seal.ErrErased, "torn": fmt.Errorf("open: %w", blob.ErrDamaged),
	} {
		s.files[file] = func() (FileContent, error) { return nil, err }
	}
	r.sendFiles(id, "ann", "plan", "bad", "new")
	r.sendFiles(id, "bob", "plan", "map", "old", "torn")
	r.must(r.DeleteMessage(ctx, who("ann"), id, r.sendFiles(id, "ann", "gone"), nil, ""))
	archive := r.handed(r.Export(ctx, who("bob"), id, AsZIP))
	m, err := VerifyArchive(opened(t, archive), r.vault.Public())
	r.must(err)
	var names []string
	for _, f := range m.Files[3:] {
		names = append(names, f.Name+" "+f.Attachment)
	}
	if want := []string{"files/1-1-plan.txt plan", "files/2-2-map.txt map"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	if want := []leftOut{{"bad", "bad.txt", "infected"}, {"new", "new.txt", "pending"}, {"old", "old.txt", "erased"}, {"torn", "torn.txt", "damaged"}}; !slices.Equal(m.LeftOut, want) {
		t.Errorf("%+v", m.LeftOut)
	}
	for what, changes := range map[string]map[string][]byte{
		"changed": {"files/1-1-plan.txt": []byte("another plan")},
		"removed": {"files/2-2-map.txt": nil},
		"added":   {"files/9-1-more.txt": []byte("more")},
	} {
		if _, err := VerifyArchive(opened(t, rewrite(t, archive, changes)), r.vault.Public()); !errors.Is(err, ErrNotExported) {
			t.Errorf("a file was %s: %v", what, err)
		}
	}
	if s.open != 0 {
		t.Errorf("%d files are open", s.open)
	}
}

// TestSubjectAccessHoldsFiles: somebody's archive has the files that this person sent, and nothing of others.
func TestSubjectAccessHoldsFiles(t *testing.T) {
	r, s := newShelf(t)
	one, two := r.group("ann", "bob"), r.group("bob", "ann")
	for _, file := range []string{"a", "b", "c"} {
		s.put(file, []byte("content of "+file))
	}
	r.sendFiles(one, "ann", "a")
	r.sendFiles(two, "ann", "b")
	r.sendFiles(two, "bob", "c")
	m, err := VerifyArchive(opened(t, r.handed(r.SubjectAccess(ctx, with("ann", Export), "ann", AsZIP))), r.vault.Public())
	r.must(err)
	var names []string
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	want := []string{"files/" + one + "/1-1-a.txt", "files/" + two + "/1-1-b.txt", "subject.json"}
	slices.Sort(want)
	if !slices.Equal(names, want) || m.UserID != "ann" || m.Conversation != "" {
		t.Errorf("%+v", m)
	}
}

// watched hears how much of a file is between being read and being written.
type watched struct {
	from    func() int64 // bytes read
	written int64
	most    int64
}

func (w *watched) Write(b []byte) (int, error) {
	w.most = max(w.most, w.from()-w.written)
	w.written += int64(len(b))
	return len(b), nil
}

// TestA23ArchiveIsStreamed: a file goes through an export in pieces, however large it is, and one that fails on the way fails the export.
func TestA23ArchiveIsStreamed(t *testing.T) {
	r, s := newShelf(t)
	id := r.group("ann", "bob")
	const size = 8 << 20
	broken := errors.New("the disk is gone")
	var last *lent
	random := func(end error) {
		s.files["film"] = func() (FileContent, error) {
			noise := io.MultiReader(io.LimitReader(rand.NewChaCha8([32]byte{}), size), failing{end}) // which no compression makes smaller
			last = &lent{Reader: noise, of: s, size: size}
			return last, nil
		}
	}
	random(io.EOF)
	r.sendFiles(id, "ann", "film")
	h, err := r.Export(ctx, who("bob"), id, AsZIP)
	r.must(err)
	if h.Size < size {
		t.Errorf("%d bytes", h.Size)
	}
	out := &watched{from: func() int64 { return last.read }}
	r.must(h.Write(ctx, out))
	if out.written < size || out.most > 1<<20 {
		t.Errorf("%d bytes written, up to %d of them held", out.written, out.most)
	}
	random(broken)
	if err := h.Write(ctx, io.Discard); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if s.open != 0 {
		t.Errorf("%d files are open", s.open)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
