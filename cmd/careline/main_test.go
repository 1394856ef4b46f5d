package main_test

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
)

// binary is the program under test, built as it is shipped.
var binary string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "careline")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "careline")
	cmd := exec.Command("go", "build", "-ldflags", "-X main.version=v1.2.3-test", "-o", binary, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

const secret = "Zk3vQ9wLr8Tn2Xb7Hs5Jd1Fg6Py4Cm0a"

type result struct {
	code           int
	stdout, stderr string
}

// environment is free of what the tester's own shell sets.
func environment(extra []string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"),
		"CARELINE_TURN_UDP_PORT=0", "CARELINE_TURN_TCP_PORT=0", "CARELINE_TURN_TLS_PORT=0"}
	return append(env, extra...)
}

func careline(t *testing.T, env []string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = environment(env)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "careline.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommands(t *testing.T) {
	good := write(t, "keys: [{id: booking, secret: "+secret+"}]\n")
	bad := write(t, "keys: [{id: booking, secret: short}]\nrtc:\n  udp_port: 70000\n  udp_prot: 1\n")
	prod := []string{"CARELINE_KEYS=booking: " + secret, "CARELINE_DATA_DIR=" + t.TempDir()}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		args   string
		env    []string
		code   int
		stdout string // parts, separated by |
		stderr string
	}{
		{args: "version", stdout: "careline v1.2.3-test go1."},
		{args: "version --help", stdout: "--notices"},
		{args: "--help", stdout: "serve [flags]|check-config"},
		{args: "serve --help", stdout: "--web-dir|CARELINE_CONFIG"},
		{args: "sreve", code: 2, stderr: "sreve|careline --help"},
		{args: "serve --frobnicate", code: 2, stderr: "--frobnicate"},
		{args: "", code: 2, stderr: "keys: expected at least one API key"},
		{args: "serve", env: []string{"CARELINE_KEYS=devkey: secret"}, code: 2, stderr: "development key|not an example"},
		{args: "serve", env: []string{"CARELINE_KEYS=booking: tooshort"}, code: 2, stderr: "at least 32 bytes"},
		{args: "serve --config " + bad, code: 2, stderr: "udp_port: got 70000, expected a port|udp_prot: got an unknown key|keys[0].secret|:3)"},
		{args: "serve --config /nowhere.yaml", code: 2, stderr: `"/nowhere.yaml"|no such file`},
		{args: "serve --log-level loud", env: prod, code: 2, stderr: "log.level|debug, info, warn, error|--log-level"},
		{args: "serve --web-dir /nowhere", env: prod, code: 2, stderr: "web.dir|/nowhere|--web-dir"},
		{args: "serve", env: append([]string{"CARELINE_HTTP_ADDRESS=" + taken.Addr().String()}, prod...), code: 1, stderr: "http.address|already in use|choose another port"},
		{args: "check-config", code: 2, stderr: "keys: expected"},
		{args: "check-config --manual", stdout: "# Careline's configuration|udp_port: 7882"},
		{args: "check-config --config " + bad, code: 2, stderr: "rtc.udp_port"},
		{args: "check-config --config " + good, env: []string{"CARELINE_RTC_UDP_PORT=5555", "CARELINE_TYPO=1"}, stdout: "udp_port: 5555|id: booking|[redacted]", stderr: "CARELINE_TYPO"},
		{args: "check-config", env: []string{"CARELINE_CONFIG=" + good}, stdout: "id: booking"},
		{args: "token --dev", code: 2, stderr: "--room"},
		{args: "token --dev --room r", code: 2, stderr: "--identity"},
		{args: "token --dev --admin --list", code: 2, stderr: "--room"},
		{args: "token --dev --permission chat:read", code: 2, stderr: "--permission: expected --identity"},
		{args: "token --dev --room r --identity a --conversation c", code: 2, stderr: "--conversation: expected --permission"},
		{args: "token --dev --room r --identity a --ttl 25h", code: 2, stderr: "--ttl|24h"},
		{args: "token --dev --room r --identity a --ttl 0s", code: 2, stderr: "--ttl"},
		{args: "token --dev --room r --identity a --key nobody", code: 2, stderr: `--key: got "nobody", expected one of devkey`},
		{args: "token --dev --room r --identity a --source desk", code: 2, stderr: "--source|camera"},
		{args: "token --dev --room r --identity a --link --url ftp://x", code: 2, stderr: "--url"},
		{args: "token --room r --identity a", code: 2, stderr: "keys: expected"},
		{args: "token --dev --room r --identity a --link --url https://calls.example.org/", stdout: "https://calls.example.org/call#token=ey"},
		{args: "token --dev --identity a --permission chat:read --link", code: 2, stderr: "--link: expected --room or --conversation"},
		{args: "token --dev --identity a --permission chat:read --conversation c --link", stdout: "http://localhost:7880/chat#token=ey"},
	} {
		got := careline(t, c.env, strings.Fields(c.args)...)
		if got.code != c.code {
			t.Errorf("careline %s: exit code %d, want %d; %s", c.args, got.code, c.code, got.stderr)
		}
		for what, texts := range map[string][2]string{"stdout": {got.stdout, c.stdout}, "stderr": {got.stderr, c.stderr}} {
			for part := range strings.SplitSeq(texts[1], "|") {
				if !strings.Contains(texts[0], part) {
					t.Errorf("careline %s: no %q on %s:\n%s", c.args, part, what, texts[0])
				}
			}
			if texts[1] == "" && texts[0] != "" {
				t.Errorf("careline %s: unexpected on %s: %s", c.args, what, texts[0])
			}
			if strings.Contains(texts[0], secret) || strings.Contains(texts[0], "tooshort") {
				t.Errorf("careline %s: shows a secret on %s", c.args, what)
			}
		}
	}
}

