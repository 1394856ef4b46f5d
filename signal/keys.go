package signal

import (
	"careline/internal/auth"
	"careline/sfu"
)

// SetKeys replaces the API keys without dropping a call: tokens of new keys are taken from now on, sessions that joined with a key that is
// gone end within a second, whether their clients are connected or on their way back.
func (h *Handler) SetKeys(keys *auth.Keys) {
	h.cfg.Auth.SetKeys(keys)
	h.minter.Store(auth.NewMinter(keys, h.cfg.Clock))
	h.RemoveRevoked()
}

// RemoveRevoked ends the sessions that were let in by what is not taken any more: a key that is gone, a token or an identity that was revoked.
func (h *Handler) RemoveRevoked() {
	h.rooms.RemoveRevoked(func(c sfu.Credential) bool {
		return h.cfg.Auth.Holds(&auth.Claims{APIKey: c.APIKey, ID: c.TokenID, Identity: c.Identity})
	})
}
