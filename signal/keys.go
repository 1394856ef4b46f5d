package signal

import "careline/internal/auth"

// SetKeys replaces the API keys without dropping a call: tokens of new keys are taken from now on, sessions that joined with a key that is
// gone end within a second, whether their clients are connected or on their way back.
func (h *Handler) SetKeys(keys *auth.Keys) {
	h.cfg.Auth.SetKeys(keys)
	h.minter.Store(auth.NewMinter(keys, h.cfg.Clock))
	h.rooms.RemoveRevoked(keys.Has)
}
