package server

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"careline/internal/webhook"
)

// hooks is the part of the server that tells others by HTTP.
type hooks struct {
	outbox   *webhook.Outbox
	notifier *webhook.Notifier // in LiveKit's format
	hooks    *webhook.Hooks    // registered by the API

	cancel  context.CancelFunc // nil until run
	running sync.WaitGroup
}

func (s *Server) newHooks(opts Options) *hooks {
	h := &hooks{outbox: webhook.NewOutbox(webhook.Config{Store: s.storage.db, Logger: opts.Logger, Clock: opts.Clock})}
	h.notifier = webhook.NewNotifier(h.outbox, webhook.NotifierConfig{URLs: s.cfg.Webhooks.URLs, Sign: s.signWebhook})
	h.hooks = webhook.NewHooks(h.outbox, webhook.HooksConfig{Log: s.chats.log, Vault: s.storage.vault, Allowed: s.cfg.Webhooks.AllowedNetworks})
	return h
}

// run begins to deliver, first what an earlier process left.
func (h *hooks) run(failed chan<- error) {
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	h.running.Go(func() { h.notifier.Run(ctx) })
	h.running.Go(func() { h.hooks.Run(ctx) })
	h.running.Go(func() {
		if err := h.outbox.Run(ctx); err != nil {
			failed <- fmt.Errorf("run webhooks: %w", err)
		}
	})
}

// close writes down what was told and delivers what is due, until ctx ends. The rest waits for the next start.
func (h *hooks) close(ctx context.Context) error {
	err := errors.Join(h.notifier.Close(ctx), h.outbox.Close(ctx))
	if h.cancel != nil {
		h.cancel()
		h.running.Wait()
	}
	return err
}
