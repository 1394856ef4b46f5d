package chat

import (
	"context"
	"encoding/json"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/event"
	"careline/internal/store"
)

// Ticket is the root of conversations about one thing.
type Ticket struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"` // transaction
	Transaction string    `json:"transaction,omitempty"`
	Snapshot    []byte    `json:"snapshot,omitempty"` // of what it is about, sealed
	CreatedAt   time.Time `json:"created_at"`
	CreatedBy   string    `json:"created_by"`
}

// TransactionTicket is the kind of the tickets of transactions.
const TransactionTicket = "transaction"

// deal is what was told of a transaction.
type deal struct {
	Parties []string  `json:"parties"`
	Details []byte    `json:"details,omitempty"` // sealed JSON
	At      time.Time `json:"at"`
	By      string    `json:"by"`
}

var (
	tickets = store.NewTable("chat_tickets", store.String[string](), store.JSON[Ticket]())
	deals   = store.NewTable("chat_transactions", store.String[string](), store.JSON[deal]())

	byTransaction = store.NewUnique(tickets, "transaction", store.String[string](), func(_ string, t Ticket) []string { return some(t.Transaction) })
)

const (
	maxParties  = 1000
	maxSnapshot = 32 << 10 // bytes

	snapshotPlace = "snapshot"
)

// dealScope names the key of what is known of a transaction.
func dealScope(transaction string) string { return "transaction/" + transaction }

// known is the Directory of the transactions that were told.
type known struct {
	log interface {
		View(context.Context, func(*store.Tx) error) error
	}
	s *Service
}

// TakesPart implements Directory. Of a transaction that nobody told, nobody takes part.
func (k *known) TakesPart(ctx context.Context, transaction, businessUser string) (bool, json.RawMessage, error) {
	var d deal
	err := k.log.View(ctx, func(tx *store.Tx) (err error) {
		d, err = deals.Get(tx, transaction)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	for _, p := range d.Parties {
		if p == businessUser {
			details, err := k.s.openDeal(ctx, transaction, d.Details)
			return true, details, err
		}
	}
	return false, nil, nil
}

func (s *Service) sealDeal(ctx context.Context, transaction string, details json.RawMessage) ([]byte, error) {
	if len(details) == 0 {
		return nil, nil
	}
	key, err := s.cfg.Vault.Key(ctx, dealScope(transaction))
	if err != nil {
		return nil, notStored(err)
	}
	return key.Seal(details, snapshotPlace), nil
}

func (s *Service) openDeal(ctx context.Context, transaction string, box []byte) (json.RawMessage, error) {
	if len(box) == 0 {
		return nil, nil
	}
	key, err := s.cfg.Vault.Find(ctx, dealScope(transaction))
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return key.Open(box, snapshotPlace)
}

// SetTransaction tells who takes part in a transaction, and what is to be shown of it to those who chat about it.
func (s *Service) SetTransaction(ctx context.Context, caller *Caller, transaction string, parties []string, details json.RawMessage) error {
	if err := caller.needs(Transactions); err != nil {
		return err
	}
	if !validID(transaction) || len(parties) > maxParties || len(details) > maxSnapshot {
		return errs.New(errs.Invalid, "the id of the transaction is not valid, or it has too many parties or details")
	}
	for _, p := range parties {
		if !validID(p) {
			return errs.New(errs.Invalid, "the id of a party is not valid")
		}
	}
	box, err := s.sealDeal(ctx, transaction, details)
	if err != nil {
		return err
	}
	return s.update(ctx, func(tx *store.Tx) error {
		if err := deals.Put(tx, transaction, deal{Parties: parties, Details: box, At: s.cfg.Clock.Now().UTC(), By: caller.Principal}); err != nil {
			return err
		}
		_, err := s.cfg.Chain.Append(tx, audit.Entry{Actor: caller.Principal, Action: "transaction.set", Object: "transaction/" + transaction, From: caller.From})
		return err
	})
}

// prepareTicket makes the ticket that a conversation about a transaction hangs on, unless there is one.
func (s *Service) prepareTicket(ctx context.Context, caller *Caller, n *NewConversation, details json.RawMessage) (*Ticket, error) {
	if n.Type != Transaction {
		return nil, nil
	}
	box, err := s.sealDeal(ctx, n.Transaction, details)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Clock.Now().UTC()
	return &Ticket{ID: newID(now), Kind: TransactionTicket, Transaction: n.Transaction, Snapshot: box, CreatedAt: now, CreatedBy: caller.Principal}, nil
}

// ticketLinked is the type of the event of a new ticket.
const ticketLinked event.Type = "ticket.linked"

// takeTicket writes a ticket, or finds the one that the transaction has.
func (s *Service) takeTicket(tx *store.Tx, t *Ticket) (string, error) {
	id, _, err := byTransaction.Get(tx, t.Transaction)
	if err == nil || !errs.Is(err, errs.NotFound) {
		return id, err
	}
	if err := tickets.Insert(tx, t.ID, *t); err != nil {
		return "", err
	}
	return t.ID, s.record(tx, "ticket/"+t.ID, ticketLinked, t.CreatedBy, map[string]string{"kind": t.Kind}, audit.Entry{})
}
