package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"careline/internal/errs"
	"careline/internal/store"
)

const racers = 100

// race asks for the same conversation a hundred times at once and returns the ids and how many made it.
func race(t *testing.T, r *rig, n func(i int) (*Caller, NewConversation)) (ids map[string]int, made int) {
	t.Helper()
	ids = make(map[string]int)
	var mu sync.Mutex
	var asking sync.WaitGroup
	for i := range racers {
		asking.Go(func() {
			caller, n := n(i)
			got, err := r.Create(ctx, caller, n)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[got.ID]++
			if got.Made {
				made++
			}
		})
	}
	asking.Wait()
	return ids, made
}

// TestD15OneChatForATransactionAndBusinessUser: of a hundred who create it at once one does, all get its id, and all first messages are in it.
func TestD15OneChatForATransactionAndBusinessUser(t *testing.T) {
	r := newRig(t)
	r.must(r.SetTransaction(ctx, who("admin"), "TX-1", []string{"shop", "bank"}, json.RawMessage(`{"amount":12}`)))
	ids, made := race(t, r, func(i int) (*Caller, NewConversation) {
		return who(fmt.Sprint("agent-", i%5)), NewConversation{Transaction: "TX-1", BusinessUser: "shop", ClientKey: fmt.Sprint("k", i), First: &Draft{Text: fmt.Sprint("text ", i)}}
	})
	if len(ids) != 1 || made != 1 {
		t.Fatalf("%d conversations, made %d times", len(ids), made)
	}
	for id := range ids {
		list, err := r.Messages(ctx, who("agent-1"), id, Window{Limit: 2 * racers, Kinds: []Kind{Text}})
		r.must(err)
		if len(list.Items) != racers {
			t.Errorf("%d texts", len(list.Items))
		}
		v, err := r.Get(ctx, who("agent-2"), id)
		r.must(err)
		if v.Active != 6 || v.Ticket == nil || v.Ticket.Transaction != "TX-1" || string(v.Ticket.Snapshot) != `{"amount":12}` {
			t.Errorf("%+v %+v", v, v.Ticket)
		}
	}
	// Another business user of the same transaction is another conversation under the same ticket.
	other, err := r.Create(ctx, who("agent-1"), NewConversation{Transaction: "TX-1", BusinessUser: "bank"})
	r.must(err)
	if ids[other.ID] != 0 {
		t.Error("one conversation for two business users")
	}
	n := 0
	r.must(r.db.View(ctx, func(tx *store.Tx) error {
		for range tickets.Scan(tx, store.Range[string]{}) {
			n++
		}
		return nil
	}))
	if n != 1 {
		t.Errorf("%d tickets", n)
	}
	r.verify()
}

// TestC25DirectIsOneForAPair, from either side.
func TestC25DirectIsOneForAPair(t *testing.T) {
	r := newRig(t)
	ids, made := race(t, r, func(i int) (*Caller, NewConversation) {
		two := []string{"ann", "bob"}
		return who(two[i%2]), NewConversation{Type: Direct, People: []Person{{Principal: two[1-i%2]}}}
	})
	if len(ids) != 1 || made != 1 {
		t.Errorf("%d conversations, made %d times", len(ids), made)
	}
	for id := range ids {
		_, err := r.Create(ctx, who("eve"), NewConversation{Type: Direct, People: []Person{{Principal: "eve"}}})
		isKind(t, err, errs.Invalid)
		_, err = r.Get(ctx, who("eve"), id)
		isKind(t, err, errs.NotFound)
	}
}

// TestA18IncidentOpenedTwice is the same conversation, in which both are.
func TestA18IncidentOpenedTwice(t *testing.T) {
	r := newRig(t)
	ids, made := race(t, r, func(i int) (*Caller, NewConversation) {
		return who(fmt.Sprint("op-", i%10)), NewConversation{Incident: "INC-7"}
	})
	if len(ids) != 1 || made != 1 {
		t.Fatalf("%d conversations, made %d times", len(ids), made)
	}
	medics, err := r.Create(ctx, who("op-1"), NewConversation{Incident: "INC-7", RoleSet: "medical"})
	r.must(err)
	if ids[medics.ID] != 0 {
		t.Error("one conversation for two sets of roles")
	}
	list, _, err := r.List(ctx, who("op-1"), Filter{Links: []Link{{IncidentLink, "INC-7"}}}, Spot{}, 10)
	r.must(err)
	if len(list) != 2 {
		t.Errorf("%d conversations of the incident", len(list))
	}
}

