package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/internal/seal"
	"careline/internal/store"
)

const (
	replayLife    = 24 * time.Hour
	replaysSwept  = 64 // expired answers that are deleted with each new one
	replayTimeout = 5 * time.Second
)

var maxIdempotencyKey = 255

// replay is the answer to a request that was sent with an idempotency key. Requests and answers have names and tokens in them: they are sealed
// by the idempotency key, which only the client has.
type replay struct {
	Digest  []byte    `json:"digest"` // stands for the body of the request
	Status  int       `json:"status"`
	Type    string    `json:"type"`
	Box     []byte    `json:"box"` // the sealed body of the answer
	Expires time.Time `json:"expires"`
}

// replayKey is a SHA-256 of who asked, for what and with which key.
type replayKey = string

var (
	replayTable  = store.NewTable("api_replays", store.String[replayKey](), store.JSON[replay]())
	replayExpiry = store.NewIndex(replayTable, "expires", store.Time(), func(_ replayKey, r replay) []time.Time { return []time.Time{r.Expires} })
)

// replays gives a retried request the answer of the first one. Answers are kept in the store for a day; of requests with the same key at the
// same time, the later ones wait.
type replays struct {
	// immutable
	store *store.DB
	clock clock.Clock

	mu sync.Mutex
	// guarded by mu
	under map[replayKey]chan struct{} // requests that are being answered; closed when they are
}

func newReplays(db *store.DB, c clock.Clock) *replays {
	return &replays{store: db, clock: c, under: make(map[replayKey]chan struct{})}
}

// serve answers from the store, or by next. An answer is kept unless it is the server's fault or a refusal that a later retry may not meet.
func (s *replays) serve(w http.ResponseWriter, r *http.Request, who *auth.Claims, next http.Handler, log *slog.Logger) {
	given := r.Header.Get(idempotencyKey)
	if len(given) > maxIdempotencyKey || len(r.Header.Values(idempotencyKey)) > 1 {
		writeProblem(w, newProblem(http.StatusBadRequest, "the idempotency key is too long or given twice"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			status = http.StatusRequestEntityTooLarge
		}
		writeProblem(w, newProblem(status, "the body cannot be read"))
		return
	}
	key := replayKeyOf(who, r, given)
	sealing, err := seal.KeyOf(given, "replay")
	if err != nil {
		log.Error("make the key of an answer", "error", err)
		writeProblem(w, asProblem(err))
		return
	}
	digest := sealing.Name(body)
	release, err := s.claim(r.Context(), key)
	if err != nil {
		return // the client is gone
	}
	defer release()
	var found replay
	err = s.store.View(r.Context(), func(tx *store.Tx) (err error) {
		found, err = replayTable.Get(tx, key)
		return err
	})
	switch {
	case err == nil && found.Expires.After(s.clock.Now()):
		if !bytes.Equal(found.Digest, digest) {
			writeProblem(w, problemOf("idempotency-mismatch", "the key was used with another body"))
			return
		}
		first, err := sealing.Open(found.Box, key)
		if err != nil {
			log.Error("open an earlier answer", "error", err)
			writeProblem(w, asProblem(err))
			return
		}
		w.Header().Set("Idempotent-Replay", "true")
		w.Header().Set("Content-Type", found.Type)
		w.WriteHeader(found.Status)
		_, _ = w.Write(first)
		return
	case err != nil && !errs.Is(err, errs.NotFound):
		log.Error("look for an earlier answer", "error", err)
		writeProblem(w, asProblem(err))
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := &recorder{ResponseWriter: w}
	next.ServeHTTP(answer, r)
	if !answer.lasts() {
		return
	}
	now := s.clock.Now().UTC()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), replayTimeout)
	defer cancel()
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		old := make([]replayKey, 0, replaysSwept)
		for _, k := range replayExpiry.Keys(tx, store.Range[time.Time]{To: &now, Limit: replaysSwept}) {
			old = append(old, k)
		}
		for _, k := range old {
			if err := replayTable.Delete(tx, k); err != nil {
				return err
			}
		}
		return replayTable.Put(tx, key, replay{
			Digest: digest, Status: answer.status, Type: w.Header().Get("Content-Type"), Box: sealing.Seal(answer.body.Bytes(), key), Expires: now.Add(replayLife),
		})
	})
	if err != nil {
		log.Error("keep an answer for retries", "error", err)
	}
}

func replayKeyOf(who *auth.Claims, r *http.Request, given string) replayKey {
	h := sha256.New()
	for _, part := range []string{who.APIKey, who.Identity, r.Method, r.URL.Path, given} {
		_, _ = h.Write([]byte(part))
		_, _ = h.Write([]byte{0})
	}
	return string(h.Sum(nil))
}

// claim waits until nobody else answers the same request.
func (s *replays) claim(ctx context.Context, key replayKey) (release func(), err error) {
	for {
		s.mu.Lock()
		other := s.under[key]
		if other == nil {
			mine := make(chan struct{})
			s.under[key] = mine
			s.mu.Unlock()
			return func() {
				s.mu.Lock()
				delete(s.under, key)
				s.mu.Unlock()
				close(mine)
			}, nil
		}
		s.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// recorder passes an answer on and keeps a copy.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	_, _ = r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) lasts() bool {
	switch r.status {
	case 0, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusTooManyRequests:
		return false
	}
	return r.status < http.StatusInternalServerError
}
