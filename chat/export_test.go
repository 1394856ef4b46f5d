package chat

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"careline/internal/errs"
)

// handed returns what an export writes.
func (r *rig) handed(h *Handout, err error) []byte {
	r.t.Helper()
	r.must(err)
	var out bytes.Buffer
	r.must(h.Write(ctx, &out))
	return out.Bytes()
}

// TestA23Export: the same conversation as JSON, as a page on which everything is text, and as an archive whose manifest fits; each is in the audit.
func TestA23Export(t *testing.T) {
	r := newRig(t)
	id := r.group("ann", "bob")
	const nasty = `<script>alert(1)</script><img src=x onerror=alert(1)>"'&`
	r.say(id, "ann", nasty)
	gone := r.say(id, "bob", "deleted text")
	r.must(r.DeleteMessage(ctx, who("bob"), id, gone, nil, ""))
	for i := range exportPage + 3 {
		r.say(id, "bob", fmt.Sprint("line ", i))
	}
	_, err := r.Close(ctx, who("ann"), id, "") // an archived conversation is exported too
	r.must(err)
	asJSON := r.handed(r.Export(ctx, who("bob"), id, AsJSON))
	var x Exported
	r.must(json.Unmarshal(asJSON, &x))
	if len(x.Messages) != exportPage+6 || x.Messages[0].Text != nasty || x.Messages[0].Name != "Name of ann" || x.Messages[1].Text != "" || x.Messages[1].DeletedAt.IsZero() || len(x.Participants) != 2 {
		t.Errorf("%d messages, %+v", len(x.Messages), x.Messages[:2])
	}
	page := r.handed(r.Export(ctx, who("bob"), id, AsHTML))
	if strings.Contains(string(page), "<script") || strings.Contains(string(page), "<img") || !strings.Contains(string(page), "&lt;script&gt;") || strings.Contains(string(page), "deleted text") {
		t.Error("the page is not text only")
	}
	archive := r.handed(r.Export(ctx, who("bob"), id, AsZIP))
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	r.must(err)
	sums := make(map[string]string)
	var manifest struct{ Files []manifestFile }
	for _, f := range z.File {
		content, err := f.Open()
		r.must(err)
		b, err := io.ReadAll(content)
		r.must(err)
		sum := sha256.Sum256(b)
		sums[f.Name] = hex.EncodeToString(sum[:])
		if f.Name == "manifest.json" {
			r.must(json.Unmarshal(b, &manifest))
		}
	}
	if len(manifest.Files) != 3 || len(sums) != 5 {
		t.Errorf("%+v", manifest)
	}
	for _, f := range manifest.Files {
		if sums[f.Name] != f.SHA256 {
			t.Errorf("%s does not fit", f.Name)
		}
	}
	sum := sha256.Sum256(page)
	list := r.records("conversation.exported")
	if len(list) != 3 || list[1].Detail["sha256"] != hex.EncodeToString(sum[:]) || list[2].Detail["manifest_sha256"] != sums["manifest.json"] {
		t.Errorf("%+v", list)
	}
	isKind(t, second(r.Export(ctx, with("bob", Read), id, AsJSON)), errs.Denied)
	isKind(t, second(r.Export(ctx, who("eve"), id, AsJSON)), errs.NotFound)
	isKind(t, second(r.Export(ctx, who("bob"), id, "pdf")), errs.Invalid)
}

// TestSubjectAccess: what a person wrote and where it is, and nothing of others.
func TestSubjectAccess(t *testing.T) {
	r := newRig(t)
	one, two := r.group("ann", "bob"), r.group("bob", "ann")
	r.say(one, "ann", "mine one")
	r.say(one, "bob", "not mine")
	r.say(two, "ann", "mine two")
	for _, caller := range []*Caller{with("ann", Export), with("dpo", Erase)} {
		b := r.handed(r.SubjectAccess(ctx, caller, "ann", AsJSON))
		var got Subject
		r.must(json.Unmarshal(b, &got))
		if len(got.Conversations) != 2 || !strings.Contains(string(b), "mine one") || !strings.Contains(string(b), "mine two") || strings.Contains(string(b), "not mine") {
			t.Errorf("%s", b)
		}
	}
	isKind(t, second(r.SubjectAccess(ctx, with("bob", Export, Read), "ann", AsJSON)), errs.Denied)
	isKind(t, second(r.SubjectAccess(ctx, with("ann", Export), "ann", AsHTML)), errs.Invalid)
	if n := len(r.records("subject.exported")); n != 2 {
		t.Errorf("%d records", n)
	}
}
