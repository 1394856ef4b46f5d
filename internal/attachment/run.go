package attachment

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"careline/internal/errs"
	"careline/internal/scan"
	"careline/internal/store"
)

const (
	batch = 64
	// every is how often Run looks for what has ended.
	every = time.Minute
	// firstRetry and lastRetry bound how long a file waits after the scanner failed.
	firstRetry, lastRetry = 10 * time.Second, 30 * time.Minute
	// scanning is how many files are scanned at once.
	scanning = 2
)

func (s *Service) ring() {
	select {
	case s.wake <- struct{}{}:
	default: // rung already
	}
}

// Run has files scanned and ends what has waited too long. It returns nil when ctx ends.
func (s *Service) Run(ctx context.Context) error {
	tick := s.opts.Clock.NewTicker(every)
	defer tick.Stop()
	for {
		err := errors.Join(s.expire(ctx), s.scan(ctx))
		if err != nil && ctx.Err() == nil {
			s.opts.Logger.Error("attachments could not be looked after", "error", err)
		}
		wait := s.opts.Clock.NewTimer(s.nextScan(ctx))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-tick.C():
		case <-wait.C():
		case <-s.wake:
		}
		wait.Stop()
	}
}

// expire ends uploads that were not finished and files that were not attached in time.
func (s *Service) expire(ctx context.Context) error {
	now := s.opts.Clock.Now().UTC()
	due := store.Range[time.Time]{To: &now, Limit: batch}
	for more := true; more; {
		var gone, left []string
		err := s.opts.DB.View(ctx, func(tx *store.Tx) error {
			for _, id := range byExpiry.Keys(tx, due) {
				gone = append(gone, id)
			}
			for _, id := range byEnd.Keys(tx, due) {
				left = append(left, id)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("find what has ended: %w", err)
		}
		if len(gone)+len(left) == 0 {
			return nil
		}
		if err := s.opts.DB.Update(ctx, func(tx *store.Tx) error { return s.end(tx, gone, left, now) }); err != nil {
			return fmt.Errorf("end what was not finished: %w", err)
		}
		more = len(gone) == batch || len(left) == batch
	}
	return nil
}

func (s *Service) end(tx *store.Tx, gone, left []string, now time.Time) error {
	for _, id := range gone {
		u, err := uploads.Get(tx, id)
		if err == nil {
			err = s.drop(tx, &u)
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	for _, id := range left {
		r, err := rows.Get(tx, id)
		if err == nil && r.Ties == 0 && r.Ends.Before(now) {
			err = s.remove(tx, &r)
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}

// nextScan returns how long it is until a file is due for the scanner again.
func (s *Service) nextScan(ctx context.Context) time.Duration {
	wait := every
	err := s.opts.DB.View(ctx, func(tx *store.Tx) error {
		for at := range byScan.Keys(tx, store.Range[time.Time]{Limit: 1}) {
			wait = min(wait, at.Sub(s.opts.Clock.Now()))
		}
		return nil
	})
	if err != nil {
		return every
	}
	return max(wait, time.Second) // what is due and could not be written down is not tried in a hurry
}

// scan has the files scanned whose time has come.
func (s *Service) scan(ctx context.Context) error {
	for {
		now := s.opts.Clock.Now().UTC().Add(1)
		var due []row
		err := s.opts.DB.View(ctx, func(tx *store.Tx) error {
			for _, r := range byScan.Scan(tx, store.Range[time.Time]{To: &now, Limit: batch}) {
				due = append(due, r)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("find what is to be scanned: %w", err)
		}
		if len(due) == 0 {
			return nil
		}
		turn := make(chan struct{}, scanning)
		failed := make([]error, len(due))
		var running sync.WaitGroup
		for i := range due {
			turn <- struct{}{}
			running.Go(func() {
				failed[i] = s.scanOne(ctx, &due[i])
				<-turn
			})
		}
		running.Wait()
		if err := errors.Join(failed...); err != nil {
			return err
		}
	}
}

// scanOne has a file scanned and writes down what the scanner said. While it cannot be asked the file stays pending.
func (s *Service) scanOne(ctx context.Context, r *row) error {
	verdict, err := s.ask(ctx, r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.opts.Logger.Warn("a file could not be scanned, which is tried again", "attachment", r.ID, "error", err)
	}
	now := s.opts.Clock.Now().UTC()
	told := false
	err = s.opts.DB.Update(ctx, func(tx *store.Tx) error {
		told = false
		f, getErr := rows.Get(tx, r.ID)
		if errs.Is(getErr, errs.NotFound) || getErr == nil && f.Scan != scan.Pending {
			return nil // gone meanwhile
		}
		if getErr != nil {
			return getErr
		}
		if err != nil {
			f.NextScan = now.Add(min(lastRetry, firstRetry<<min(f.Scans, 10)))
			f.Scans++
			return rows.Put(tx, f.ID, f)
		}
		f.Scan, f.Signature, f.NextScan = verdict.State, verdict.Signature, time.Time{}
		if err := rows.Put(tx, f.ID, f); err != nil {
			return err
		}
		if s.opts.Scanned == nil {
			return nil
		}
		told = true
		return s.opts.Scanned(tx, f.File)
	})
	if err == nil && told && s.opts.Rang != nil {
		s.opts.Rang()
	}
	return err
}

// ask asks the scanner. Where there was one when the file came and is none any more, the file is let through.
func (s *Service) ask(ctx context.Context, r *row) (scan.Verdict, error) {
	if s.opts.Scanner == nil {
		return scan.Verdict{State: scan.Skipped, Signature: "no scanner"}, nil
	}
	content, err := s.opts.Blobs.Open(ctx, r.Blob)
	if err != nil {
		return scan.Verdict{}, err
	}
	verdict, err := s.opts.Scanner.Scan(ctx, content)
	err = errors.Join(err, content.Close())
	if err == nil && verdict.State != scan.Clean && verdict.State != scan.Infected && verdict.State != scan.Skipped {
		err = fmt.Errorf("%w: it says %q", scan.ErrScanner, verdict.State)
	}
	return verdict, err
}
