package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"careline/configs"
	"careline/internal/store"
	"careline/server"
)

type backupCommand struct {
	configFlags
	To string `required:"" help:"File to write; one that exists is not replaced." placeholder:"FILE" type:"path"`
}

// Run writes a backup and reads it again. It works beside a running server, which it asks, and without one.
func (c *backupCommand) Run(p *process) error {
	cfg, err := c.loadData(p)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	f, err := os.OpenFile(c.To, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usageError{fmt.Errorf("--to: %w", err)}
	}
	if err := errors.Join(fill(ctx, cfg, f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.To))
	}
	_, err = fmt.Fprintf(p.stdout, "%s holds the backup of %s\n", c.To, server.StorePath(cfg.DataDir))
	return err
}

func fill(ctx context.Context, cfg *configs.Config, f *os.File) error {
	if err := server.Backup(ctx, cfg, f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the backup again: %w", err)
	}
	if err := store.CheckBackup(f); err != nil {
		return fmt.Errorf("read the backup again: %w", err)
	}
	return nil
}

type restoreCommand struct {
	configFlags
	From string `required:"" help:"Backup to read." placeholder:"FILE" type:"path"`
}

// Run makes a store of a backup where there is none.
func (c *restoreCommand) Run(p *process) error {
	cfg, err := c.loadData(p)
	if err != nil {
		return err
	}
	f, err := os.Open(c.From)
	if err != nil {
		return usageError{fmt.Errorf("--from: %w", err)}
	}
	defer func() { _ = f.Close() }() // only read
	path := server.StorePath(cfg.DataDir)
	switch err := store.Restore(path, f); {
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("%s exists and is not replaced: stop the server and move the file away first", path)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s holds what was in %s\n", path, c.From)
	return err
}

// loadData reads the configuration for its data_dir and admin.address only.
func (f configFlags) loadData(p *process) (*configs.Config, error) {
	cfg, err := configs.Load(configs.LoadOptions{File: f.Config, Dev: f.Dev, Environ: p.environ})
	if problems := concerning(err, "data_dir", "admin"); len(problems) > 0 {
		return nil, usageError{wrong(problems)}
	}
	if cfg.DataDir == "" {
		return nil, usageError{errors.New("data_dir: expected a folder, since without one development keeps nothing")}
	}
	return cfg, nil
}

// concerning returns the problems of an error that are about the whole file or about one of some sections.
func concerning(err error, sections ...string) (list []error) {
	for _, err := range configs.Problems(err) {
		problem, ok := errors.AsType[*configs.Problem](err)
		ours := !ok || problem.Key == ""
		for _, section := range sections {
			ours = ours || strings.HasPrefix(problem.Key, section)
		}
		if ours {
			list = append(list, err)
		}
	}
	return list
}
