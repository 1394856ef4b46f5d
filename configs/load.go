package configs

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
)

// Manual is default.yaml: every key with its default and what it does.
//
//go:embed default.yaml
var Manual []byte

// LoadOptions says where a configuration comes from.
type LoadOptions struct {
	File    string   // path of the YAML file; empty: none
	Dev     bool     // as if the file said development: true
	Environ []string // as os.Environ returns it
	Flags   []Flag   // win over everything else
}

// Flag is a key that the command line sets.
type Flag struct {
	Key   string // path, such as log.level
	Value string
	Name  string // the flag, for errors
}

// Load reads the configuration and validates it. Its error holds everything
// that is wrong: see Problems. What was readable is returned beside an error,
// so that it can be shown.
func Load(opts LoadOptions) (*Config, error) {
	c := Default()
	r := &reader{origins: make(map[string]string)}
	to := reflect.ValueOf(c).Elem()
	if opts.File != "" {
		data, err := readFile(opts.File, maxFile)
		if err != nil {
			r.problem("", "", fmt.Sprintf("%q", opts.File), err.Error())
			return c, r.problems.err()
		}
		if !r.file(opts.File, data, to) {
			return c, r.problems.err()
		}
	}
	c.Warnings = r.environ(opts.Environ, to)
	r.flags(opts.Flags, to)
	if opts.Dev {
		c.Development = true
	}
	if c.Development {
		r.develop(c)
	}
	r.readSecrets(c)
	for _, err := range Problems(c.Validate()) {
		r.locate(err)
	}
	return c, r.problems.err()
}

// locate adds a problem of Validate with where the value came from, unless
// reading the key failed already.
func (r *reader) locate(err error) {
	problem, ok := errors.AsType[*Problem](err)
	if !ok {
		r.problems = append(r.problems, err)
		return
	}
	for _, earlier := range r.problems {
		e, ok := errors.AsType[*Problem](earlier)
		if ok && e.Key != "" && (e.Key == problem.Key || strings.HasPrefix(e.Key, problem.Key+"[") || e.Key == problem.Key+"_file") {
			return
		}
	}
	problem.Where = r.origins[problem.Key]
	r.problems = append(r.problems, problem)
}

func (r *reader) flags(flags []Flag, to reflect.Value) {
	for _, flag := range flags {
		found := false
		leaves(to, "", func(path string, v reflect.Value) {
			if path == flag.Key {
				found = true
				r.text("flag "+flag.Name, path, flag.Value, v)
			}
		})
		if !found {
			panic("configs: flag " + flag.Name + " names no key")
		}
	}
}

// develop fills what development wants and nobody set.
func (r *reader) develop(c *Config) {
	set := func(key string) bool { _, ok := r.origins[key]; return ok }
	if len(c.Keys) == 0 {
		c.Keys = []Key{{ID: DevelopmentKey, Secret: DevelopmentSecret}}
	}
	if !set("rtc.loopback_candidates") {
		c.RTC.LoopbackCandidates = true
	}
	if !set("admin.address") {
		c.Admin.Address = "" // several servers on one machine are common here
	}
	if !set("data_dir") {
		c.DataDir = ""
	}
	// The key is known to everybody: without TLS, which a phone needs to open
	// its camera anyway, nobody but this machine has business here.
	if !set("http.address") && c.HTTP.TLS.Mode == "off" {
		c.HTTP.Address = "localhost:7880"
	}
}

func (r *reader) readSecrets(c *Config) {
	for i := range c.Keys {
		k := &c.Keys[i]
		key := fmt.Sprintf("keys[%d].secret_file", i)
		switch {
		case k.SecretFile == "":
		case k.Secret != "":
			r.problem(r.origins[key], key, "", "only one of secret and secret_file")
		default:
			secret, err := readSecret(k.SecretFile)
			if err != nil {
				r.problem(r.origins[key], key, fmt.Sprintf("%q", k.SecretFile), err.Error())
			}
			k.Secret = Secret(secret)
		}
		key = fmt.Sprintf("keys[%d].public_key_file", i)
		switch {
		case k.PublicKeyFile == "":
		case k.PublicKey != "":
			r.problem(r.origins[key], key, "", "only one of public_key and public_key_file")
		default:
			public, err := readSecret(k.PublicKeyFile)
			if err != nil {
				r.problem(r.origins[key], key, fmt.Sprintf("%q", k.PublicKeyFile), err.Error())
			}
			k.PublicKey = public
		}
	}
}

// readSecret returns a file's content without white space around it. Its error
// completes the sentence "expected ...".
func readSecret(path string) (string, error) {
	data, err := readFile(path, 64<<10)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if secret == "" {
		return "", errors.New("a file that is not empty")
	}
	return secret, nil
}

func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("a readable file: %w", cause(err))
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("a readable file: %w", cause(err))
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("a file of at most %d bytes", most)
	}
	return data, nil
}
