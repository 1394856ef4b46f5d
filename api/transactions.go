package api

import (
	"context"
	"encoding/json"
	"net/http"

	"careline/internal/errs"
)

// TransactionFacts is what chats need to know of a transaction.
type TransactionFacts struct {
	Parties []string `json:"parties" maxItems:"1000" doc:"Ids of the business users whose wallets take part" example:"shop-12"`
	Details any      `json:"details,omitempty" doc:"Shown in chats about the transaction as its ticket's snapshot, which keeps what was known when the first one began"`
}

func (a *API) registerTransactions() {
	register(a, operation{
		id: "setTransaction", method: http.MethodPut, path: "/v1/transactions/{transactionId}", tag: "Conversations", need: Transactions,
		summary: "Tell who takes part in a transaction", about: "A chat about a transaction can be begun only with a business user who takes part in it.",
		request: TransactionFacts{Parties: []string{"shop-12"}},
	}, a.setTransaction)
}

func (a *API) setTransaction(ctx context.Context, in *struct {
	TransactionID string `path:"transactionId" maxLength:"256" doc:"The transaction's id" example:"TX-9001"`
	Body          TransactionFacts
}) (*empty, error) {
	var details json.RawMessage
	if in.Body.Details != nil {
		var err error
		if details, err = json.Marshal(in.Body.Details); err != nil {
			return nil, errs.New(errs.Invalid, "the details are no JSON")
		}
	}
	return nil, a.chats.SetTransaction(ctx, chatCallerOf(ctx), in.TransactionID, in.Body.Parties, details)
}
