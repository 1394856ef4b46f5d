package configs

import (
	"reflect"
	"testing"
)

func TestManualIsTheDefaults(t *testing.T) {
	read := new(Config)
	r := &reader{origins: make(map[string]string)}
	if !r.file("default.yaml", Manual, reflect.ValueOf(read).Elem()) || len(r.problems) > 0 {
		t.Fatalf("default.yaml: %v", r.problems.err())
	}
	got, err := read.YAML()
	if err != nil {
		t.Fatal(err)
	}
	want, err := Default().YAML()
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("default.yaml gives\n%s\nbuilt in is\n%s", got, want)
	}
	leaves(reflect.ValueOf(read).Elem(), "", func(path string, _ reflect.Value) {
		if r.origins[path] == "" {
			t.Errorf("default.yaml does not mention %s", path)
		}
	})
}

func TestEveryKeyHasAVariableOfItsOwn(t *testing.T) {
	seen := make(map[string]string)
	leaves(reflect.ValueOf(Default()).Elem(), "", func(path string, _ reflect.Value) {
		name := variable(path)
		if other, taken := seen[name]; taken {
			t.Errorf("%s stands for %s and %s", name, other, path)
		}
		seen[name] = path
	})
	if seen["CARELINE_RTC_UDP_PORT"] != "rtc.udp_port" || seen["CARELINE_HTTP_TLS_MODE"] != "http.tls.mode" {
		t.Errorf("variables %v", seen)
	}
}

// Every key must be readable from text and printed so that it is read again.
func TestPrintedConfigurationIsReadAgain(t *testing.T) {
	c, err := Load(LoadOptions{Environ: everyVariable(t)})
	if err != nil {
		t.Fatal(err)
	}
	printed, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again := new(Config)
	r := &reader{origins: make(map[string]string)}
	if r.file("printed", printed, reflect.ValueOf(again).Elem()); len(r.problems) > 0 {
		t.Fatalf("%v in\n%s", r.problems.err(), printed)
	}
	again.Keys, c.Warnings = c.Keys, nil
	if !reflect.DeepEqual(c, again) {
		t.Errorf("read again:\n%+v\nwas:\n%+v", again, c)
	}
}

// everyVariable sets each key to something other than its default.
func everyVariable(t *testing.T) []string {
	dir := t.TempDir()
	cert := writeFile(t, "tls.crt", "certificate")
	key := writeFile(t, "tls.key", "key")
	values := map[string]string{
		"development":                   "true",
		"region":                        "north",
		"chat.edit_window":              "15m",
		"chat.deleted_days":             "7",
		"chat.event_days":               "3",
		"chat.call_history":             "20",
		"chat.history_to_stock":         "true",
		"attachments.max_size":          "10MiB",
		"attachments.metadata":          "keep_sealed",
		"attachments.clamd":             "127.0.0.1:3310",
		"seal.key_file":                 "/etc/careline/master.key",
		"data_dir":                      "/var/lib/careline",
		"shutdown_timeout":              "7s",
		"keys":                          "one: " + goodSecret + ", two: " + goodSecret + "2",
		"tokens.max_lifetime":           "2h",
		"log.level":                     "warn",
		"log.format":                    "json",
		"log.requests":                  "true",
		"admin.address":                 "127.0.0.1:99",
		"http.address":                  "[::1]:1234",
		"http.path_prefix":              "/calls",
		"http.public_url":               "https://calls.example",
		"http.tls.mode":                 "files",
		"http.tls.cert_file":            cert,
		"http.tls.key_file":             key,
		"http.tls.acme.hosts":           "a.example.org,b.example.org",
		"http.tls.acme.email":           "ops@example.org",
		"http.tls.acme.directory":       "https://ca.example.org/directory",
		"http.tls.acme.http_address":    "127.0.0.1:98",
		"http.read_header_timeout":      "4s",
		"http.write_timeout":            "30s",
		"http.idle_timeout":             "31s",
		"http.max_connections":          "77",
		"rtc.udp_port":                  "0",
		"rtc.tcp_port":                  "0",
		"rtc.public_addresses":          "203.0.113.7, 2001:db8::7",
		"rtc.interfaces.include":        "eth*,wlan0",
		"rtc.interfaces.exclude":        "docker?",
		"rtc.addresses.include":         "10.0.0.0/8",
		"rtc.addresses.exclude":         "10.1.0.0/16, fe80::/10",
		"rtc.ipv6":                      "true",
		"rtc.loopback_candidates":       "false",
		"rtc.ice_lite":                  "off",
		"room.auto_create":              "false",
		"turn.enabled":                  "true",
		"turn.transports":               "udp, tls",
		"turn.udp_port":                 "0",
		"turn.tcp_port":                 "0",
		"turn.tls_port":                 "443",
		"turn.share_https_port":         "true",
		"turn.host":                     "turn.example.org",
		"turn.realm":                    "x",
		"turn.credential_life":          "10m",
		"turn.allowed_peers":            "203.0.113.0/24",
		"turn.bandwidth":                "1MiB",
		"turn.max_allocations":          "9",
		"turn.allocations_per_session":  "8",
		"turn.allocations_per_address":  "7",
		"turn.max_permissions":          "6",
		"turn.max_connections":          "5",
		"turn.connections_per_address":  "4",
		"room.empty_timeout":            "1m",
		"room.departure_timeout":        "2m",
		"room.max_participants":         "5",
		"room.allow_remote_unmute":      "true",
		"room.join_timeout":             "3s",
		"room.resume_timeout":           "4s",
		"limits.message":                "128KiB",
		"limits.messages_per_second":    "150",
		"limits.metadata":               "1000",
		"limits.tracks_per_participant": "3",
		"limits.sections_per_offer":     "9",
		"limits.candidates_per_session": "10",
		"limits.joins_per_address":      "11",
		"limits.joins_per_key":          "0",
		"limits.bad_tokens_per_address": "12",
		"limits.feeds_per_person":       "3",
		"limits.feeds_per_address":      "4",
		"http.trusted_proxies":          "10.0.0.0/8, 2001:db8::/32",
		"http.allowed_origins":          "https://desk.example, http://localhost:3000",
		"webhooks.urls":                 "https://desk.example/hook,http://localhost:9/x",
		"webhooks.api_key":              "",
		"webhooks.allowed_networks":     "10.3.0.0/16, fd00::/8",
		"web.dir":                       dir,
	}
	var environ []string
	leaves(reflect.ValueOf(Default()).Elem(), "", func(path string, _ reflect.Value) {
		value, ok := values[path]
		if !ok {
			t.Errorf("no value to try %s with", path)
		}
		environ = append(environ, variable(path)+"="+value)
	})
	return environ
}
