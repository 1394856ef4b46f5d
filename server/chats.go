package server

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"careline/chat"
	"careline/internal/attachment"
	"careline/internal/audit"
	"careline/internal/blob"
	"careline/internal/event"
	"careline/internal/search"
)

// chats is the part of the server that keeps conversations, with their log and their audit.
type chats struct {
	*chat.Service
	log     *event.Log
	chain   *audit.Chain
	anchors *audit.Anchors
	blobs   *blob.Store
	files   *attachment.Service
	index   *search.Index
	logger  *slog.Logger

	cancel  context.CancelFunc // nil until run
	running sync.WaitGroup
}

// anchorsFile in data_dir holds heads of the audit's chain.
const anchorsFile = "audit.anchors"

// newChats makes conversations over the store and the keys.
func (s *Server) newChats(opts Options) (*chats, error) {
	chain := audit.New(opts.Clock)
	c := &chats{
		log:     event.NewLog(s.storage.db, opts.Clock, opts.Logger),
		logger:  opts.Logger,
		chain:   chain,
		anchors: audit.NewAnchors(filepath.Join(s.storage.dir, anchorsFile), chain, s.storage.db, opts.Clock, opts.Logger),
	}
	if err := c.openFiles(s, opts); err != nil {
		return nil, err
	}
	if err := c.openSearch(s, opts); err != nil {
		return nil, errors.Join(err, c.blobs.Close())
	}
	const day = 24 * time.Hour
	c.Service = chat.New(chat.Config{
		Files: chat.KeptFiles(c.files), Log: c.log, Chain: chain, Vault: s.storage.vault, Verify: s.verifyAudit,
		EraseElsewhere: func(ctx context.Context, principal string) error { return s.calls.Erase(ctx, principal) },
		EditWindow:     s.cfg.Chat.EditWindow, DeletedLife: time.Duration(s.cfg.Chat.DeletedDays) * day, EventLife: time.Duration(s.cfg.Chat.EventDays) * day,
		Clock: opts.Clock, Logger: opts.Logger,
	})
	return c, nil
}

// run begins to write how far people have read, and to anchor the audit.
func (c *chats) run(s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.running.Go(func() { c.Service.Run(ctx) })
	c.running.Go(func() { c.anchors.Run(ctx) })
	c.running.Go(func() { c.RunRetention(ctx) })
	c.running.Go(func() {
		if err := c.RunFeed(ctx); err != nil {
			c.logger.Error("nobody is told what happens in conversations", "error", err)
		}
	})
	c.runFiles(ctx)
	c.runSearch(ctx, s)
}

// close writes what still waits.
func (c *chats) close() error {
	if c.cancel != nil {
		c.cancel()
		c.running.Wait()
	}
	return errors.Join(c.index.Close(), c.blobs.Close())
}
