//go:build unix

package main_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestEraseLeavesNothing: once somebody is erased nothing that this person wrote, edited, deleted, sent, called a file or a call, or was called in
// one, stands in any file of the data folder or of the log.
func TestEraseLeavesNothing(t *testing.T) {
	d := newDesk(t, filepath.Join(t.TempDir(), "data"))
	const marker = "zanzibarmarker"
	id := d.conversation("ann", "bob")
	d.say(id, "ann", "written "+marker)
	d.say(id, "ann", "edited "+marker)
	d.say(id, "ann", "deleted "+marker)
	d.say(id, "ann", "", d.upload(id, "ann", marker+".txt", "a file with "+marker))
	d.say(id, "bob", "stays")
	path := "/v1/conversations/" + id + "/messages/"
	d.must(http.StatusOK, "ann", http.MethodPatch, path+"2", map[string]any{"text": marker + " again"}, nil)
	d.must(http.StatusNoContent, "ann", http.MethodDelete, path+"3", nil, nil)
	guest := d.callOf("ann", marker)
	d.finds("bob", marker, "", marker+" again", "written "+marker)
	if len(holding(t, d.dir, "message.created")) == 0 {
		t.Fatal("what is in the data folder is not seen")
	}
	for _, who := range []string{"ann", guest} {
		d.must(http.StatusCreated, "dpo", http.MethodPost, "/v1/erase-requests", map[string]string{"user_id": who}, nil)
	}
	d.finds("bob", "stays", "stays")
	for d.metric("careline_search_behind") != "0" {
		continue
	}
	d.stop()
	if in := holding(t, d.dir, marker); len(in) > 0 {
		t.Errorf("%v still has it", in)
	}
	if strings.Contains(d.log.String(), marker) {
		t.Error("the log has it")
	}
	d.start()
	if got := d.texts(id, "bob"); strings.Join(got, "|") != "||||stays" {
		t.Errorf("the thread is %q", got)
	}
	d.must(http.StatusOK, "dpo", http.MethodGet, "/v1/audit/verify", nil, nil)
	if got := careline(t, []string{"CARELINE_DATA_DIR=" + d.dir}, "verify", "audit"); got.code != 1 || !strings.Contains(got.stderr, "in use") {
		t.Errorf("verify beside a server: %+v", got)
	}
}

// callOf makes a call with a title, in which its maker and a guest, who comes by an invitation, have the same name. It returns the guest.
func (d *desk) callOf(who, name string) (guest string) {
	d.t.Helper()
	var made struct{ Call named }
	d.must(http.StatusCreated, who, http.MethodPost, "/v1/calls", map[string]any{
		"kind": "conference", "title": name, "participants": []map[string]string{{"identity": who, "name": name, "role": "host"}},
	}, &made)
	var invite struct{ Code string }
	d.must(http.StatusCreated, who, http.MethodPost, "/v1/calls/"+made.Call.ID+"/invites", map[string]string{"name": name}, &invite)
	var entry struct {
		Joining struct {
			Participant struct{ Identity, Name string }
		}
	}
	d.must(http.StatusOK, who, http.MethodPost, "/v1/invites/join", map[string]string{"code": invite.Code}, &entry)
	if entry.Joining.Participant.Name != name {
		d.t.Errorf("the guest is %+v", entry)
	}
	return entry.Joining.Participant.Identity
}
