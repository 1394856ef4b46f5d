package attachment

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"careline/internal/errs"
	"careline/internal/inspect"
	"careline/internal/scan"
	"careline/internal/seal"
	"careline/internal/store"
)

func TestFileFromUploadToMessage(t *testing.T) {
	b := open(t, nil)
	content := []byte(strings.Repeat("report ", 30_000))
	f := b.mustSend("report.txt", "text/plain", content)
	sum := sha256.Sum256(content)
	if f.Name != "report.txt" || f.Type != "text/plain" || f.Size != int64(len(content)) || f.SHA256 != hexadecimal(sum[:]) || f.Scan != scan.Skipped || f.Inline() || f.Metadata != None {
		t.Errorf("%+v", f)
	}
	if again, err := b.Finish(t.Context(), f.ID, "ann"); err != nil || again != f {
		t.Errorf("finished again: %+v, %v", again, err)
	}
	if known, err := b.Describe(t.Context(), f.ID); err != nil || known != f {
		t.Errorf("%+v, %v", known, err)
	}
	b.attach(f.ID, "m1")
	b.attach(f.ID, "m1")
	b.attach(f.ID, "m2")
	if got, err := b.read(f.ID, "ben", Whole); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	for _, v := range []Variant{Thumbnail, Original, "other"} {
		_, err := b.read(f.ID, "ben", v)
		wantKind(t, err, errs.NotFound)
	}
	if n := b.files(); n != 1 { // the piece became the file
		t.Errorf("%d files", n)
	}
	b.update(func(tx *store.Tx) error { return errors.Join(b.Detach(tx, f.ID, "m1"), b.Detach(tx, f.ID, "m1")) })
	if n := b.files(); n != 1 {
		t.Errorf("%d files with a message left", n)
	}
	b.update(func(tx *store.Tx) error { return b.Detach(tx, f.ID, "m2") })
	if n := b.files(); n != 0 {
		t.Errorf("%d files without a message", n)
	}
	_, err := b.Describe(t.Context(), f.ID)
	wantKind(t, err, errs.NotFound)
}

func TestPhoto(t *testing.T) {
	for policy, want := range map[Policy]struct {
		metadata Metadata
		original bool
		files    int
	}{Strip: {Stripped, false, 2}, Keep: {Kept, false, 2}, KeepSealed: {Stripped, true, 3}} {
		for _, piece := range []int64{0, 1000} {
			b := open(t, func(o *Options) { o.Policy, o.Limits.Piece = policy, piece })
			before := photo(t, 400, 200)
			f := b.mustSend("p.jpg", "image/jpeg", before)
			if f.Width != 200 || f.Height != 400 || !f.GPS || f.Metadata != want.metadata || f.Original != want.original || !f.Thumbnail || !f.Inline() {
				t.Errorf("%s: %+v", policy, f)
			}
			after, err := b.read(f.ID, "ben", Whole)
			sum := sha256.Sum256(after)
			if err != nil || f.Size != int64(len(after)) || f.SHA256 != hexadecimal(sum[:]) || bytes.Contains(after, []byte(secret)) != (policy == Keep) {
				t.Errorf("%s: %d bytes, %v", policy, len(after), err)
			}
			small, err := b.read(f.ID, "ben", Thumbnail)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := jpeg.DecodeConfig(bytes.NewReader(small)); err != nil || c.Width != 160 || c.Height != 320 || bytes.Contains(small, []byte(secret)) {
				t.Errorf("%s: a thumbnail of %d x %d, %v", policy, c.Width, c.Height, err)
			}
			aside, err := b.read(f.ID, "ben", Original)
			if want.original != (err == nil) || want.original && !bytes.Equal(aside, before) {
				t.Errorf("%s: original of %d bytes, %v", policy, len(aside), err)
			}
			b.attach(f.ID, "m")
			if n := b.files(); n != want.files {
				t.Errorf("%s: %d files", policy, n)
			}
			b.update(func(tx *store.Tx) error { return b.Detach(tx, f.ID, "m") })
			if n := b.files(); n != 0 {
				t.Errorf("%s: %d files are left", policy, n)
			}
		}
	}
}

func TestOtherPicturesStayAsTheyAre(t *testing.T) {
	b := open(t, nil)
	heic := []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + secret)
	f := b.mustSend("p.heic", "image/heic", heic)
	if f.Type != "image/heic" || f.Metadata != Untouched || f.Thumbnail || f.Inline() {
		t.Errorf("%+v", f)
	}
	if got, err := b.read(f.ID, "ben", Whole); err != nil || !bytes.Equal(got, heic) {
		t.Errorf("%v", err)
	}
	if f := b.mustSend("empty", "", nil); f.Size != 0 {
		t.Errorf("%+v", f)
	}
}

