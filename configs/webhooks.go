package configs

import (
	"net/netip"
	"net/url"
	"slices"
)

// Webhooks says who is told by HTTP what happens.
type Webhooks struct {
	URLs   []string `yaml:"urls"`
	APIKey string   `yaml:"api_key"`

	AllowedNetworks []netip.Prefix `yaml:"allowed_networks"`
}

func (w Webhooks) validate(keys []Key) error {
	var p problems
	for _, text := range w.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			p.add("webhooks.urls", text, "URLs that begin with https:// or http://")
		}
	}
	p.networks("webhooks.allowed_networks", w.AllowedNetworks)
	signs := func(k Key) bool { return k.Secret != "" && (k.ID == w.APIKey || w.APIKey == "") }
	switch {
	case slices.ContainsFunc(keys, signs) || len(keys) == 0:
	case w.APIKey != "":
		p.add("webhooks.api_key", w.APIKey, "the id of one of keys that has a secret")
	case len(w.URLs) > 0:
		p.add("webhooks.urls", len(w.URLs), "no URLs, since no key has a secret to sign with")
	}
	return p.err()
}
