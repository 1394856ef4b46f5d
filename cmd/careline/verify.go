package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"careline/internal/store"
	"careline/server"
)

type verifyCommand struct {
	Audit verifyAuditCommand `cmd:"" help:"Read the audit's whole chain of records and compare it with itself and with its anchors."`
}

type verifyAuditCommand struct {
	configFlags
	Anchors string `help:"Compare with this copy of the anchors, kept on another machine, too." placeholder:"FILE" type:"path"`
}

// Run says how many records there are, or which one is not what was written. The server must not run.
func (c *verifyAuditCommand) Run(p *process) error {
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
	_, err = fmt.Fprintf(p.stdout, "%d audit records, each as it was written\n", records)
	return err
}
