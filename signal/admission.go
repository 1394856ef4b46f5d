package signal

import (
	"net/http"

	"careline/internal/auth"
)

const tooManyJoins = "too many joins, try again later"

// admission bounds how often clients come in. It counts those whose token is good only, so that nobody is kept out by what others guess.
type admission struct {
	// immutable
	auth    *auth.Authenticator
	address *auth.Limiter[auth.Source] // nil: any number
	key     *auth.Limiter[string]      // nil: any number
}

func newAdmission(cfg Config) admission {
	a := admission{auth: cfg.Auth}
	if cfg.JoinsPerAddress > 0 {
		a.address = auth.NewLimiter[auth.Source](cfg.JoinsPerAddress, cfg.Clock)
	}
	if cfg.JoinsPerKey > 0 {
		a.key = auth.NewLimiter[string](cfg.JoinsPerKey, cfg.Clock)
	}
	return a
}

// check takes note of a join or resume, or says when the next one may come.
func (a admission) check(r *http.Request, c *auth.Claims) error {
	if source, limited := a.auth.Source(r); limited && a.address != nil {
		if wait, ok := a.address.Take(source); !ok {
			return tooMany(&auth.Throttled{After: wait})
		}
	}
	if a.key != nil {
		if wait, ok := a.key.Take(c.APIKey); !ok {
			return tooMany(&auth.Throttled{After: wait})
		}
	}
	return nil
}

func tooMany(t *auth.Throttled) error {
	return &refusal{status: http.StatusTooManyRequests, text: tooManyJoins, retryAfter: auth.RetryAfter(t)}
}
