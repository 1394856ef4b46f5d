package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// stop ends what Run started, from the outside in, within the configured time.
// What has not ended after nine tenths of it is cut; what cannot even be cut
// is left to the end of the process. Both are in the error.
func (s *Server) stop(stopMedia context.CancelFunc, media <-chan struct{}, serving *sync.WaitGroup) error {
	s.life.stopping.Store(true)
	s.log.Info("stopping", "timeout", s.cfg.ShutdownTimeout)
	begin := time.Now()
	hard, cancel := context.WithTimeout(context.Background(), s.cfg.ShutdownTimeout)
	defer cancel()
	soft, cancel := context.WithTimeout(hard, s.cfg.ShutdownTimeout*9/10)
	defer cancel()

	var errs []error
	for _, step := range []struct {
		doing string
		do    func() error
	}{
		{"end sessions", func() error { return s.rooms.Shutdown(soft) }},
		{"close signalling", func() error { return s.signal.Close(soft) }},
		{"end feeds", func() error {
			s.calls.endFeeds()
			return nil
		}},
		{"finish HTTP requests", func() error {
			err := s.http.Shutdown(soft)
			if err != nil {
				err = errors.Join(err, s.http.Close())
			}
			serving.Wait()
			return err
		}},
		{"end media", func() error {
			stopMedia()
			<-media
			return nil
		}},
		{"write who was in calls", s.calls.close},
		{"keep what was written in calls", s.bridge.close},
		{"write what was read", s.chats.close},
		{"deliver webhooks", func() error { return s.hooks.close(soft) }},
		{"close the store", s.storage.close}, // last: nobody writes any more
	} {
		if err := within(hard, step.do); err != nil {
			s.log.Warn("cut at the end of shutdown_timeout", "doing", step.doing, "error", err)
			errs = append(errs, fmt.Errorf("%s: %w", step.doing, err))
		}
	}
	s.closing.Do(func() {})
	s.log.Info("stopped", "after", time.Since(begin).Round(time.Millisecond))
	return errors.Join(errs...)
}

// within runs f, and returns without it when ctx ends first.
func within(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		select {
		case err := <-done:
			return err
		default:
			return ctx.Err()
		}
	}
}
