package call

import (
	"slices"
	"testing"

	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
	"careline/sfu"
)

func TestACallHasAConversation(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	pair := []Person{{Identity: "ines"}, {Identity: "okoye"}}
	direct, _, err := b.Create(ctx, NewCall{Kind: Direct, People: pair}, Creator{APIKey: "key"})
	if err != nil || direct.Conversation != "ines+okoye" || b.threads.calls["ines+okoye"] != direct.ID {
		t.Fatalf("%+v %v", direct, err)
	}
	broadcast, _, err := b.Create(ctx, NewCall{Kind: Broadcast, People: []Person{{Identity: "host", Role: Host}, {Identity: "viewer"}}}, Creator{APIKey: "key"})
	if err != nil || !slices.Equal(b.threads.people[broadcast.Conversation], []string{"host"}) {
		t.Errorf("the audience is in the thread: %v %v", b.threads.people[broadcast.Conversation], err)
	}
	silent, _, err := b.Create(ctx, NewCall{Kind: Direct, NoChat: true, People: pair}, Creator{APIKey: "key"})
	if err != nil || silent.Conversation != "" {
		t.Errorf("%+v %v", silent, err)
	}
	for room, want := range map[string]string{direct.ID: "ines+okoye", silent.ID: "", "no-call": ""} {
		if got, ok, err := b.Conversation(ctx, room); err != nil || got != want || ok != (want != "") {
			t.Errorf("%s: %q %v %v", room, got, ok, err)
		}
	}
	if _, _, err := b.Create(ctx, NewCall{Kind: Direct, NoChat: true, Conversation: "c"}, Creator{APIKey: "key"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("no chat in a conversation: %v", err)
	}
}

// A conversation has one call at a time: the one in which somebody is, or the newest.
func TestAConversationHasOneCall(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	n := NewCall{Kind: Conference, Conversation: "thread", People: []Person{{Identity: "ines", Role: Host}}}
	first, _, err := b.Create(ctx, n, Creator{APIKey: "key"})
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := b.Create(ctx, n, Creator{APIKey: "key"})
	if err != nil {
		t.Fatalf("instead of one in which nobody is: %v", err)
	}
	if old, err := b.Get(ctx, first.ID); err != nil || old.EndReason != "replaced" || !slices.Contains(b.rooms.deleted, first.ID) {
		t.Errorf("%+v %v", old, err)
	}
	b.happened(sfu.EventParticipantJoined, second.ID, "ines", "PA_1", livekit.DisconnectReason_UNKNOWN_REASON)
	eventually(t, "ines to be in it", func() bool { p, _ := b.Participant(ctx, second.ID, "ines"); return p.Standing == Present })
	if _, _, err := b.Create(ctx, n, Creator{APIKey: "key"}); !errs.Is(err, errs.Conflict) {
		t.Errorf("beside one in which somebody is: %v", err)
	}
	if _, err := b.End(ctx, second.ID, "ines", ""); err != nil || b.threads.calls["thread"] != "" {
		t.Errorf("after the end the thread has %q: %v", b.threads.calls["thread"], err)
	}
}
