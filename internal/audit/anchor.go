package audit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"careline/internal/clock"
	"careline/internal/store"
)

// AnchorEvery is how often the head is written outside the store.
const AnchorEvery = time.Hour

// Anchors is a file of heads, one JSON object in a line. It belongs where who could change the store cannot change it: it is written by
// appending only, so another machine can keep its copy.
type Anchors struct {
	path  string
	chain *Chain
	db    *store.DB
	clock clock.Clock
	log   *slog.Logger
}

// NewAnchors anchors a chain in the file at path, which is made if there is none.
func NewAnchors(path string, chain *Chain, db *store.DB, c clock.Clock, log *slog.Logger) *Anchors {
	return &Anchors{path, chain, db, c, log}
}

// Run anchors the head now and then until ctx ends, and once more then.
func (a *Anchors) Run(ctx context.Context) {
	ticker := a.clock.NewTimer(AnchorEvery)
	defer ticker.Stop()
	for {
		if err := a.Anchor(context.WithoutCancel(ctx)); err != nil {
			a.log.Error("the audit's head is not anchored", "error", err)
		}
		select {
		case <-ticker.C():
			ticker.Reset(AnchorEvery)
		case <-ctx.Done():
			if err := a.Anchor(context.WithoutCancel(ctx)); err != nil {
				a.log.Error("the audit's head is not anchored", "error", err)
			}
			return
		}
	}
}

// Anchor appends the head, unless it is the last one there already, and syncs the file.
func (a *Anchors) Anchor(ctx context.Context) error {
	var head Head
	if err := a.db.View(ctx, func(tx *store.Tx) (err error) { head, err = a.chain.Head(tx); return err }); err != nil {
		return err
	}
	known, err := ReadAnchors(a.path)
	if err != nil {
		return err
	}
	if head.Pos == 0 || len(known) > 0 && known[len(known)-1].Pos == head.Pos {
		return nil
	}
	line, err := json.Marshal(head)
	if err != nil {
		return fmt.Errorf("encode anchor: %w", err)
	}
	f, err := os.OpenFile(a.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("anchor: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("anchor: %w", err)
	}
	return nil
}

// ReadAnchors reads a file of anchors; none if there is no such file. A last line that was cut off in writing is left out.
func ReadAnchors(path string) ([]Head, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read anchors: %w", err)
	}
	whole := b[:bytes.LastIndexByte(b, '\n')+1]
	var heads []Head
	for lines := bufio.NewScanner(bytes.NewReader(whole)); lines.Scan(); {
		var h Head
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			return nil, fmt.Errorf("%w: anchor %d makes no sense: %w", ErrBroken, len(heads)+1, err)
		}
		heads = append(heads, h)
	}
	return heads, nil
}
