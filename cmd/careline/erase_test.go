//go:build unix

package main_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestEraseLeavesNothing: once somebody is erased nothing that this person wrote, edited, deleted, sent or called a file stands in any file of
// the data folder or of the log.
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
	d.finds("bob", marker, "", marker+" again", "written "+marker)
	if len(holding(t, d.dir, "message.created")) == 0 {
		t.Fatal("what is in the data folder is not seen")
	}
	d.must(http.StatusCreated, "dpo", http.MethodPost, "/v1/erase-requests", map[string]string{"user_id": "ann"}, nil)
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
