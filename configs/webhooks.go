package configs

import (
	"net/url"
	"slices"
)

// Webhooks says who is told by HTTP what happens in rooms.
type Webhooks struct {
	URLs   []string `yaml:"urls"`
	APIKey string   `yaml:"api_key"`
}

func (w Webhooks) validate(keys []Key) error {
	var p problems
	for _, text := range w.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			p.add("webhooks.urls", text, "URLs that begin with https:// or http://")
		}
	}
	known := func(k Key) bool { return k.ID == w.APIKey }
	if w.APIKey != "" && !slices.ContainsFunc(keys, known) {
		p.add("webhooks.api_key", w.APIKey, "the id of one of keys")
	}
	return p.err()
}
