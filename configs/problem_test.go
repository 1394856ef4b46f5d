package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const keys = "keys: [{id: a, secret: " + goodSecret + "}]\n"

// Each file has one thing wrong; the error must name its path, its line and
// what was expected, and nothing else.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		file string // appended to a valid key in line 1
		want string // with FILE for the path of the file
	}{
		{"rtc: {udp_prot: 1}", "rtc.udp_prot: got an unknown key, expected one of udp_port, tcp_port, public_addresses, interfaces, addresses, ipv6, loopback_candidates, ice_lite (FILE:2)"},
		{"rtc:\n  udp_port: 70000", `rtc.udp_port: got 70000, expected a port from 0 to 65535 (FILE:3)`},
		{"rtc: {udp_port: many}", `rtc.udp_port: got "many", expected a whole number (FILE:2)`},
		{"rtc: {udp_port: 1.5}", `rtc.udp_port: got "1.5", expected a whole number (FILE:2)`},
		{"rtc: {udp_port: 99999999999999999999}", `rtc.udp_port: got "99999999999999999999", expected a whole number (FILE:2)`},
		{"rtc: {udp_port: }", `rtc.udp_port: expected a whole number (FILE:2)`},
		{"rtc: {udp_port: &x 5}", `rtc.udp_port: expected a whole number (FILE:2)`},
		{"rtc: {ipv6: yes}", `rtc.ipv6: got "yes", expected true or false (FILE:2)`},
		{"rtc: {ice_lite: maybe}", `rtc.ice_lite: got "maybe", expected one of auto, on, off (FILE:2)`},
		{"rtc: {public_addresses: [example.org]}", `rtc.public_addresses[0]: got "example.org", expected an IP address (FILE:2)`},
		{"rtc: {public_addresses: [0.0.0.0]}", `rtc.public_addresses[0]: got "0.0.0.0", expected an address that clients can reach (FILE:2)`},
		{"rtc: {public_addresses: [127.0.0.1]}", `rtc.public_addresses[0]: got "127.0.0.1", expected an address that clients can reach, or rtc.loopback_candidates: true (FILE:2)`},
		{"rtc: {public_addresses: [224.0.0.1]}", `rtc.public_addresses[0]: got "224.0.0.1", expected an address that clients can reach (FILE:2)`},
		{"rtc: {public_addresses: [192.0.2.1, 192.0.2.2]}", `rtc.public_addresses[1]: got "192.0.2.2", expected at most one IPv4 and one IPv6 address (FILE:2)`},
		{"rtc: {ipv6: false, public_addresses: ['2001:db8::1']}", `rtc.public_addresses[0]: got "2001:db8::1", expected an IPv4 address, since rtc.ipv6 is false (FILE:2)`},
		{"rtc: {public_addresses: 192.0.2.1}", `rtc.public_addresses: expected a list, each item an IP address (FILE:2)`},
		{"rtc: {interfaces: {include: ['[']}}", `rtc.interfaces.include[0]: got "[", expected an interface name, possibly with * and ? (FILE:2)`},
		{"rtc: {addresses: {exclude: [10.0.0.0]}}", `rtc.addresses.exclude[0]: got "10.0.0.0", expected a network such as 10.0.0.0/8 (FILE:2)`},
		{"rtc: {addresses: {exclude: [10.0.0.1/8]}}", `rtc.addresses.exclude[0]: got "10.0.0.1/8", expected a network such as 10.0.0.0/8, without host bits (FILE:2)`},
		{"rtc: {tcp_port: 7880}", `rtc.tcp_port: got 7880, expected a port other than that of http.address, since both are TCP (FILE:2)`},
		{"turn: {transports: [sctp]}", `turn.transports[0]: got "sctp", expected one of udp, tcp, tls (FILE:2)`},
		{"turn: {transports: []}", `turn.transports: expected at least one of udp, tcp, tls, or turn.enabled: false (FILE:2)`},
		{"turn: {udp_port: 7882}", `turn.udp_port: got 7882, expected a port other than that of rtc.udp_port, since both are UDP (FILE:2)`},
		{"turn: {tcp_port: 7880}", `turn.tcp_port: got 7880, expected a port other than that of http.address, since both are TCP (FILE:2)`},
		{"turn: {tls_port: 3478}", `turn.tls_port: got 3478, expected a port other than that of turn.tcp_port, since both are TCP (FILE:2)`},
		{"turn: {tls_port: 70000}", `turn.tls_port: got 70000, expected a port from 0 to 65535 (FILE:2)`},
		{"turn: {host: 'turn.example.org:443'}", `turn.host: got "turn.example.org:443", expected a host name or an IP address, without a port (FILE:2)`},
		{"turn: {realm: ''}", `turn.realm: got "", expected 1 to 64 characters without quotes, backslashes and colons (FILE:2)`},
		{"turn: {credential_life: 2h}", `turn.credential_life: got 2h0m0s, expected a duration from 1m0s to 1h0m0s (FILE:2)`},
		{"turn: {allowed_peers: [10.0.0.1/8]}", `turn.allowed_peers[0]: got "10.0.0.1/8", expected a network such as 10.0.0.0/8, without host bits (FILE:2)`},
		{"turn: {bandwidth: 1KiB}", `turn.bandwidth: got 1KiB, expected a size from 16KiB to 1024MiB (FILE:2)`},
		{"turn: {max_permissions: 65}", `turn.max_permissions: got 65, expected a whole number from 1 to 64 (FILE:2)`},
		{"turn: {max_allocations: 0}", `turn.max_allocations: got 0, expected a whole number from 1 to 50000 (FILE:2)`},
		{"turn: {share_https_port: true}", `turn.share_https_port: got true, expected false, since http.tls.mode is off (FILE:2)`},
		{"http: {address: 7880}", `http.address: got "7880", expected host:port, or :port for every address of this machine (FILE:2)`},
		{"http: {address: 'a:b'}", `http.address: got "a:b", expected host:port, or :port for every address of this machine (FILE:2)`},
		{"http: {public_url: 'calls.example'}", `http.public_url: got "calls.example", expected a URL such as https://calls.example (FILE:2)`},
		{"http: {tls: {mode: on}}", `http.tls.mode: got "on", expected one of off, self, files, acme (FILE:2)`},
		{"http: {tls: {mode: acme}}", `http.tls.acme.hosts: expected at least one name, since http.tls.mode is acme`},
		{"http: {tls: {mode: acme, acme: {hosts: ['*.example.org']}}}", `http.tls.acme.hosts[0]: got "*.example.org", expected a full name such as calls.example.org, in lower case, without * and port (FILE:2)`},
		{"http: {tls: {mode: acme, acme: {hosts: [192.0.2.1]}}}", `http.tls.acme.hosts[0]: got "192.0.2.1", expected a full name such as calls.example.org, in lower case, without * and port (FILE:2)`},
		{"http: {tls: {mode: acme, acme: {hosts: [a.example], email: me}}}", `http.tls.acme.email: got "me", expected an address such as ops@example.org, or nothing (FILE:2)`},
		{"http: {tls: {mode: acme, acme: {hosts: [a.example], directory: 'http://ca.example/'}}}", `http.tls.acme.directory: got "http://ca.example/", expected an https:// URL (FILE:2)`},
		{"http: {tls: {mode: acme, acme: {hosts: [a.example], http_address: '80'}}}", `http.tls.acme.http_address: got "80", expected host:port such as :80, or nothing (FILE:2)`},
		{"http: {tls: {cert_file: /x}}", `http.tls.cert_file: got "/x", expected nothing, since http.tls.mode is not files (FILE:2)`},
		{"http: {tls: {mode: files, cert_file: /dev/null, key_file: FILE}}", `http.tls.cert_file: got "/dev/null", expected a readable file: it is no regular file (FILE:2)`},
		{"http: {tls: {mode: files, cert_file: FILE}}", `http.tls.key_file: expected the path of a PEM file, since http.tls.mode is files`},
		{"http: {read_header_timeout: 5}", `http.read_header_timeout: got "5", expected a duration such as 20s or 5m (FILE:2)`},
		{"http: {max_connections: 0}", `http.max_connections: got 0, expected a whole number from 1 to 1000000 (FILE:2)`},
		{"http: {trusted_proxies: [10.0.0.1/8]}", `http.trusted_proxies[0]: got "10.0.0.1/8", expected a network such as 10.0.0.0/8, without host bits (FILE:2)`},
		{"webhooks: {allowed_networks: [10.3.0.1/16]}", `webhooks.allowed_networks[0]: got "10.3.0.1/16", expected a network such as 10.3.0.0/16, without host bits (FILE:2)`},
		{"http: {allowed_origins: ['*']}", `http.allowed_origins[0]: got "*", expected an origin as browsers send it, such as https://desk.example: in lower case, without path and usual port (FILE:2)`},
		{"attachments: {max_size: 1000}", "attachments.max_size: got 1000, expected 1KiB to 1024MiB (FILE:2)"},
		{"attachments: {metadata: guess}", `attachments.metadata: got "guess", expected one of strip, keep, keep_sealed (FILE:2)`},
		{"attachments: {clamd: clamd.sock}", `attachments.clamd: got "clamd.sock", expected a path that begins with / or host:port (FILE:2)`},
		{"limits: {joins_per_address: -1}", `limits.joins_per_address: got -1, expected a whole number from 0 to 1000000 (FILE:2)`},
		{"limits: {messages_per_second: -1}", `limits.messages_per_second: got -1, expected a whole number from 0 to 100000 (FILE:2)`},
		{"limits: {joins_per_key: -1}", `limits.joins_per_key: got -1, expected a whole number from 0 to 1000000 (FILE:2)`},
		{"limits: {feeds_per_person: -1}", `limits.feeds_per_person: got -1, expected a whole number from 0 to 1000000 (FILE:2)`},
		{"limits: {bad_tokens_per_address: 2000000}", `limits.bad_tokens_per_address: got 2000000, expected a whole number from 0 to 1000000 (FILE:2)`},
		{"chat: {edit_window: 1ms}", `chat.edit_window: got 1ms, expected a duration from 1s to 8760h0m0s (FILE:2)`},
		{"chat: {deleted_days: -1}", `chat.deleted_days: got -1, expected a whole number from 0 to 36500 (FILE:2)`},
		{"chat: {event_days: 0}", `chat.event_days: got 0, expected a whole number from 1 to 36500 (FILE:2)`},
		{"chat: {call_history: 101}", `chat.call_history: got 101, expected a whole number from 0 to 100 (FILE:2)`},
		{"seal: {key_file: \"a\\nb\"}", `seal.key_file: got "a\nb", expected text without control characters (FILE:2)`},
		{`data_dir: ""`, `data_dir: got "", expected a folder (FILE:2)`},
		{"shutdown_timeout: 1h", `shutdown_timeout: got 1h0m0s, expected a duration from 1s to 10m0s (FILE:2)`},
		{"shutdown_timeout: -1s", `shutdown_timeout: got -1s, expected a duration from 1s to 10m0s (FILE:2)`},
		{"room: {empty_timeout: 0s}", `room.empty_timeout: got 0s, expected a duration from 1s to 168h0m0s (FILE:2)`},
		{"room: {max_participants: -1}", `room.max_participants: got "-1", expected a whole number (FILE:2)`},
		{"room: 5", `room: expected a section with the keys auto_create, empty_timeout, departure_timeout, max_participants, allow_remote_unmute, join_timeout, resume_timeout (FILE:2)`},
		{"limits: {message: 3MiB}", `limits.message: got 3MiB, expected a size from 64KiB to 2MiB (FILE:2)`},
		{"limits: {message: 1GB}", `limits.message: got "1GB", expected a size such as 64KiB or 2MiB (FILE:2)`},
		{"log: {level: loud}", `log.level: got "loud", expected one of debug, info, warn, error (FILE:2)`},
		{"log: [a]", `log: expected a section with the keys level, format, requests (FILE:2)`},
		{"admin: {address: 7889}", `admin.address: got "7889", expected host:port such as 127.0.0.1:7889, or nothing (FILE:2)`},
		{"admin: {address: ':7889'}", `admin.address: got ":7889", expected host:port such as 127.0.0.1:7889, or nothing (FILE:2)`},
		{"tokens: {max_lifetime: 1s}", `tokens.max_lifetime: got 1s, expected a duration from 1m0s to 87600h0m0s (FILE:2)`},
		{"region: \"a\\nb\"", `region: got "a\nb", expected text without control characters (FILE:2)`},
		{"web: {dir: /nowhere}", `web.dir: got "/nowhere", expected a folder: no such file or directory (FILE:2)`},
		{"web: {dir: FILE}", `web.dir: got "FILE", expected a folder, not a file (FILE:2)`},
		{"region: a\nregion: b", `expected each key once: mapping key "region" already defined at [2:1] (FILE:3)`},
		{"---\nregion: b", `expected one document, not several (FILE:3)`},
		{"rtc: [", "expected YAML: spaces for indentation, `key: value` or `- item` in each line (FILE:2)"},
	} {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(keys+strings.ReplaceAll(c.file, "FILE", path)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(LoadOptions{File: path})
		if got, want := fmt.Sprint(err), strings.ReplaceAll(c.want, "FILE", path); got != want {
			t.Errorf("%q:\n got %s\nwant %s", c.file, got, want)
		}
	}
}

