package server

import (
	"context"
	"fmt"
	"time"

	"careline/internal/auth"
	"careline/internal/store"
)

const (
	// maxRevocations bounds what is remembered until the tokens meant expire.
	maxRevocations = 100_000

	revokeTimeout    = 5 * time.Second
	revocationsSwept = 64 // that are over and go with each new one
)

// revocationKey is the API key, the token's id and the identity that are meant.
type revocationKey = store.Triple[string, string, string]

var (
	revocations = store.NewTable("server_revocations", store.Join3(store.String[string](), store.String[string](), store.String[string]()),
		store.JSON[auth.Revocation]())
	revocationsByEnd = store.NewIndex(revocations, "until", store.Time(),
		func(_ revocationKey, r auth.Revocation) []time.Time { return []time.Time{r.Until} })
)

// loadRevocations takes up what was revoked before the server was started.
func (s *Server) loadRevocations() error {
	return s.storage.db.View(context.Background(), func(tx *store.Tx) error {
		now := s.clock.Now()
		for _, r := range revocationsByEnd.Scan(tx, store.Range[time.Time]{After: &now}) {
			if err := s.revoked.Revoke(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// Revoke takes tokens back: they are refused from now on, after a restart too,
// and who came in with one leaves.
func (s *Server) Revoke(ctx context.Context, r auth.Revocation) error {
	if err := s.revoked.Revoke(r); err != nil {
		return err
	}
	s.signal.RemoveRevoked()
	s.calls.api.Recheck()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	now := s.clock.Now()
	err := s.storage.db.Update(ctx, func(tx *store.Tx) error {
		var over []revocationKey
		for _, key := range revocationsByEnd.Keys(tx, store.Range[time.Time]{To: &now, Limit: revocationsSwept}) {
			over = append(over, key)
		}
		for _, key := range over {
			if err := revocations.Delete(tx, key); err != nil {
				return err
			}
		}
		key := revocationKey{First: r.APIKey, Second: r.TokenID, Third: r.Identity}
		if old, err := revocations.Get(tx, key); err == nil && old.Until.After(r.Until) {
			return nil
		}
		return revocations.Put(tx, key, r)
	})
	if err != nil {
		return fmt.Errorf("it holds until the server restarts, but could not be kept: %w", err)
	}
	return nil
}
