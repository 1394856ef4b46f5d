package chat

import (
	"context"
	"errors"

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
