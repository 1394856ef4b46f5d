//go:build unix

package main_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/configs"
	"careline/internal/auth"
	"careline/internal/clock"
)

// desk is the shipped binary over a folder of data, and somebody who writes and reads by its API.
type desk struct {
	t     *testing.T
	dir   string // data_dir
	cmd   *exec.Cmd
	url   string
	admin string
	log   *output
}

var where = regexp.MustCompile(`msg=serving url=(\S+) .*admin=(\S+)`)

// newDesk starts the binary over a folder; it ends with the test.
func newDesk(t *testing.T, dir string) *desk {
	t.Helper()
	d := &desk{t: t, dir: dir}
	d.start()
	t.Cleanup(func() {
		if d.cmd != nil {
			d.stop()
		}
	})
	return d
}

func (d *desk) start() {
	d.t.Helper()
	d.cmd, d.log = exec.Command(binary, "--dev"), new(output)
	d.cmd.Env = environment([]string{
		"CARELINE_HTTP_ADDRESS=127.0.0.1:0", "CARELINE_RTC_UDP_PORT=0", "CARELINE_RTC_TCP_PORT=0", "CARELINE_ADMIN_ADDRESS=127.0.0.1:0", "CARELINE_DATA_DIR=" + d.dir,
	})
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	found := make(chan []string, 1)
	go func() {
		defer close(found)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			_, _ = fmt.Fprintln(d.log, lines.Text())
			if at := where.FindStringSubmatch(lines.Text()); at != nil {
				found <- at
			}
		}
	}()
	at, ok := <-found
	if !ok {
		_ = d.cmd.Wait()
		d.t.Fatalf("the server does not start: %s", d.log)
	}
	d.url, d.admin = at[1], at[2]
}

// stop ends the server as a service manager does.
func (d *desk) stop() {
	d.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.t.Error(err)
	}
	if err := d.cmd.Wait(); err != nil {
		d.t.Errorf("the server ended with %v: %s", err, d.log)
	}
	d.cmd = nil
}

// kill ends the server as a power failure does, but for what the kernel has.
func (d *desk) kill() {
	d.t.Helper()
	if err := d.cmd.Process.Kill(); err != nil {
		d.t.Error(err)
	}
	_ = d.cmd.Wait()
	d.cmd = nil
}

// token is of somebody with all rights in chats, and the right to make calls.
func (d *desk) token(who string) string {
	d.t.Helper()
	keys, err := auth.NewKeys(map[string]string{"devkey": configs.DevelopmentSecret})
	if err != nil {
		d.t.Fatal(err)
	}
	rights := auth.Rights{Permissions: []string{
		"chat:create", "chat:read", "chat:write", "chat:edit:own", "chat:delete:own", "chat:search", "chat:close", "chat:delete", "chat:export", "audit:read", "audit:search", "erase",
	}}
	token, err := auth.NewMinter(keys, clock.Real{}).MintWith("devkey", &lkauth.ClaimGrants{Identity: who, Video: &lkauth.VideoGrant{RoomCreate: true}}, rights, time.Hour)
	if err != nil {
		d.t.Fatal(err)
	}
	return token
}

// ask sends a request, a text as it is and anything else as JSON, and decodes the answer into out, or copies it there.
func (d *desk) ask(who, method, path string, in, out any) int {
	d.t.Helper()
	body, kind := []byte(nil), "application/json"
	switch in := in.(type) {
	case nil:
	case []byte:
		body, kind = in, "application/octet-stream"
	default:
		var err error
		if body, err = json.Marshal(in); err != nil {
			d.t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+d.token(who))
	r.Header.Set("Content-Type", kind)
	if strings.HasPrefix(path, "/v1/calls") {
		r.Header.Set("Idempotency-Key", rand.Text()) // the answer is kept for a day
	}
	if method == http.MethodPatch {
		r.Header.Set("If-Match", `"0"`) // of what was not changed yet
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	switch out := out.(type) {
	case nil:
	case *[]byte:
		*out = all
	default:
		if err := json.Unmarshal(all, out); err != nil {
			d.t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, all)
		}
	}
	return res.StatusCode
}

// must is ask where only one status is right.
func (d *desk) must(status int, who, method, path string, in, out any) {
	d.t.Helper()
	if got := d.ask(who, method, path, in, out); got != status {
		d.t.Fatalf("%s %s as %s: %d, expected %d; %s", method, path, who, got, status, d.log)
	}
}

type named struct {
	ID string `json:"id"`
}

// conversation makes one of some people, by the first.
func (d *desk) conversation(people ...string) string {
	d.t.Helper()
	var others []named
	for _, p := range people[1:] {
		others = append(others, named{p})
	}
	var made struct {
		Conversation named `json:"conversation"`
	}
	d.must(http.StatusCreated, people[0], http.MethodPost, "/v1/conversations", map[string]any{"type": "group", "participants": others}, &made)
	return made.Conversation.ID
}

// say writes a message, and attaches files.
func (d *desk) say(conversation, who, text string, files ...string) {
	d.t.Helper()
	m := map[string]any{"text": text, "client_key": rand.Text()}
	if len(files) > 0 {
		m["kind"], m["attachments"] = "file", files
	}
	d.must(http.StatusCreated, who, http.MethodPost, "/v1/conversations/"+conversation+"/messages", m, nil)
}

// upload sends a file for a conversation and returns its id.
func (d *desk) upload(conversation, who, name, content string) string {
	d.t.Helper()
	var file named
	d.must(http.StatusCreated, who, http.MethodPost, "/v1/attachments?conversation_id="+conversation+"&name="+name, []byte(content), &file)
	return file.ID
}

// texts reads a conversation.
func (d *desk) texts(conversation, who string) []string {
	d.t.Helper()
	var list struct{ Items []struct{ Text string } }
	d.must(http.StatusOK, who, http.MethodPost, "/v1/conversations/"+conversation+"/messages/view", map[string]any{"limit": 100, "kinds": []string{"text", "file"}}, &list)
	var texts []string
	for _, m := range list.Items {
		texts = append(texts, m.Text)
	}
	return texts
}

// finds searches until what is found is as expected.
func (d *desk) finds(who, query string, want ...string) {
	d.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var found struct {
			Items   []struct{ Text string }
			Partial bool
		}
		status := d.ask(who, http.MethodPost, "/v1/search", map[string]any{"query": query}, &found)
		var texts []string
		for _, m := range found.Items {
			texts = append(texts, m.Text)
		}
		if status == http.StatusOK && fmt.Sprint(texts) == fmt.Sprint(want) {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("%q finds %q (%d), expected %q; %s", query, texts, status, want, d.log)
		}
	}
}

// metric reads a number that the server counts.
func (d *desk) metric(name string) string {
	d.t.Helper()
	res, err := http.Get("http://" + d.admin + "/metrics")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	for line := range strings.Lines(string(all)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	d.t.Fatalf("no metric %s", name)
	return ""
}

// holding returns the files below a folder in which a text stands.
func holding(t *testing.T, dir, text string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		all, err := os.ReadFile(path)
		if bytes.Contains(all, []byte(text)) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
