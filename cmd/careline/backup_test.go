package main_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"careline/internal/store"
	"careline/server"
)

// A store goes out and in again: beside a server that runs, and without one.
func TestBackupAndRestore(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	data := "CARELINE_DATA_DIR=" + filepath.Join(dir, "data")
	notes := store.NewTable("notes", store.String[string](), store.JSON[string]())
	keep(t, filepath.Join(dir, "data"), notes, "before")

	first, second := filepath.Join(out, "first.backup"), filepath.Join(out, "second.backup")
	if got := careline(t, []string{data}, "backup", "--to", first); got.code != 0 || !strings.Contains(got.stdout, first) {
		t.Fatalf("backup: %+v", got)
	}
	if got := careline(t, []string{data}, "backup", "--to", first); got.code != 2 || !strings.Contains(got.stderr, "exists") {
		t.Errorf("backup over a file: %+v", got)
	}

	admin := serveWithAdmin(t, data)
	if got := careline(t, []string{data, "CARELINE_ADMIN_ADDRESS=" + admin}, "backup", "--to", second); got.code != 0 {
		t.Errorf("backup beside a server: %+v", got)
	}
	if got := careline(t, []string{data, "CARELINE_ADMIN_ADDRESS="}, "backup", "--to", filepath.Join(out, "x")); got.code != 1 || !strings.Contains(got.stderr, "in use") || !strings.Contains(got.stderr, "admin.address") {
		t.Errorf("backup of a server that cannot be asked: %+v", got)
	}
	if got := careline(t, []string{data}, "restore", "--from", first); got.code != 1 || !strings.Contains(got.stderr, "not replaced") {
		t.Errorf("restore over a store: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(out, "x")); err == nil {
		t.Error("a backup that failed left a file")
	}

	for i, saved := range []string{first, second} {
		again := filepath.Join(dir, "again", filepath.Base(saved))
		env := []string{"CARELINE_DATA_DIR=" + again}
		if got := careline(t, env, "restore", "--from", saved); got.code != 0 {
			t.Fatalf("restore %d: %+v", i, got)
		}
		if kept := kept(t, again, notes); kept != "before" {
			t.Errorf("restored %q", kept)
		}
	}
	if err := os.Truncate(second, 100); err != nil {
		t.Fatal(err)
	}
	if got := careline(t, []string{"CARELINE_DATA_DIR=" + out}, "restore", "--from", second); got.code != 1 || !strings.Contains(got.stderr, "damaged") {
		t.Errorf("restore of half a backup: %+v", got)
	}
	for args, text := range map[string]string{
		"backup":                            "--to",
		"backup --to x --keys-to x":         "apart",
		"restore":                           "--from",
		"restore --from /nowhere":           "--from",
		"backup --dev --to " + out + "/dev": "data_dir",
	} {
		if got := careline(t, nil, strings.Fields(args)...); got.code != 2 || !strings.Contains(got.stderr, text) {
			t.Errorf("careline %s: %+v", args, got)
		}
	}
}

func keep(t *testing.T, dir string, notes *store.Table[string, string], text string) {
	t.Helper()
	withStore(t, dir, func(db *store.DB) error {
		return db.Update(t.Context(), func(tx *store.Tx) error { return notes.Put(tx, "a", text) })
	})
}

func kept(t *testing.T, dir string, notes *store.Table[string, string]) (text string) {
	t.Helper()
	withStore(t, dir, func(db *store.DB) error {
		return db.View(t.Context(), func(tx *store.Tx) (err error) {
			text, err = notes.Get(tx, "a")
			return err
		})
	})
	return text
}

func withStore(t *testing.T, dir string, use func(*store.DB) error) {
	t.Helper()
	db, err := server.OpenStore(dir, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- db.Run(t.Context()) }()
	if err := use(db); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

var adminAddress = regexp.MustCompile(` admin=(\S+)`)

// serveWithAdmin starts a server until the test ends and returns its admin address, which it logs.
func serveWithAdmin(t *testing.T, environ ...string) string {
	t.Helper()
	cmd := exec.Command(binary, "--dev")
	cmd.Env = environment(append([]string{
		"CARELINE_HTTP_ADDRESS=127.0.0.1:0", "CARELINE_RTC_UDP_PORT=0", "CARELINE_RTC_TCP_PORT=0", "CARELINE_ADMIN_ADDRESS=127.0.0.1:0",
	}, environ...))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for lines.Scan() { // to its end, before Wait closes the pipe
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	for lines.Scan() {
		if found := adminAddress.FindStringSubmatch(lines.Text()); found != nil {
			return found[1]
		}
	}
	t.Fatal("the server names no admin address")
	return ""
}