func TestKeyProblems(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	empty := writeFile(t, "empty", " \n")
	for _, c := range []struct{ keys, want string }{
		{"", "keys: expected at least one API key"},
		{"keys: []", "keys: expected at least one API key"},
		{"keys: {a: b}", "keys: expected a list of {id, secret}"},
		{"keys: [{id: devkey, secret: " + goodSecret + "}]", `keys[0].id: got "devkey", expected an id other than that of the development key`},
		{"keys: [{id: a, secret: secret}]", "keys[0].secret: expected a random secret, not an example"},
		{"keys: [{id: a, secret: please-changeme-please-changeme-please}]", "keys[0].secret: expected a random secret, not an example"},
		{"keys: [{id: a, secret: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}]", "keys[0].secret: expected a random secret, not an example"},
		{"keys: [{id: a, secret: " + goodSecret[:31] + "}]", "keys[0].secret: expected a secret of at least 32 bytes, got 31"},
		{"keys: [{id: a}]", "keys[0].secret: expected a secret, or secret_file"},
		{"keys: [{secret: " + goodSecret + "}]", "keys[0].id: expected a non-empty id"},
		{"keys: [{id: a, secret: " + goodSecret + "}, {id: a, secret: " + goodSecret + "}]", `keys[1].id: got "a", expected an id that no other key has`},
		{"keys: [{id: a, secret_file: " + nowhere + "}]", fmt.Sprintf("keys[0].secret_file: got %q, expected a readable file: no such file or directory", nowhere)},
		{"keys: [{id: a, secret_file: " + empty + "}]", fmt.Sprintf("keys[0].secret_file: got %q, expected a file that is not empty", empty)},
		{"keys: [{id: a, secret: " + goodSecret + ", secret_file: " + empty + "}]", "keys[0].secret_file: expected only one of secret and secret_file"},
		{"keys: [{id: a, key: b}]", "keys[0].key: got an unknown key, expected one of id, kid, secret, secret_file, public_key, public_key_file"},
		{"keys: [{id: a, secret: " + goodSecret + ", public_key: " + goodPublic + "}]", "keys[0].public_key: expected either a secret or a public key"},
		{"keys: [{id: a, public_key: nonsense}]", "keys[0].public_key: expected a public key of Ed25519 or P-256"},
		{"keys: [{id: a, public_key: " + rsaPublic + "}]", "keys[0].public_key: expected a public key of Ed25519 or P-256"},
		{"keys: [{id: a, public_key_file: " + empty + "}]", fmt.Sprintf("keys[0].public_key_file: got %q, expected a file that is not empty", empty)},
		{"keys: [{id: a, public_key: " + goodPublic + ", public_key_file: " + empty + "}]", "keys[0].public_key_file: expected only one of public_key and public_key_file"},
		{"keys: [{id: a, kid: x, secret: " + goodSecret + "}, {id: a, secret: " + goodSecret + "}]", `keys[1].id: got "a", expected an id that no other key has, or a kid of its own for each key of this id`},
		{"keys: [{id: a, kid: x, secret: " + goodSecret + "}, {id: a, kid: x, public_key: " + goodPublic + "}]", `keys[1].id: got "a", expected an id`},
		{"webhooks: {urls: [https://a.example]}\nkeys: [{id: a, public_key: " + goodPublic + "}]", "webhooks.urls: got 1, expected no URLs, since no key has a secret to sign with"},
		{"webhooks: {api_key: a}\nkeys: [{id: a, public_key: " + goodPublic + "}]", `webhooks.api_key: got "a", expected the id of one of keys that has a secret`},
	} {
		_, err := Load(LoadOptions{File: writeFile(t, "c.yaml", c.keys)})
		if got := Problems(err); len(got) == 0 || !strings.HasPrefix(got[0].Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.keys, err, c.want)
		}
	}
}

