package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"careline/internal/store"
)

// outcome is what an attempt came to.
type outcome int

const (
	taken   outcome = iota // the receiver has it
	again                  // another attempt may help
	refused                // none will
	held                   // the receiver gets nothing for now: it was not asked
	gone                   // there is no such receiver any more
)

// verdict is an outcome with what led to it.
type verdict struct {
	outcome outcome
	status  int           // of the answer; 0: there was none
	wait    time.Duration // the receiver asked for
	err     error         // nil when taken
}

// longestWait bounds what a receiver can ask for by Retry-After.
const longestWait = 24 * time.Hour

// judge sends a request; what is not a success may be one later.
func judge(client *http.Client, r *http.Request, now func() time.Time) verdict {
	response, err := client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL, which may hold a secret
		}
		return verdict{outcome: again, err: fmt.Errorf("post event: %w", err)}
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, readAtMost))
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return verdict{status: response.StatusCode}
	}
	return verdict{
		outcome: again, status: response.StatusCode, wait: retryAfter(response.Header.Get("Retry-After"), now()),
		err: fmt.Errorf("receiver answered %d", response.StatusCode),
	}
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); 0 for what is neither, or past.
func retryAfter(text string, now time.Time) time.Duration {
	var d time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), longestWait)
}

// jittered is a wait that differs from others by up to a fifth.
func jittered(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5+1) }

// channel is a way of telling receivers. Receivers are named by texts that begin with the channel's prefix.
type channel interface {
	// schedule is the waits between attempts.
	schedule() []time.Duration
	// deliver makes one attempt; attempts were made before.
	deliver(ctx context.Context, receiver string, it item, s standing) verdict
	// settle notes an attempt, in the transaction that moves the line; last: there is no other.
	settle(tx *store.Tx, receiver string, it item, attempts int, v verdict, last bool) error
}
