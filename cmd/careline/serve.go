package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"careline/configs"
	"careline/internal/redact"
	"careline/server"
)

type serveCommand struct {
	configFlags
	WebDir   string `help:"Serve the pages from this folder, not from the binary." placeholder:"DIR" type:"path"`
	LogLevel string `help:"debug, info, warn or error." placeholder:"LEVEL"`
}

// Run serves until the process is told to stop; a second signal ends it at
// once.
func (c *serveCommand) Run(p *process) error {
	var flags []configs.Flag
	if c.WebDir != "" {
		flags = append(flags, configs.Flag{Key: "web.dir", Value: c.WebDir, Name: "--web-dir"})
	}
	if c.LogLevel != "" {
		flags = append(flags, configs.Flag{Key: "log.level", Value: c.LogLevel, Name: "--log-level"})
	}
	cfg, err := c.load(p, flags...)
	if err != nil {
		return err
	}
	s, err := server.New(cfg, server.Options{Logger: newLogger(cfg.Log, p), Version: currentVersion()})
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel) // from then on a signal has its usual effect
	if cfg.Development {
		if err := printLinks(s, p); err != nil {
			s.Close()
			return fmt.Errorf("print the links: %w", err)
		}
	}
	return s.Run(ctx)
}

func newLogger(cfg configs.Log, p *process) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.SlogLevel(), ReplaceAttr: redact.Attr}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(p.stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.stderr, options))
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