// Two public keys as openssl writes them, without their PEM lines: the first
// of Ed25519, the second of RSA.
const (
	goodPublic = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
	rsaPublic  = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAm4FjIuNhxZ09OY6r+ewgRenzB0izUlpX/Kdk0sreDFUDZR5koDw82lVzNa0VHugKNieB4BucYgFhPqlDi5C1ppKdDfqACxKIntZu4gJge+vR6xYAVj0F5aPKM5CBN1qZtLS2d4fsr6jnaBI54SsXJetoVgAIKStaDxGp3j8c/0TojGZsduykXrUQtj0Y7nBYxpUUE+bVSbzTeOIA4J5Q7Cms6LcyI0iDQ1WQb8NUZT22Q3zERG2/vtEKe752pLnkQTv2ZfpIolqJDdAmdDTrQqGji6/J+KfeoKPhJjEGizUkmQK5OX1/RPQ8aBSOQRT9MtwFF6bFB0mqqpDkPK4CiQIDAQAB"
)

func TestPublicKeys(t *testing.T) {
	pem := "-----BEGIN PUBLIC KEY-----\n" + goodPublic + "\n-----END PUBLIC KEY-----\n"
	file := writeFile(t, "key.pem", pem)
	for _, text := range []string{
		"keys: [{id: a, public_key: " + goodPublic + "}]",
		"keys:\n  - id: a\n    public_key: |\n      " + strings.ReplaceAll(strings.TrimSpace(pem), "\n", "\n      ") + "\n",
		"keys: [{id: a, public_key_file: " + file + "}]",
		"keys: [{id: a, kid: old, secret: " + goodSecret + "}, {id: a, kid: new, public_key: " + goodPublic + "}]",
	} {
		c, err := Load(LoadOptions{File: writeFile(t, "c.yaml", text)})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if public, err := c.Keys[len(c.Keys)-1].Public(); err != nil || public == nil {
			t.Errorf("%s: key %v, %v", text, public, err)
		}
	}
}

func TestUnreadableFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere.yaml")
	_, err := Load(LoadOptions{File: path})
	if got, want := fmt.Sprint(err), fmt.Sprintf("got %q, expected a readable file: no such file or directory", path); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	big := writeFile(t, "big.yaml", strings.Repeat("#", maxFile+1))
	if _, err := Load(LoadOptions{File: big}); err == nil {
		t.Error("a file without bound was read")
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := Load(LoadOptions{
		File:    writeFile(t, "c.yaml", "rtc: {udp_port: -1, ipv6: 7}\nwhat: 1\n"),
		Environ: []string{"CARELINE_LOG_LEVEL=loud"},
		Flags:   []Flag{{"web.dir", "/nowhere", "--web-dir"}},
	})
	text := fmt.Sprint(err)
	for _, want := range []string{
		"rtc.udp_port", "rtc.ipv6", "what:", "keys:",
		"log.level: got \"loud\", expected one of debug, info, warn, error (environment CARELINE_LOG_LEVEL)",
		"(flag --web-dir)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no word of %s in %s", want, text)
		}
	}
	if n := len(Problems(err)); n != 6 {
		t.Errorf("%d problems, want 6: %v", n, err)
	}
}

func FuzzFile(f *testing.F) {
	f.Add(Manual)
	for _, name := range []string{"development.yaml", "production.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("<<: {keys: 1}"))
	f.Add([]byte("? [a]\n: b"))
	f.Add([]byte("!!binary x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := writeFile(t, "c.yaml", string(text))
		c, err := Load(LoadOptions{File: path})
		if err == nil && len(c.Keys) == 0 {
			t.Error("a configuration without a key was accepted")
		}
		for _, problem := range Problems(err) {
			if !strings.Contains(problem.Error(), "expected ") {
				t.Errorf("%v does not say what was expected", problem)
			}
		}
	})
}
