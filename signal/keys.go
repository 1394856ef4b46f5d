package signal

import "careline/internal/auth"

// keyring is what checks and signs tokens now. It is replaced as a whole.
type keyring struct {
	verifier *auth.Verifier
	minter   *auth.Minter
}

// SetKeys replaces the API keys without dropping a call: tokens of new keys are taken from now on, sessions that joined with a key that is
// gone end within a second, whether their clients are connected or on their way back.
func (h *Handler) SetKeys(keys *auth.Keys) {
	h.keys.Store(&keyring{verifier: h.keys.Load().verifier.WithKeys(keys), minter: auth.NewMinter(keys, h.cfg.Clock)})
	h.rooms.RemoveRevoked(keys.Has)
}
