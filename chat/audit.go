package chat

import (
	"context"
	"errors"
	"io"

	"careline/internal/audit"
	"careline/internal/store"
)

// Audit returns records after a position, oldest first. That they were read is recorded too.
func (s *Service) Audit(ctx context.Context, caller *Caller, after uint64, limit int) (list []audit.Record, err error) {
	if err := caller.needs(AuditRead); err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx *store.Tx) error {
		list = s.cfg.Chain.After(tx, after, limit)
		_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: "audit.read", Object: "audit", From: caller.From})
		return err
	})
	return list, err
}

// ExportAudit returns what writes the whole audit as JSON lines, the last of which is its head, signed. That it was exported is recorded first.
func (s *Service) ExportAudit(ctx context.Context, caller *Caller) (write func(context.Context, io.Writer) error, err error) {
	if err := caller.needs(AuditRead); err != nil {
		return nil, err
	}
	err = s.update(ctx, func(tx *store.Tx) error {
		_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: "audit.exported", Object: "audit", From: caller.From})
		return err
	})
	return func(ctx context.Context, w io.Writer) error {
		return s.cfg.Chain.Export(ctx, s.cfg.Log, w, s.cfg.Vault.Signer)
	}, err
}

// VerifyAudit reads the whole chain and compares it with its anchors. broken says where it is not what was written.
func (s *Service) VerifyAudit(ctx context.Context, caller *Caller) (records uint64, broken, err error) {
	if err := caller.needs(AuditRead); err != nil {
		return 0, nil, err
	}
	records, err = s.cfg.Verify(ctx)
	if errors.Is(err, audit.ErrBroken) {
		return records, err, nil
	}
	return records, nil, err
}
