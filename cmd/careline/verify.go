package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"careline/configs"
	"careline/internal/store"
	"careline/server"
)

type verifyCommand struct {
	Audit  verifyAuditCommand  `cmd:"" help:"Read the audit's whole chain of records and compare it with itself and with its anchors."`
	Export verifyExportCommand `cmd:"" help:"Check that an exported archive is what the server handed out."`
}

type verifyAuditCommand struct {
	configFlags
	Anchors string `help:"Compare with this copy of the anchors, kept on another machine, too." placeholder:"FILE" type:"path"`
	exported
	File string `help:"Check this exported audit instead, against the server's key." placeholder:"FILE" type:"path"`
}

// Run says how many records there are, or which one is not what was written. The server must not run, unless it is an export that is checked.
func (c *verifyAuditCommand) Run(p *process) error {
	if c.File != "" {
		cfg, err := c.configuration(p, &c.configFlags)
		if err != nil {
			return err
		}
		records, err := server.VerifyAuditExport(cfg, c.File, c.PublicKey)
		if err != nil {
			return err
		}
		return written(p, records)
	}
	cfg, err := c.loadData(p)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	records, err := server.VerifyAudit(ctx, cfg, c.Anchors)
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("%w: ask it, GET /v1/audit/verify, or verify a restored backup", err)
	}
	if err != nil {
		return err
	}
	return written(p, records)
}

func written(p *process, records uint64) error {
	_, err := fmt.Fprintf(p.stdout, "%d audit records, each as it was written\n", records)
	return err
}

// exported is by which key an export is checked.
type exported struct {
	PublicKey string `help:"Of the server that exported it, in base64, as its exports name it; without, that of the configuration's master key." placeholder:"KEY"`
}

// configuration is that of which the key is, where none is given.
func (e *exported) configuration(p *process, flags *configFlags) (*configs.Config, error) {
	if e.PublicKey != "" {
		return new(configs.Config), nil
	}
	return flags.loadData(p)
}

type verifyExportCommand struct {
	configFlags
	exported
	File string `required:"" help:"Archive to check." placeholder:"FILE" type:"path"`
}

// Run says what the archive is, or why it is not what was exported.
func (c *verifyExportCommand) Run(p *process) error {
	cfg, err := c.configuration(p, &c.configFlags)
	if err != nil {
		return err
	}
	m, err := server.VerifyExport(cfg, c.File, c.PublicKey)
	if err != nil {
		return err
	}
	what := "conversation " + m.Conversation
	if m.UserID != "" {
		what = "what conversations hold of " + m.UserID
	}
	_, err = fmt.Fprintf(p.stdout, "%s as %s exported it at %s: %d files, each as it was\n", what, m.ExportedBy, m.ExportedAt.Format(time.RFC3339), len(m.Files))
	for _, left := range m.LeftOut {
		_, more := fmt.Fprintf(p.stdout, "attachment %s was left out: %s\n", left.Attachment, left.Reason)
		err = errors.Join(err, more)
	}
	return err
}