func TestTokens(t *testing.T) {
	keys, err := auth.NewKeys(map[string]string{"booking": secret, "second": secret + "2"})
	if err != nil {
		t.Fatal(err)
	}
	verifier := auth.NewVerifier(keys, clock.Real{})
	env := []string{"CARELINE_KEYS=booking: " + secret + ",second: " + secret + "2", "CARELINE_HTTP_TLS_MODE=files"}
	mint := func(args string) *auth.Claims {
		t.Helper()
		got := careline(t, env, append([]string{"token"}, strings.Fields(args)...)...)
		if got.code != 0 || got.stderr != "" {
			t.Fatalf("token %s: %d %s", args, got.code, got.stderr)
		}
		claims, err := verifier.Verify(strings.TrimSpace(got.stdout))
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}

	c := mint("--identity ann --name Ann --room tea --metadata m --attribute a=b --attribute c=d --ttl 1h")
	if c.APIKey != "booking" || c.Identity != "ann" || c.Name != "Ann" || c.Metadata != "m" || c.Attributes["c"] != "d" {
		t.Errorf("%+v", c)
	}
	if v := c.Video; !v.RoomJoin || v.Room != "tea" || v.RoomAdmin || v.RoomCreate || v.CanPublish != nil || v.CanSubscribe != nil || v.CanPublishData != nil || v.CanUpdateOwnMetadata != nil {
		t.Errorf("%+v", v)
	}
	if left := time.Until(c.Expires); left < 59*time.Minute || left > time.Hour {
		t.Errorf("expires in %v", left)
	}

	c = mint("--key second --identity bot --room tea --kind agent --no-can-publish --can-subscribe --no-can-publish-data --can-update-own-metadata --source camera --source microphone --hidden --recorder --admin")
	if v := c.Video; c.APIKey != "second" || c.Kind.String() != "AGENT" || v.GetCanPublish() || !*v.CanSubscribe || *v.CanPublishData || !*v.CanUpdateOwnMetadata ||
		len(v.CanPublishSources) != 2 || !v.Hidden || !v.Recorder || !v.RoomAdmin || !v.RoomJoin {
		t.Errorf("%+v %+v", c, v)
	}

	c = mint("--create --list --record")
	if v := c.Video; !v.RoomCreate || !v.RoomList || !v.RoomRecord || v.RoomJoin || c.Identity != "" {
		t.Errorf("%+v", v)
	}
	if v := mint("--admin --room tea").Video; !v.RoomAdmin || v.RoomJoin || v.Room != "tea" {
		t.Errorf("%+v", v)
	}

	c = mint("--identity ann --permission chat:write,chat:read --permission chat:read --conversation 01K")
	if fmt.Sprint(c.Permissions) != "[chat:read chat:write]" || c.Scope == nil || c.Scope.Conversation != "01K" || c.Video.RoomJoin {
		t.Errorf("%+v %+v", c.Rights, c.Video)
	}
}

// TestServe runs the server as a user does: it prints links that work, logs no
// token, and ends cleanly when told to.
func TestServe(t *testing.T) {
	cmd := exec.Command(binary, "--dev", "--log-level", "debug")
	cmd.Env = environment([]string{"CARELINE_HTTP_ADDRESS=127.0.0.1:0", "CARELINE_RTC_UDP_PORT=0", "CARELINE_RTC_TCP_PORT=0"})
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	var tokens []string
	lines := bufio.NewScanner(stdout)
	var base string
	for len(tokens) < 2 && lines.Scan() {
		if before, token, ok := strings.Cut(strings.TrimSpace(lines.Text()), "/call#token="); ok {
			base, tokens = before, append(tokens, token)
		}
	}
	if len(tokens) != 2 {
		t.Fatalf("%d links were printed", len(tokens))
	}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, token := range tokens {
		res, err := client.Get(base + "/rtc/validate?access_token=" + token)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != 200 {
			t.Errorf("a printed link is refused: %d %s, %v", res.StatusCode, body, err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, stdout); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, stderr.String())
	}
	for _, token := range tokens {
		if strings.Contains(stderr.String(), strings.Split(token, ".")[1]) {
			t.Error("the log holds a token")
		}
	}
	if !strings.Contains(stderr.String(), "DEVELOPMENT MODE") {
		t.Errorf("development does not say so: %s", stderr.String())
	}
}

// A binary that was built with its notices names all that it is linked from.
func TestNotices(t *testing.T) {
	got := careline(t, nil, "version", "--notices")
	if got.code != 0 {
		if got.code != 1 || !strings.Contains(got.stderr, "make build") {
			t.Errorf("without notices: %d %s", got.code, got.stderr)
		}
		return
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range info.Deps {
		if !strings.Contains(got.stdout, "\n"+m.Path+" "+m.Version+" (Go)\n") {
			t.Errorf("%s %s is linked but not named: `make notices`", m.Path, m.Version)
		}
	}
}
