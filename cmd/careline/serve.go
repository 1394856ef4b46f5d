package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"careline/configs"
	"careline/internal/heap"
	"careline/internal/redact"
	"careline/internal/systemd"
	"careline/server"
)

type serveCommand struct {
	configFlags
	WebDir   string `help:"Serve the pages from this folder, not from the binary." placeholder:"DIR" type:"path"`
	LogLevel string `help:"debug, info, warn or error." placeholder:"LEVEL"`
}

// Run serves until the process is told to stop; a second signal ends it at
// once. SIGHUP reloads the configuration, except in development, where it
// comes from a terminal that was closed and stops the server too.
func (c *serveCommand) Run(p *process) error {
	cfg, err := c.read(p)
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(cfg.Log.SlogLevel())
	logger := newLogger(cfg.Log.Format, level, p)
	s, err := server.New(cfg, server.Options{Logger: logger, LogLevel: level, Version: currentVersion()})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	heap.Raise() // from now on: what starting left is collected as ever
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if cfg.Development {
		ends = append(ends, syscall.SIGHUP)
	}
	defer endBySignals(cancel, p, ends...)()
	supervisor := systemd.New(p.environ)
	context.AfterFunc(ctx, func() { c.tell(supervisor.Stopping(), logger) })
	if cfg.Development {
		if err := printLinks(s, p); err != nil {
			s.Close()
			return fmt.Errorf("print the links: %w", err)
		}
	} else {
		var reloading sync.WaitGroup
		defer reloading.Wait()
		defer cancel()
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
		reloading.Go(func() { c.reload(ctx, p, s, hangups, supervisor, logger) })
	}
	c.tell(supervisor.Ready(), logger) // the sockets are open: who connects now is served
	return s.Run(ctx)
}

// endBySignals calls stop at the first of the signals; a second one ends the
// process as if nobody listened, whatever still goes on. The function that it
// returns lets go of them.
func endBySignals(stop func(), p *process, ends ...os.Signal) (release func()) {
	signals, released := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, ends...)
	go func() {
		select {
		case <-signals:
			stop()
		case <-released:
			return
		}
		select {
		case second := <-signals:
			fmt.Fprintln(p.stderr, "careline: a second signal ends the process at once:", second)
			code := exitFailure
			if number, ok := second.(syscall.Signal); ok {
				code = exitSignal + int(number)
			}
			os.Exit(code)
		case <-released:
		}
	}()
	return func() {
		signal.Stop(signals)
		close(released)
	}
}

// reload reads the configuration again at each signal until ctx ends.
func (c *serveCommand) reload(ctx context.Context, p *process, s *server.Server, hangups <-chan os.Signal, supervisor *systemd.Notifier, logger *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		c.tell(supervisor.Reloading(), logger)
		cfg, err := c.read(p)
		if err == nil {
			err = s.Reload(cfg)
		}
		if err != nil {
			logger.Error("the configuration was not reloaded; the old one stays", "error", err)
		}
		c.tell(supervisor.Ready(), logger)
	}
}

// tell logs that the supervisor could not be told something.
func (c *serveCommand) tell(err error, logger *slog.Logger) {
	if err != nil {
		logger.Warn("the service manager was not told", "error", err)
	}
}

func (c *serveCommand) read(p *process) (*configs.Config, error) {
	var flags []configs.Flag
	if c.WebDir != "" {
		flags = append(flags, configs.Flag{Key: "web.dir", Value: c.WebDir, Name: "--web-dir"})
	}
	if c.LogLevel != "" {
		flags = append(flags, configs.Flag{Key: "log.level", Value: c.LogLevel, Name: "--log-level"})
	}
	return c.load(p, flags...)
}

func newLogger(format string, level slog.Leveler, p *process) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return redact.Logger(slog.New(slog.NewJSONHandler(p.stderr, options)))
	}
	return redact.Logger(slog.New(slog.NewTextHandler(p.stderr, options)))
}

// printLinks writes links to try a call with. They go to standard output and
// not through the log, because they hold tokens. With TLS the second is for a
// phone in the same network.
func printLinks(s *server.Server, p *process) error {
	call, err := s.NewCall("")
	if err != nil {
		return err
	}
	urls := s.URLs()
	second, where := urls[0], "In another browser or window"
	if s.TLS() && len(urls) > 1 {
		second, where = urls[1], "On a phone in the same network (accept the certificate)"
	}
	_, err = fmt.Fprintf(p.stdout, `
  Careline for development: %s

  A call for two, for 6 hours. In one browser:

    %s%s

  %s:

    %s%s

`, urls[0], urls[0], call.Links[0].URL, where, second, call.Links[1].URL)
	return err
}
