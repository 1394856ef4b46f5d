package server

import (
	"fmt"
	"slices"
	"strings"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/configs"
	"careline/internal/auth"
)

// signer makes tokens by the keys of now. It is replaced as a whole.
type signer struct {
	minter   *auth.Minter
	first    string // API key of links that the server makes itself
	webhooks string // API key that signs webhooks
}

func (s *Server) setSigner(keys *auth.Keys, cfg *configs.Config) {
	n := &signer{minter: auth.NewMinter(keys, s.clock), first: keys.Signer(), webhooks: cfg.Webhooks.APIKey}
	if n.webhooks == "" {
		n.webhooks = n.first
	}
	s.signer.Store(n)
}

// webhookTokenLife is how long a webhook's signature is valid.
const webhookTokenLife = 5 * time.Minute

// signWebhook makes the token by which a receiver knows that a body is ours.
func (s *Server) signWebhook(sum string) (string, error) {
	by := s.signer.Load()
	return by.minter.Mint(by.webhooks, &lkauth.ClaimGrants{Sha256: sum}, webhookTokenLife)
}

// reloadable are the keys that Reload puts into effect, and those below them.
var reloadable = []string{"keys", "webhooks.api_key", "log.level", "http.tls.cert_file", "http.tls.key_file"}

// Reload puts a changed configuration into effect as far as that works without
// dropping a call: API keys, certificate files and the level of the log. What
// else differs is named in the log and needs a restart. A session that joined
// by a key that is gone ends. On an error everything stays as it was.
func (s *Server) Reload(cfg *configs.Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	keys, err := NewKeys(cfg.Keys)
	if err != nil {
		return fmt.Errorf("reload keys: %w", err)
	}
	if s.certificates != nil {
		if err := s.certificates.reload(cfg.HTTP.TLS); err != nil {
			return fmt.Errorf("reload certificate: %w", err)
		}
	}
	s.setSigner(keys, cfg)
	s.signal.SetKeys(keys)
	s.calls.api.Recheck()
	if s.level != nil {
		s.level.Set(cfg.Log.SlogLevel())
	}
	changed, waiting := s.compare(cfg)
	for _, w := range cfg.Warnings {
		s.log.Warn("configuration", "warning", w)
	}
	if len(waiting) > 0 {
		s.log.Warn("changed in the configuration but not in effect before a restart", "keys", waiting)
	}
	s.log.Info("configuration reloaded", "changed", changed)
	s.loaded = cfg
	return nil
}

// compare returns which keys differ from the last configuration, and which
// differ from the one that the server was started with and need a restart.
func (s *Server) compare(cfg *configs.Config) (changed, waiting []string) {
	can := func(key string) bool {
		return slices.ContainsFunc(reloadable, func(r string) bool { return key == r || strings.HasPrefix(key, r+".") })
	}
	changed = configs.Changes(s.loaded, cfg)
	for _, key := range configs.Changes(s.cfg, cfg) {
		if !can(key) || strings.HasPrefix(key, "http.tls.") && s.cfg.HTTP.TLS.Mode != "files" {
			waiting = append(waiting, key)
		}
	}
	return slices.DeleteFunc(changed, func(key string) bool { return slices.Contains(waiting, key) }), waiting
}
