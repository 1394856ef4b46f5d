package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"careline/configs"
	"careline/server"
)

type backupCommand struct {
	configFlags
	To     string `help:"File to write everything to but the keys; one that exists is not replaced." placeholder:"FILE" type:"path"`
	KeysTo string `help:"File to write the keys to; what --to has cannot be read without them. Keep it elsewhere, and only the newest." placeholder:"FILE" type:"path"`
}

// Run writes backups and reads them again. It works beside a running server, which it asks, and without one. The keys come last: then they
// open everything that the other backup has.
func (c *backupCommand) Run(p *process) error {
	cfg, err := c.loadData(p)
	if err != nil {
		return err
	}
	if c.To == "" && c.KeysTo == "" {
		return usageError{errors.New("expected --to FILE, --keys-to FILE, or both")}
	}
	if c.To == c.KeysTo {
		return usageError{errors.New("--keys-to: expected another file than --to: keys are kept apart from what they open")}
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if c.To != "" {
		held, err := fill(c.To, "--to", func(f *os.File) error { return server.Backup(ctx, cfg, f) })
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(p.stdout, "%s holds the backup of %s: the store, and the files that people sent: %d\n", c.To, cfg.DataDir, held.Files); err != nil {
			return err
		}
		for _, id := range held.Missing {
			fmt.Fprintf(p.stderr, "careline: file %s is missing in %s\n", id, cfg.DataDir)
		}
	}
	if c.KeysTo != "" {
		if _, err := fill(c.KeysTo, "--keys-to", func(f *os.File) error { return server.BackupKeys(ctx, cfg, f) }); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(p.stdout, "%s holds the keys of %s, under the master key, which is not in it\n", c.KeysTo, cfg.DataDir); err != nil {
			return err
		}
	}
	return nil
}

// fill makes a file of a backup, or none.
func fill(name, flag string, save func(*os.File) error) (held server.Archived, err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return held, usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	if err = save(f); err == nil {
		if err = f.Sync(); err != nil {
			err = fmt.Errorf("write the backup: %w", err)
		}
	}
	if err == nil {
		if held, err = server.CheckBackup(f); err != nil {
			err = fmt.Errorf("read the backup again: %w", err)
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return held, errors.Join(err, os.Remove(name))
	}
	return held, nil
}

type restoreCommand struct {
	configFlags
	From     string `help:"Backup to read." placeholder:"FILE" type:"path"`
	KeysFrom string `help:"Backup of the keys to read. Take the newest there is: an older one would bring back what was erased." placeholder:"FILE" type:"path"`
}

// Run makes a store and its files of a backup where there is no store, and keys where there are none.
func (c *restoreCommand) Run(p *process) error {
	cfg, err := c.loadData(p)
	if err != nil {
		return err
	}
	if c.From == "" && c.KeysFrom == "" {
		return usageError{errors.New("expected --from FILE, --keys-from FILE, or both")}
	}
	for _, part := range []struct {
		flag, from, to string
		restore        func(*os.File) error
	}{
		{"--keys-from", c.KeysFrom, server.KeyPath(cfg.DataDir), func(f *os.File) error { return server.RestoreKeys(cfg.DataDir, f) }},
		{"--from", c.From, server.StorePath(cfg.DataDir), func(f *os.File) error { return server.Restore(cfg.DataDir, f) }},
	} {
		if part.from == "" {
			continue
		}
		f, err := os.Open(part.from)
		if err != nil {
			return usageError{fmt.Errorf("%s: %w", part.flag, err)}
		}
		err = part.restore(f)
		_ = f.Close() // only read
		switch {
		case errors.Is(err, os.ErrExist):
			return fmt.Errorf("%s exists and is not replaced: stop the server and move the file away first", part.to)
		case err != nil:
			return err
		}
		if _, err := fmt.Fprintf(p.stdout, "%s holds what was in %s\n", part.to, part.from); err != nil {
			return err
		}
	}
	return nil
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
