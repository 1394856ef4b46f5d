package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"careline/configs"
	"careline/internal/audit"
	"careline/internal/clock"
)

// VerifyAudit checks the audit of a data_dir that no server uses. extra is another file of anchors, empty for none.
func VerifyAudit(ctx context.Context, cfg *configs.Config, extra string) (records uint64, err error) {
	if _, err := os.Stat(StorePath(cfg.DataDir)); err != nil {
		return 0, fmt.Errorf("verify the audit: %w", err)
	}
	var anchors []audit.Head
	for _, path := range []string{filepath.Join(cfg.DataDir, anchorsFile), extra} {
		if path == "" {
			continue
		}
		list, err := audit.ReadAnchors(path)
		if err != nil {
			return 0, err
		}
		anchors = append(anchors, list...)
	}
	db, err := OpenStore(cfg.DataDir, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return 0, err
	}
	records, err = audit.New(clock.Real{}).Verify(ctx, db, anchors)
	return records, errors.Join(err, db.Close())
}

// verifyAudit checks the audit of the running server.
func (s *Server) verifyAudit(ctx context.Context) (uint64, error) {
	anchors, err := audit.ReadAnchors(filepath.Join(s.storage.dir, anchorsFile))
	if err != nil {
		return 0, err
	}
	return s.chats.chain.Verify(ctx, s.storage.db, anchors)
}
