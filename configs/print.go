package configs

import (
	"fmt"

	"github.com/goccy/go-yaml"
)

// YAML returns the configuration as a file that gives it, except for secrets,
// which are redacted.
func (c *Config) YAML() ([]byte, error) {
	shown := *c
	shown.Keys = make([]Key, len(c.Keys))
	for i, k := range c.Keys {
		shown.Keys[i] = k
		shown.Keys[i].Secret = Secret(k.Secret.String())
	}
	text, err := yaml.MarshalWithOptions(shown, yaml.IndentSequence(true))
	if err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return text, nil
}