func TestRefusedFilesLeaveNothing(t *testing.T) {
	b := open(t, nil)
	huge := photo(t, 16, 16)
	at := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[at+5:], []byte{0xff, 0xff, 0xff, 0xff})
	whole := photo(t, 300, 300)
	for name, c := range map[string]struct {
		declared string
		content  []byte
		err      error
	}{
		"a.exe":  {"", []byte("hello"), inspect.ErrDenied},
		"a.jpg":  {"image/jpeg", []byte("<html>"), inspect.ErrMismatch},
		"b.jpg":  {"image/jpeg", huge, inspect.ErrTooManyPixels},
		"c.jpg":  {"image/jpeg", whole[:len(whole)/2], inspect.ErrMalformed},
		"d.docx": {"image/png", append([]byte("MZ"), make([]byte, 100)...), inspect.ErrDenied},
	} {
		u := b.begin(name, c.declared, len(c.content))
		if _, err := b.Append(t.Context(), u.ID, "ann", 0, bytes.NewReader(c.content)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Finish(t.Context(), u.ID, "ann"); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
		_, err := b.Offset(t.Context(), u.ID, "ann")
		wantKind(t, err, errs.NotFound)
	}
	if n := b.files(); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestOnlyWhoSentItAttaches(t *testing.T) {
	b := open(t, nil)
	f := b.mustSend("a.txt", "", []byte("hello"))
	for _, who := range [][2]string{{"conv", "ben"}, {"other", "ann"}} {
		wantKind(t, b.db.Update(t.Context(), func(tx *store.Tx) error { return b.Attach(tx, f.ID, who[0], who[1], "m") }), errs.NotFound)
	}
	wantKind(t, b.db.Update(t.Context(), func(tx *store.Tx) error { return b.Attach(tx, "att_none", "conv", "ann", "m") }), errs.NotFound)
	_, err := b.Finish(t.Context(), f.ID, "ben")
	wantKind(t, err, errs.NotFound)
}

func TestWhatIsNotAttachedEnds(t *testing.T) {
	b := open(t, nil)
	kept, left := b.mustSend("a.txt", "", []byte("kept")), b.mustSend("b.txt", "", []byte("left"))
	u := b.begin("c.txt", "", 10)
	if _, err := b.Append(t.Context(), u.ID, "ann", 0, strings.NewReader("half")); err != nil {
		t.Fatal(err)
	}
	b.attach(kept.ID, "m")
	b.clock.Advance(24 * time.Hour)
	b.clock.Advance(1)
	if _, err := b.Append(t.Context(), u.ID, "ann", 4, strings.NewReader("more")); !errs.Is(err, errs.NotFound) {
		t.Errorf("%v", err)
	}
	if err := b.expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.files(); n != 1 {
		t.Errorf("%d files", n)
	}
	if _, err := b.read(kept.ID, "ben", Whole); err != nil {
		t.Error(err)
	}
	_, err := b.Describe(t.Context(), left.ID)
	wantKind(t, err, errs.NotFound)
}

func TestErase(t *testing.T) {
	b := open(t, func(o *Options) { o.Policy = KeepSealed })
	const marker = "MARKER-OF-A-SECRET"
	f := b.mustSend(marker+".txt", "text/plain", []byte(strings.Repeat(marker, 5000)))
	b.attach(f.ID, "m1")
	p := b.mustSend("p.jpg", "image/jpeg", photo(t, 20, 20))
	b.attach(p.ID, "m2")
	u := b.begin(marker, "", 100)
	if _, err := b.Append(t.Context(), u.ID, "ann", 0, strings.NewReader(marker)); err != nil {
		t.Fatal(err)
	}
	ben, err := b.Begin(t.Context(), Offer{Conversation: "conv", By: "ben", Name: "b.txt", Length: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.vault.Destroy(t.Context(), "chat/conv/ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Describe(t.Context(), f.ID); !errors.Is(err, seal.ErrErased) {
		t.Errorf("%v", err)
	}
	b.update(func(tx *store.Tx) error { return b.Erase(tx, "conv", "ann") })
	if n := b.files(); n != 0 {
		t.Errorf("%d files are left", n)
	}
	if _, err := b.Offset(t.Context(), ben.ID, "ben"); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	if _, err := b.Begin(t.Context(), Offer{Conversation: "conv", By: "ann", Name: "a", Length: 1}); !errors.Is(err, seal.ErrErased) {
		t.Errorf("%v", err)
	}
	b.stop()
	err = filepath.WalkDir(b.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte(marker)) || bytes.Contains(raw, []byte(secret)) || bytes.Contains(raw, []byte(f.SHA256)) {
			t.Errorf("%s holds what was erased", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSafeName(t *testing.T) {
	for name, want := range map[string]string{
		"report.pdf": "report.pdf", "../../etc/passwd": "_.._etc_passwd", `..\a`: "_a", "a\x00b\r\nc\x1b": "a_b__c_", "": "file", "...": "file", " . ": "file",
		"photo\u202egpj.exe": "photogpj.exe", "a\u200bb": "ab", "grüße 你好.txt": "grüße 你好.txt", `"x"; filename=y`: "_x_; filename=y", "C:con": "C_con", "a\xffb": "ab",
	} {
		f := File{Secret: Secret{Name: name}}
		if got := f.SafeName(); got != want {
			t.Errorf("%q is saved as %q, expected %q", name, got, want)
		}
	}
}
