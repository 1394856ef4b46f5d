package configs

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const goodSecret = "Zk3vQ9wLr8Tn2Xb7Hs5Jd1Fg6Py4Cm0a"

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "c.yaml", "log: {level: warn, format: json}\nrtc: {udp_port: 1000, tcp_port: 1001}\nregion: file\n"+
		"keys: [{id: a, secret: "+goodSecret+"}]\n")
	c, err := Load(LoadOptions{
		File:    file,
		Environ: []string{"CARELINE_RTC_UDP_PORT=2000", "CARELINE_LOG_LEVEL=error", "OTHER=1", "CARELINE_CONFIG=x"},
		Flags:   []Flag{{"log.level", "debug", "--log-level"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Log.Level != "debug" || c.Log.SlogLevel() != slog.LevelDebug || c.RTC.UDPPort != 2000 || c.RTC.TCPPort != 1001 ||
		c.Log.Format != "json" || c.Region != "file" || c.Room.EmptyTimeout != 300*time.Second {
		t.Errorf("%+v", c)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestUnknownVariablesAreWarnings(t *testing.T) {
	c, err := Load(LoadOptions{Dev: true, Environ: []string{"CARELINE_PORT=tcp://10.0.0.1:80", "CARELINE_RTC_UDP_PROT=5"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 2 || !strings.Contains(c.Warnings[1], "CARELINE_RTC_UDP_PROT") {
		t.Errorf("warnings %q", c.Warnings)
	}
}

func TestDevelopment(t *testing.T) {
	c, err := Load(LoadOptions{Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	if !c.Development || len(c.Keys) != 1 || c.Keys[0].ID != "devkey" || c.Keys[0].Secret.Reveal() != "secret" ||
		!c.RTC.LoopbackCandidates || c.HTTP.Address != "localhost:7880" || c.DataDir != "" {
		t.Errorf("%+v", c)
	}
	c, err = Load(LoadOptions{Dev: true, Environ: []string{
		"CARELINE_KEYS=mine: short", "CARELINE_RTC_LOOPBACK_CANDIDATES=false", "CARELINE_HTTP_ADDRESS=:1", "CARELINE_DATA_DIR=kept",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Keys) != 1 || c.Keys[0].ID != "mine" || c.RTC.LoopbackCandidates || c.HTTP.Address != ":1" || c.DataDir != "kept" {
		t.Errorf("what was set must stay: %+v", c)
	}
	c, err = Load(LoadOptions{Dev: true, Environ: []string{"CARELINE_HTTP_TLS_MODE=self"}})
	if err != nil || c.HTTP.Address != ":7880" {
		t.Errorf("with TLS a phone must reach the server: %v, %v", c.HTTP.Address, err)
	}
}

func TestExamples(t *testing.T) {
	c, err := Load(LoadOptions{File: "development.yaml"})
	if err != nil || !c.Development || c.Log.Level != "debug" {
		t.Errorf("development.yaml: %v, %+v", err, c)
	}

	_, err = Load(LoadOptions{File: "production.yaml"})
	if err == nil {
		t.Error("production.yaml starts without secrets")
	}
	for _, key := range []string{"keys[0].secret_file", "http.tls.cert_file", "http.tls.key_file"} {
		if !strings.Contains(fmt.Sprint(err), key) {
			t.Errorf("production.yaml: no word of %s in %v", key, err)
		}
	}
	text, err := os.ReadFile("production.yaml")
	if err != nil {
		t.Fatal(err)
	}
	replaced := strings.NewReplacer(
		"/run/secrets/careline_booking", writeFile(t, "secret", goodSecret+"\n"),
		"/etc/careline/tls.crt", writeFile(t, "tls.crt", "x"),
		"/etc/careline/tls.key", writeFile(t, "tls.key", "x"),
	).Replace(string(text))
	c, err = Load(LoadOptions{File: writeFile(t, "production.yaml", replaced)})
	if err != nil {
		t.Fatalf("production.yaml with its files: %v", err)
	}
	if c.Keys[0].Secret.Reveal() != goodSecret || c.Development || c.RTC.LoopbackCandidates || c.RTC.Interfaces.Allow("docker0") {
		t.Errorf("%+v", c)
	}
}

func TestKeysFromTheEnvironment(t *testing.T) {
	for name, environ := range map[string][]string{
		"pairs": {"CARELINE_KEYS=one: " + goodSecret + ",two:" + goodSecret + "x"},
		"lines": {"CARELINE_KEYS=one: " + goodSecret + "\n\ntwo: " + goodSecret + "x\n"},
		"file":  {"CARELINE_KEYS_FILE=" + writeFile(t, "keys", "one: "+goodSecret+"\ntwo: "+goodSecret+"x\n")},
	} {
		c, err := Load(LoadOptions{Environ: environ})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := []Key{{ID: "one", Secret: goodSecret}, {ID: "two", Secret: goodSecret + "x"}}
		if !reflect.DeepEqual(c.Keys, want) {
			t.Errorf("%s: %#v", name, c.Keys)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	const short = "Zk3vQ9wLr8"
	for name, opts := range map[string]LoadOptions{
		"short in the file":        {File: writeFile(t, "a.yaml", "keys: [{id: a, secret: "+short+"}]")},
		"short in the environment": {Environ: []string{"CARELINE_KEYS=a: " + short}},
		"no pair":                  {Environ: []string{"CARELINE_KEYS=" + short}},
		"secret a list":            {File: writeFile(t, "b.yaml", "keys: [{id: a, secret: ["+short+"]}]")},
		"keys a map":               {File: writeFile(t, "c.yaml", "keys: {a: "+short+"}")},
		"keys a text":              {File: writeFile(t, "d.yaml", "keys: "+short)},
		"unfinished quote":         {File: writeFile(t, "e.yaml", "keys:\n  - id: a\n    secret: \""+short+"\n")},
		"secret twice":             {File: writeFile(t, "f.yaml", "keys:\n  - id: a\n    secret: "+short+"\n    secret: "+short+"\n")},
		"tab":                      {File: writeFile(t, "g.yaml", "keys:\n\t- id: a\n\t  secret: "+short+"\n")},
	} {
		c, err := Load(opts)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		shown, yamlErr := c.YAML()
		if yamlErr != nil {
			t.Error(yamlErr)
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("configuration", "keys", c.Keys, "error", err)
		for what, text := range map[string]string{
			"the error": err.Error(), "the print": string(shown), "%v": fmt.Sprintf("%v", c), "%#v": fmt.Sprintf("%#v", c.Keys), "the log": log.String(),
		} {
			if strings.Contains(text, short) {
				t.Errorf("%s: %s shows the secret: %s", name, what, text)
			}
		}
	}
}

func TestOrigins(t *testing.T) {
	for s, want := range map[string]bool{
		"https://desk.example":        true,
		"http://localhost:3000":       true,
		"https://[2001:db8::1]:8443":  true,
		"https://desk.example:443":    false,
		"http://desk.example:80":      false,
		"https://Desk.example":        false,
		"https://desk.example/":       false,
		"https://desk.example/a":      false,
		"https://desk.example?a":      false,
		"https://desk.example#":       false,
		"https://a@desk.example":      false,
		"https://*.desk.example":      false,
		"https://":                    false,
		"https://:443":                false,
		"desk.example":                false,
		"ftp://desk.example":          false,
		"null":                        false,
		"":                            false,
		"https://desk.example ":       false,
		"https://desk.example\x00":    false,
		"https://desk.example, other": false,
	} {
		if isOrigin(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
