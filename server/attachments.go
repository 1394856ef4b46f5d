package server

import (
	"context"
	"path/filepath"
	"time"

	"careline/chat"
	"careline/internal/attachment"
	"careline/internal/blob"
	"careline/internal/inspect"
	"careline/internal/scan"
	"careline/internal/store"
)

// blobFolder in data_dir holds files.
const blobFolder = "blobs"

// longestScan bounds how long the scanner may take for a file.
const longestScan = 5 * time.Minute

// openFiles opens the folder of files, beside the store that knows them.
func (c *chats) openFiles(s *Server, opts Options) (err error) {
	c.blobs, err = blob.New(blob.Options{
		Folder: filepath.Join(s.storage.dir, blobFolder), DB: s.storage.db, Vault: s.storage.vault, Logger: opts.Logger, Clock: opts.Clock,
	})
	if err != nil {
		return err
	}
	cfg := s.cfg.Attachments
	var scanner scan.Scanner
	if cfg.Clamd != "" {
		scanner = scan.NewClamd(cfg.Clamd, longestScan)
	}
	c.files = attachment.New(attachment.Options{
		DB: s.storage.db, Blobs: c.blobs, Vault: s.storage.vault, Scope: chat.FileScope, Scanner: scanner, Policy: attachment.Policy(cfg.Metadata),
		Deny: inspect.DefaultDeny(), Limits: attachment.Limits{File: int64(cfg.MaxSize)},
		Scanned: func(tx *store.Tx, f attachment.File) error { return c.Scanned(tx, f) }, Rang: c.log.Ring, // the conversations come after the files
		Clock: opts.Clock, Logger: opts.Logger,
	})
	return nil
}

// runFiles begins to look after files.
func (c *chats) runFiles(ctx context.Context) {
	c.running.Go(func() { _ = c.blobs.Run(ctx) }) // never fails: it logs what it cannot do
	c.running.Go(func() { _ = c.files.Run(ctx) }) // the same
}
