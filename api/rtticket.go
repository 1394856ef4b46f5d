package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
)

const (
	ticketPrefix = "rt-"
	ticketLife   = 30 * time.Second

	maxTickets          = 20_000
	maxTicketsPerPerson = 20
)

var (
	errTicket      = newProblem(http.StatusUnauthorized, "the ticket is not valid: it was used, or is too old")
	errTokenInPath = newProblem(http.StatusUnauthorized, "a token does not belong into the address of a feed: send it in the Authorization header, or exchange it for a ticket")
	errManyTickets = errs.New(errs.Limit, "too many tickets wait to be used")
)

// tickets let their holders open one feed each, by an address: browsers cannot send a token with a WebSocket.
type tickets struct {
	// immutable
	clock clock.Clock

	mu sync.Mutex
	// guarded by mu
	open map[ticketKey]*ticket
	of   map[string][]*ticket // by person, oldest first
}

type ticketKey = [sha256.Size]byte

type ticket struct {
	key     ticketKey
	holder  follower
	expires time.Time
}

func newTickets(c clock.Clock) *tickets {
	return &tickets{clock: c, open: make(map[ticketKey]*ticket), of: make(map[string][]*ticket)}
}

// issue makes a ticket. A person's oldest makes room for a new one.
func (t *tickets) issue(who follower) (string, time.Time, error) {
	text := ticketPrefix + rand.Text() + rand.Text()
	now := t.clock.Now()
	made := &ticket{sha256.Sum256([]byte(text)), who, now.Add(ticketLife)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= maxTickets {
		for _, old := range t.open {
			if !now.Before(old.expires) {
				t.dropLocked(old)
			}
		}
		if len(t.open) >= maxTickets {
			return "", time.Time{}, errManyTickets
		}
	}
	if mine := t.of[who.caller.Principal]; len(mine) >= maxTicketsPerPerson {
		t.dropLocked(mine[0])
	}
	t.open[made.key] = made
	t.of[who.caller.Principal] = append(t.of[who.caller.Principal], made)
	return text, made.expires, nil
}

// redeem takes a ticket back, once.
func (t *tickets) redeem(text string) (follower, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.open[sha256.Sum256([]byte(text))] // by hash, so that the time of looking tells nothing about others
	if found == nil {
		return follower{}, errTicket
	}
	t.dropLocked(found)
	if !t.clock.Now().Before(found.expires) {
		return follower{}, errTicket
	}
	return found.holder, nil
}

func (t *tickets) dropLocked(old *ticket) {
	delete(t.open, old.key)
	who := old.holder.caller.Principal
	if t.of[who] = slices.DeleteFunc(t.of[who], func(other *ticket) bool { return other == old }); len(t.of[who]) == 0 {
		delete(t.of, who)
	}
}

// FeedTicket opens one feed.
type FeedTicket struct {
	Ticket    string    `json:"ticket" doc:"For the query parameter access_token of one feed" example:"rt-QX5LZ3NV7R2M4T6W8Y0A1C3E5G"`
	ExpiresAt time.Time `json:"expires_at" example:"2026-11-21T08:00:30Z"`
}

func (a *API) makeTicket(ctx context.Context, _ *empty) (*body[FeedTicket], error) {
	who, err := a.follow(requestOf(ctx))
	if err != nil {
		return nil, err
	}
	text, expires, err := a.tickets.issue(who)
	return &body[FeedTicket]{FeedTicket{text, expires.UTC()}}, err
}

// redeemOr returns who a feed's request comes from: by its ticket, or as every request of the API.
func (a *API) redeemOr(r *http.Request) (follower, error) {
	given := r.URL.Query()["access_token"]
	switch {
	case len(given) == 0 || len(r.Header.Values("Authorization")) > 0:
		return a.follow(r)
	case len(given) > 1:
		return follower{}, unidentified(auth.ErrDuplicate)
	case !strings.HasPrefix(given[0], ticketPrefix):
		return follower{}, errTokenInPath
	}
	who, err := a.tickets.redeem(given[0])
	if err == nil && !who.holds() {
		err = unidentified(auth.ErrRevoked)
	}
	return who, err
}

// follow returns who a request comes from, as feeds know people.
func (a *API) follow(r *http.Request) (who follower, err error) {
	claims, holds, err := a.auth.Follow(r)
	if err != nil {
		return who, unidentified(err)
	}
	c, err := allowChat(claims, ChatList)
	if err != nil {
		return who, err
	}
	return follower{c.chat, claims.Expires.Add(auth.Leeway), holds}, nil
}

// unidentified gives an error of package auth its status.
func unidentified(err error) error {
	return errors.Join(newProblem(auth.StatusOf(err), err.Error()), err)
}
