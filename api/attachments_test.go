package api

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"careline/internal/auth"
	"careline/internal/scan"
)

// photo returns a picture with a comment in it, as metadata.
func photo(t testing.TB) string {
	t.Helper()
	var plain bytes.Buffer
	if err := jpeg.Encode(&plain, image.NewGray(image.Rect(0, 0, 400, 200)), nil); err != nil {
		t.Fatal(err)
	}
	return plain.String()[:2] + "\xff\xfe\x00\x08secret" + plain.String()[2:]
}

func (r *rig) beginUpload(who, conversation, name, content string) string {
	r.t.Helper()
	a := r.ask(http.MethodPost, "/v1/uploads", r.chatter(who), NewUpload{ConversationID: conversation, Name: name, Size: int64(len(content))})
	if a.status != http.StatusCreated || a.header.Get("Upload-Offset") != "0" {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	var u Upload
	a.into(r.t, &u)
	return u.ID
}

func (r *rig) appendUpload(who, id string, at int, content string) answer {
	r.t.Helper()
	return r.ask(http.MethodPatch, "/v1/uploads/"+id, r.chatter(who), content, "Upload-Offset", fmt.Sprint(at), "Content-Type", binaryType)
}

func (r *rig) upload(who, conversation, name, kind, content string) answer {
	r.t.Helper()
	q := url.Values{"conversation_id": {conversation}, "name": {name}}
	return r.ask(http.MethodPost, "/v1/attachments?"+q.Encode(), r.chatter(who), content, "Content-Type", kind)
}

// sendFile uploads a file, sends it in a message, and waits for the scanner.
func (r *rig) sendFile(who, conversation, name, content string) AttachmentInfo {
	r.t.Helper()
	a := r.upload(who, conversation, name, "", content)
	if a.status != http.StatusCreated {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	var f AttachmentInfo
	a.into(r.t, &f)
	if a := r.ask(http.MethodPost, "/v1/conversations/"+conversation+"/messages", r.chatter(who), NewMessage{Kind: "file", Attachments: []string{f.ID}, ClientKey: f.ID}); a.status != http.StatusCreated {
		r.t.Fatalf("%d %s", a.status, a.body)
	}
	for f.Scan == scan.Pending {
		time.Sleep(time.Millisecond)
		r.ask(http.MethodGet, "/v1/attachments/"+f.ID+"/about", r.chatter(who), nil).into(r.t, &f)
	}
	return f
}

// TestA6FileSharing: a file by resumable upload, in a message, read whole and in parts.
func TestA6FileSharing(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	content := strings.Repeat("0123456789", 10_000)
	upload := r.beginUpload("ann", id, `r"epo/rt 你.txt`, content)
	if a := r.appendUpload("ann", upload, 0, content[:70_000]); a.status != http.StatusOK || a.header.Get("Upload-Offset") != "70000" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := r.ask(http.MethodPost, "/v1/uploads/"+upload+"/finish", r.chatter("ann"), nil); a.status != http.StatusConflict {
		t.Errorf("finished too early: %d", a.status)
	}
	if a := r.appendUpload("ann", upload, 10, "x"); a.status != http.StatusConflict {
		t.Errorf("a wrong offset: %d", a.status)
	}
	if a := r.appendUpload("ann", upload, 70_000, content); a.problem(t).Code != "too-large" {
		t.Errorf("too much: %d %s", a.status, a.body)
	}
	var u Upload
	if r.ask(http.MethodGet, "/v1/uploads/"+upload, r.chatter("ann"), nil).into(t, &u); u.Offset != 70_000 {
		t.Errorf("%+v", u)
	}
	r.appendUpload("ann", upload, 70_000, content[70_000:])
	var f AttachmentInfo
	for range 2 { // a retry
		a := r.ask(http.MethodPost, "/v1/uploads/"+upload+"/finish", r.chatter("ann"), nil)
		if a.into(t, &f); a.status != http.StatusCreated || f.ID != upload || f.Size != 100_000 || f.Type != "text/plain" || a.header.Get("Location") != "/v1/attachments/"+f.ID {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	path := "/v1/attachments/" + f.ID
	if a := r.ask(http.MethodGet, path, r.chatter("bob"), nil); a.status != http.StatusNotFound {
		t.Errorf("before it was sent: %d", a.status)
	}
	a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages", r.chatter("ann"), NewMessage{Kind: "file", Attachments: []string{f.ID}, ClientKey: "k"})
	if a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var m Message
	r.ask(http.MethodGet, "/v1/conversations/"+id+"/messages/1", r.chatter("bob"), nil).into(t, &m)
	if len(m.Attachments) != 1 || m.Attachments[0] != f.Attachment {
		t.Errorf("%+v", m)
	}
	for f.Scan == scan.Pending {
		time.Sleep(time.Millisecond)
		r.ask(http.MethodGet, path+"/about", r.chatter("bob"), nil).into(t, &f)
	}
	a = r.ask(http.MethodGet, path, r.chatter("bob"), nil)
	if a.status != http.StatusOK || string(a.body) != content || a.header.Get("Content-Type") != binaryType || a.header.Get("ETag") != `"`+f.SHA256+`"` ||
		!strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment; filename*=utf-8''r_epo_rt") || a.header.Get("X-Content-Type-Options") != "nosniff" ||
		a.header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
		t.Errorf("%d, %d bytes, %v", a.status, len(a.body), a.header)
	}
	a = r.ask(http.MethodGet, path, r.chatter("bob"), nil, "Range", "bytes=65530-65545")
	if a.status != http.StatusPartialContent || string(a.body) != content[65530:65546] || a.header.Get("Content-Range") != "bytes 65530-65545/100000" {
		t.Errorf("%d %s %v", a.status, a.body, a.header)
	}
	if a := r.ask(http.MethodGet, path, r.chatter("bob"), nil, "If-None-Match", `"`+f.SHA256+`"`); a.status != http.StatusNotModified {
		t.Errorf("%d", a.status)
	}
	for _, variant := range []string{"/thumbnail", "/original"} {
		if a := r.ask(http.MethodGet, path+variant, r.chatter("bob"), nil); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", variant, a.status)
		}
	}
}

// TestA5ImageAttachment: without its metadata for everybody, with it for who may read originals.
func TestA5ImageAttachment(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	f := r.sendFile("ann", id, "p.jpg", photo(t))
	if f.Type != "image/jpeg" || f.Width != 400 || f.Height != 200 || f.Metadata != "stripped" || !f.Thumbnail || !f.Original || f.Scan != scan.Clean {
		t.Errorf("%+v", f)
	}
	path := "/v1/attachments/" + f.ID
	a := r.ask(http.MethodGet, path, r.chatter("bob"), nil)
	if a.header.Get("Content-Type") != "image/jpeg" || !strings.HasPrefix(a.header.Get("Content-Disposition"), "inline") || bytes.Contains(a.body, []byte("secret")) {
		t.Errorf("%d %v", a.status, a.header)
	}
	a = r.ask(http.MethodGet, path+"/thumbnail", r.chatter("bob"), nil)
	if c, err := jpeg.DecodeConfig(bytes.NewReader(a.body)); err != nil || c.Width != 320 || c.Height != 160 {
		t.Errorf("%d %v %v", a.status, c, err)
	}
	if a := r.ask(http.MethodGet, path+"/original", r.chatter("bob"), nil); string(a.body) != photo(t) {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	if a := r.ask(http.MethodGet, path+"/original", r.chatToken("bob", auth.Rights{Permissions: []string{"chat:read"}}), nil); a.status != http.StatusForbidden {
		t.Errorf("%d", a.status)
	}
	if a := r.ask(http.MethodGet, path, r.chatter("carol"), nil); a.status != http.StatusNotFound {
		t.Errorf("%d", a.status)
	}
}

// TestFilesThatAreRefused, each with its code.
func TestFilesThatAreRefused(t *testing.T) {
	r := newRig(t)
	id := r.startChat("ann", "bob")
	for _, c := range []struct {
		name, kind, content, code string
	}{
		{"a.exe", "", "hello", "unsupported-media-type"},
		{"a.jpg", "image/jpeg", "MZ" + strings.Repeat("\x00", 100), "unsupported-media-type"},
		{"a.jpg", "image/jpeg", "<html></html>", "validation"},
		{"a.jpg", "image/jpeg", photo(t)[:200], "validation"},
		{"a.txt", "text/plain", strings.Repeat("x", 1<<20+1), "too-large"},
		{strings.Repeat("x", 256), "", "x", "validation"},
		{"", "", "x", "validation"},
	} {
		a := r.upload("ann", id, c.name, c.kind, c.content)
		if p := a.problem(t); p.Code != c.code {
			t.Errorf("%.10q as %s: %d %s", c.name, c.kind, a.status, a.body)
		}
	}
	var f AttachmentInfo
	r.upload("ann", id, "a.txt", "", "malicious").into(t, &f)
	for f.Scan == scan.Pending {
		time.Sleep(time.Millisecond)
		r.ask(http.MethodGet, "/v1/attachments/"+f.ID+"/about", r.chatter("ann"), nil).into(t, &f)
	}
	if f.Scan != scan.Infected || f.Signature != "Stub.Test" {
		t.Errorf("%+v", f)
	}
	var happened EventList
	r.ask(http.MethodGet, "/v1/conversations/"+id+"/events", r.chatter("bob"), nil).into(t, &happened)
	if last := happened.Items[len(happened.Items)-1]; last.Type != "attachment.scanned" || string(last.Data) != `{"id":"`+f.ID+`","scan":"infected"}` {
		t.Errorf("the log ends with %+v", last)
	}
	if p := r.ask(http.MethodGet, "/v1/attachments/"+f.ID, r.chatter("ann"), nil).problem(t); p.Code != "infected" {
		t.Errorf("%+v", p)
	}
	send := NewMessage{Kind: "file", Attachments: []string{f.ID}, ClientKey: "k"}
	if p := r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages", r.chatter("ann"), send).problem(t); p.Code != "infected" {
		t.Errorf("%+v", p)
	}
}

// TestFilesOfOthers: nobody attaches or reads what somebody else uploaded and has not sent.
func TestFilesOfOthers(t *testing.T) {
	r := newRig(t)
	id, other := r.startChat("ann", "bob"), r.startChat("ann", "bob", "carol")
	a := r.upload("ann", id, "a.txt", "", "hello")
	var f AttachmentInfo
	a.into(t, &f)
	for who, where := range map[string]string{"bob": id, "ann": other} {
		a := r.ask(http.MethodPost, "/v1/conversations/"+where+"/messages", r.chatter(who), NewMessage{Kind: "file", Attachments: []string{f.ID}, ClientKey: "k"})
		if a.status != http.StatusNotFound {
			t.Errorf("%s in %s: %d %s", who, where, a.status, a.body)
		}
	}
	for _, call := range [][2]string{{http.MethodPost, "/v1/uploads/" + f.ID + "/finish"}, {http.MethodGet, "/v1/attachments/" + f.ID}, {http.MethodGet, "/v1/attachments/" + f.ID + "/about"}} {
		if a := r.ask(call[0], call[1], r.chatter("bob"), nil); a.status != http.StatusNotFound {
			t.Errorf("%v: %d %s", call, a.status, a.body)
		}
	}
}