// TestRetriedGroup: groups are any number, but a retry is not another one.
func TestRetriedGroup(t *testing.T) {
	r := newRig(t)
	ids, made := race(t, r, func(i int) (*Caller, NewConversation) {
		return who("ann"), NewConversation{ClientKey: "k", People: []Person{{Principal: "bob"}}, First: &Draft{Text: "hi"}}
	})
	if len(ids) != 1 || made != 1 {
		t.Fatalf("%d conversations, made %d times", len(ids), made)
	}
	for id := range ids {
		if n := len(r.read(id, "bob")); n != 1 {
			t.Errorf("%d messages", n)
		}
	}
	again, err := r.Create(ctx, who("bob"), NewConversation{ClientKey: "k"})
	if err != nil || !again.Made {
		t.Errorf("another one's key: %+v %v", again, err)
	}
}

// TestD13BusinessUserHasToTakePart.
func TestD13BusinessUserHasToTakePart(t *testing.T) {
	r := newRig(t)
	r.must(r.SetTransaction(ctx, who("admin"), "TX-1", []string{"shop"}, nil))
	for _, n := range []NewConversation{{Transaction: "TX-1", BusinessUser: "bank"}, {Transaction: "TX-2", BusinessUser: "shop"}} {
		if _, err := r.Create(ctx, who("ann"), n); !errors.Is(err, ErrNoParty) || !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	if _, err := r.Create(ctx, who("ann"), NewConversation{Transaction: "TX-1", BusinessUser: "shop"}); err != nil {
		t.Error(err)
	}
	isKind(t, r.SetTransaction(ctx, with("ann", Create), "TX-1", nil, nil), errs.Denied)
}

// TestD6D14WhoMayBegin: chat:create, or for transactions the right to broadcast by either name.
func TestD6D14WhoMayBegin(t *testing.T) {
	r := newRig(t)
	r.must(r.SetTransaction(ctx, who("admin"), "TX-1", []string{"shop"}, nil))
	deal := NewConversation{Transaction: "TX-1", BusinessUser: "shop"}
	for permission, want := range map[Permission][2]bool{
		Create: {true, true}, BroadcastLiteral: {true, false}, Broadcast: {true, false}, Write: {false, false},
	} {
		_, err := r.Create(ctx, with("ann", permission), deal)
		if (err == nil) != want[0] || err != nil && !errs.Is(err, errs.Denied) {
			t.Errorf("%s, transaction: %v", permission, err)
		}
		_, err = r.Create(ctx, with("ann", permission), NewConversation{})
		if (err == nil) != want[1] || err != nil && !errs.Is(err, errs.Denied) {
			t.Errorf("%s, group: %v", permission, err)
		}
	}
}

// TestD16MessageIsAppended to the chat that is there.
func TestD16MessageIsAppended(t *testing.T) {
	r := newRig(t)
	r.must(r.SetTransaction(ctx, who("admin"), "TX-1", []string{"shop"}, nil))
	n := NewConversation{Transaction: "TX-1", BusinessUser: "shop", ClientKey: "a", First: &Draft{Text: "one"}}
	first, err := r.Create(ctx, who("ann"), n)
	r.must(err)
	n.ClientKey, n.First = "b", &Draft{Text: "two"}
	second, err := r.Create(ctx, who("ann"), n)
	r.must(err)
	if !first.Made || second.Made || first.ID != second.ID || first.First.Seq != 1 || second.First.Seq != 2 {
		t.Errorf("%+v %+v", first, second)
	}
}

// TestD4C2PlacesOfPeople: role, state, times and marks in each conversation.
func TestD4C2PlacesOfPeople(t *testing.T) {
	r := newRig(t)
	made, err := r.Create(ctx, who("ann"), NewConversation{Role: SupervisorRole, People: []Person{{Principal: "bot", Kin: AI}, {Principal: "cli", Kin: Contact, Organization: "acme"}}})
	r.must(err)
	v, err := r.Get(ctx, who("bot"), made.ID)
	r.must(err)
	if v.Me.Kin != AI || v.Me.Role != AIRole || v.Me.State != In || !v.Me.JoinedAt.Equal(r.clock.Now()) {
		t.Errorf("%+v", v.Me)
	}
	for _, bad := range []Person{{Principal: ""}, {Principal: "x", Kin: "robot"}, {Principal: "x", Role: "boss"}, {Principal: "x", Role: SystemRole}, {Principal: "a\u202eb"}} {
		_, err := r.Create(ctx, who("ann"), NewConversation{People: []Person{bad}})
		isKind(t, err, errs.Invalid)
	}
}
