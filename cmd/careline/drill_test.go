//go:build unix

package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// carry copies a file, as an operator does with the master key.
func carry(t *testing.T, from, to string) {
	t.Helper()
	all, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, all, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run is a command that has to succeed.
func run(t *testing.T, env []string, args ...string) {
	t.Helper()
	if got := careline(t, env, args...); got.code != 0 {
		t.Fatalf("careline %v: %+v", args, got)
	}
}

// TestRestoreDrill is docs/operations.md's: everything that was written and attached is taken beside the running server, the folder is lost, and
// everything is there again in another one, is found, and its audit is whole. Neither backup opens anything by itself. Who is erased after a
// backup stays erased where that is restored beside the newest keys.
func TestRestoreDrill(t *testing.T) {
	home, vault := t.TempDir(), t.TempDir()
	d := newDesk(t, filepath.Join(home, "data"))
	const marker = "zanzibarmarker"
	id := d.conversation("ann", "bob")
	file := d.upload(id, "ann", "plan.txt", "the plan of "+marker)
	d.say(id, "ann", "written by ann "+marker, file)
	d.say(id, "bob", "written by bob")
	data, keys, newest, master := filepath.Join(vault, "data.backup"), filepath.Join(vault, "keys.backup"), filepath.Join(vault, "newest.backup"), filepath.Join(vault, "master.key")
	beside := []string{"CARELINE_DATA_DIR=" + d.dir, "CARELINE_ADMIN_ADDRESS=" + d.admin}
	run(t, beside, "backup", "--to", data, "--keys-to", keys)
	carry(t, filepath.Join(d.dir, "master.key"), master)
	if in := holding(t, vault, marker); len(in) > 0 {
		t.Errorf("%v can be read without a key", in)
	}
	d.must(http.StatusCreated, "dpo", http.MethodPost, "/v1/erase-requests", map[string]string{"user_id": "ann"}, nil)
	run(t, beside, "backup", "--keys-to", newest)
	d.kill()
	if err := os.RemoveAll(d.dir); err != nil {
		t.Fatal(err)
	}

	restored := func(name, keys string) *desk {
		t.Helper()
		dir := filepath.Join(home, name)
		env := []string{"CARELINE_DATA_DIR=" + dir}
		run(t, env, "restore", "--from", data)
		if got := careline(t, env, "--dev"); got.code != 1 || !strings.Contains(got.stderr, "keys.db is missing") {
			t.Errorf("a start without the keys: %+v", got)
		}
		run(t, env, "restore", "--keys-from", keys)
		if got := careline(t, env, "--dev"); got.code != 1 || !strings.Contains(got.stderr, "master.key is missing") {
			t.Errorf("a start without the master key: %+v", got)
		}
		carry(t, master, filepath.Join(dir, "master.key"))
		run(t, env, "verify", "audit")
		return newDesk(t, dir)
	}
	again := restored("again", keys)
	if got := again.texts(id, "bob"); strings.Join(got, "|") != "written by ann "+marker+"|written by bob" {
		t.Errorf("the thread is %q", got)
	}
	var content []byte
	if again.must(http.StatusOK, "bob", http.MethodGet, "/v1/attachments/"+file, nil, &content); string(content) != "the plan of "+marker {
		t.Errorf("the file is %q", content)
	}
	var archive []byte
	again.must(http.StatusOK, "bob", http.MethodGet, "/v1/conversations/"+id+"/export?format=zip", nil, &archive)
	export := filepath.Join(home, "export.zip")
	if err := os.WriteFile(export, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, []string{"CARELINE_DATA_DIR=" + again.dir}, "verify", "export", "--file", export)
	if got := careline(t, nil, "verify", "export", "--file", export, "--public-key", strings.Repeat("A", 43)+"="); got.code != 1 || !strings.Contains(got.stderr, "not by this key") {
		t.Errorf("an export by another key: %+v", got)
	}
	again.finds("bob", marker, "written by ann "+marker)
	again.say(id, "ann", "goes on")
	again.finds("bob", "goes", "goes on")
	again.stop()

	erased := restored("erased", newest)
	if got := erased.texts(id, "bob"); strings.Join(got, "|") != "|written by bob" {
		t.Errorf("the thread is %q", got)
	}
	erased.finds("bob", "written", "written by bob")
	erased.finds("bob", marker)
	if status := erased.ask("bob", http.MethodGet, "/v1/attachments/"+file, nil, nil); status != http.StatusNotFound {
		t.Errorf("the file of somebody who was erased: %d", status)
	}
	erased.must(http.StatusForbidden, "ann", http.MethodPost, "/v1/conversations/"+id+"/messages", map[string]string{"text": "again", "client_key": "k"}, nil)
	erased.stop()
	if in := holding(t, erased.dir, marker); len(in) > 0 {
		t.Errorf("%v has it again", in)
	}
}
