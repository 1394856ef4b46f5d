package call

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/internal/errs"
	"careline/sfu"
)

var ctx = context.Background()

func (b *bench) create(n NewCall) (Call, []Joining) {
	b.t.Helper()
	c, joining, err := b.Create(ctx, n, Creator{APIKey: "key", Identity: "desk"})
	if err != nil {
		b.t.Fatal(err)
	}
	return c, joining
}

func (b *bench) want(what string, err, want error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestDirectCallIsBetweenTwo(t *testing.T) {
	b := newBench(t)
	c, joining := b.create(NewCall{Kind: Direct, Title: "call back", People: []Person{{Identity: "ann", Name: "Ann"}}})
	if len(joining) != 1 || joining[0].Token != "key:ann" || joining[0].Participant.Role != Party || c.CreatedBy != "key/desk" {
		t.Fatalf("%+v, %+v", c, joining)
	}
	// The other place is taken by who comes first, however many come at once.
	var wg sync.WaitGroup
	let := make(chan string, 8)
	for _, identity := range []string{"ben", "cleo", "dan", "eve"} {
		wg.Go(func() {
			switch _, err := b.join(c.ID, identity); {
			case err == nil:
				let <- identity
			case !errors.Is(err, ErrBetweenTwo):
				t.Errorf("%s: %v", identity, err)
			}
		})
	}
	wg.Wait()
	close(let)
	if len(let) != 1 {
		t.Fatalf("%d got the second place", len(let))
	}
	second := <-let
	for _, identity := range []string{"ann", second} {
		r, err := b.join(c.ID, identity)
		if err != nil || r.RoomConfig.MaxParticipants != 2 || r.Attributes[RoleAttribute] != "party" || !r.Permission.CanPublish || r.Audience {
			t.Errorf("%s: %+v, %v", identity, r, err)
		}
	}
	_, err := b.join(c.ID, "frank")
	b.want("a third", err, ErrBetweenTwo)
	if _, err := b.Name(ctx, c.ID, Person{Identity: "frank"}); !errors.Is(err, ErrBetweenTwo) {
		t.Errorf("a third was named: %v", err)
	}
	// Recorders and agents are no party.
	if err := b.Admit(&sfu.JoinRequest{Room: c.ID, Identity: "agent", Kind: livekit.ParticipantInfo_AGENT, Permission: &livekit.ParticipantPermission{}}); err != nil {
		t.Errorf("an agent: %v", err)
	}
	// A room that is no call is left alone.
	if r, err := b.join("some-room", "ann"); err != nil || r.RoomConfig != nil || r.Attributes != nil {
		t.Errorf("another room: %+v, %v", r, err)
	}
}

func TestConferenceLocksAndBans(t *testing.T) {
	b := newBench(t)
	c, _ := b.create(NewCall{Kind: Conference, People: []Person{{Identity: "host", Role: Host}, {Identity: "op", Role: Operator}, {Identity: "late"}}})
	if r, err := b.join(c.ID, "stranger"); err != nil || r.Attributes[RoleAttribute] != "guest" {
		t.Fatalf("a stranger: %+v, %v", r, err)
	}
	b.happened(sfu.EventParticipantJoined, c.ID, "stranger", "PA_1", 0)
	eventually(t, "the stranger's record", func() bool { p, _ := b.Participant(ctx, c.ID, "stranger"); return p.Standing == Present })
	yes := true
	if _, err := b.Change(ctx, c.ID, Change{Locked: &yes}); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for identity, want := range map[string]error{"host": nil, "op": nil, "stranger": nil, "late": ErrLocked, "nobody": ErrLocked} {
			_, err := b.join(c.ID, identity)
			b.want(when+", "+identity, err, want)
		}
	}
	check("locked")
	if err := b.Remove(ctx, c.ID, "stranger", "host", Removal{Ban: true}); err != nil {
		t.Fatal(err)
	}
	_, err := b.join(c.ID, "stranger")
	b.want("the banned", err, ErrBanned)
	b.want("the banned, resuming", b.Readmit(c.ID, "stranger"), ErrBanned)
	if len(b.rooms.removed) != 1 || b.rooms.removed[0] != "stranger" {
		t.Errorf("removed %v", b.rooms.removed)
	}
	if _, err := b.Token(ctx, c.ID, "stranger"); !errors.Is(err, ErrBanned) {
		t.Errorf("a token for the banned: %v", err)
	}

	// All of it survives a restart.
	b.stop()
	b.start()
	_, err = b.join(c.ID, "stranger")
	b.want("the banned after a restart", err, ErrBanned)
	if list, err := b.Bans(ctx, c.ID); err != nil || len(list) != 1 || list[0].By != "host" {
		t.Errorf("bans %v, %v", list, err)
	}
	if err := b.Unban(ctx, c.ID, "stranger"); err != nil {
		t.Fatal(err)
	}
	check("after a restart")

	// Ended, nobody gets in or back.
	if _, err := b.End(ctx, c.ID, "host", "done"); err != nil {
		t.Fatal(err)
	}
	for _, identity := range []string{"host", "stranger", "nobody"} {
		_, err := b.join(c.ID, identity)
		b.want("ended, "+identity, err, ErrOver)
	}
	b.want("ended, resuming", b.Readmit(c.ID, "host"), ErrOver)
	if again, err := b.End(ctx, c.ID, "another", "again"); err != nil || again.EndedBy != "host" || len(b.rooms.deleted) != 2 {
		t.Errorf("ended twice: %+v, %v, %v", again, err, b.rooms.deleted)
	}
	if _, err := b.Change(ctx, c.ID, Change{Locked: &yes}); !errors.Is(err, ErrOver) {
		t.Errorf("a change of an ended call: %v", err)
	}
}

func TestBroadcast(t *testing.T) {
	b := newBench(t)
	c, joining := b.create(NewCall{Kind: Broadcast, People: []Person{{Identity: "host", Role: Host}, {Identity: "sam", Role: Speaker}, {Identity: "vera"}}})
	if joining[2].Participant.Role != Viewer {
		t.Errorf("who has no role is %s", joining[2].Participant.Role)
	}
	for identity, publishes := range map[string]bool{"host": true, "sam": true, "vera": false, "stranger": false} {
		r, err := b.join(c.ID, identity)
		if err != nil || r.Permission.CanPublish != publishes || r.Audience == publishes || !r.Permission.CanSubscribe {
			t.Errorf("%s: %+v, %v", identity, r, err)
		}
	}
	// A hand goes up, the viewer is let speak, in the room and after a new join, and silenced.
	b.rooms.enter("vera")
	if err := b.Hand(ctx, c.ID, "vera", true); err != nil || b.rooms.inside["vera"].Attributes[sfu.HandAttribute] == "" {
		t.Errorf("the hand: %v", err)
	}
	for _, may := range []bool{true, false} {
		if _, err := b.LetSpeak(ctx, c.ID, "vera", may); err != nil {
			t.Fatal(err)
		}
		p := b.rooms.inside["vera"]
		if p.Permission.CanPublish != may || p.Attributes[sfu.HandAttribute] != "" || !p.Permission.CanSubscribe {
			t.Errorf("let speak %v: %v", may, p)
		}
		if r, err := b.join(c.ID, "vera"); err != nil || r.Permission.CanPublish != may || !r.Audience {
			t.Errorf("a new join, let speak %v: %+v, %v", may, r, err)
		}
	}
	if _, err := b.LetSpeak(ctx, c.ID, "sam", true); !errs.Is(err, errs.Conflict) {
		t.Errorf("a speaker was let speak: %v", err)
	}
	if _, err := b.LetSpeak(ctx, c.ID, "nobody", true); !errors.Is(err, ErrNoParticipant) {
		t.Errorf("nobody was let speak: %v", err)
	}
	if err := b.Hand(ctx, c.ID, "nobody", true); !errors.Is(err, ErrNoParticipant) {
		t.Errorf("nobody's hand: %v", err)
	}
}

func TestWaitingRoom(t *testing.T) {
	b := newBench(t)
	c, _ := b.create(NewCall{Kind: Conference, WaitingRoom: true, People: []Person{{Identity: "host", Role: Host}, {Identity: "named"}}})
	for identity, want := range map[string]error{"host": nil, "named": nil, "stranger": ErrWaiting} {
		_, err := b.join(c.ID, identity)
		b.want(identity, err, want)
	}
	b.happened(sfu.EventParticipantJoined, c.ID, "host", "PA_1", 0)
	eventually(t, "the host's record", func() bool { p, _ := b.Participant(ctx, c.ID, "host"); return p.Standing == Present })

	i, code, err := b.Invite(ctx, c.ID, NewInvite{MaxUses: 1})
	if err != nil || i.Role != Guest {
		t.Fatalf("%+v, %v", i, err)
	}
	e, err := b.Redeem(ctx, code, "", "Gus\u202e")
	if err != nil || !e.Waiting || e.Joining.Token != "" || e.Ticket == "" || e.Joining.Participant.Name != "Gus" {
		t.Fatalf("%+v, %v", e, err)
	}
	guest := e.Joining.Participant.Identity
	eventually(t, "the host to hear of it", func() bool {
		b.rooms.mu.Lock()
		defer b.rooms.mu.Unlock()
		for _, r := range b.rooms.sent {
			if strings.Contains(string(r.Data), `"waiting"`) && len(r.DestinationIdentities) == 1 && r.DestinationIdentities[0] == "host" {
				return true
			}
		}
		return false
	})
	_, err = b.join(c.ID, guest)
	b.want("the guest before it is let in", err, ErrWaiting)
	if _, err := b.Redeem(ctx, code, "", "Another"); !errors.Is(err, ErrNoInvite) {
		t.Errorf("a link for one was used twice: %v", err)
	}
	if _, err := b.Redeem(ctx, code, "wrong", ""); !errors.Is(err, ErrNoInvite) {
		t.Errorf("a wrong ticket: %v", err)
	}
	if _, err := b.LetIn(ctx, c.ID, guest); err != nil {
		t.Fatal(err)
	}
	if e, err := b.Redeem(ctx, code, e.Ticket, ""); err != nil || e.Waiting || e.Joining.Token != "key:"+guest {
		t.Errorf("let in: %+v, %v", e, err)
	}
	if _, err := b.join(c.ID, guest); err != nil {
		t.Errorf("the guest who was let in: %v", err)
	}
	// Sent away from the waiting room, a guest's place is gone.
	if err := b.Remove(ctx, c.ID, "stranger", "host", Removal{Ban: false}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Participant(ctx, c.ID, "stranger"); !errors.Is(err, ErrNoParticipant) {
		t.Errorf("who was sent away: %v", err)
	}
}

func TestInvitations(t *testing.T) {
	b := newBench(t)
	c, _ := b.create(NewCall{Kind: Conference, Life: 3 * time.Hour, People: []Person{{Identity: "host", Role: Host}}})
	short, shortCode, err := b.Invite(ctx, c.ID, NewInvite{Life: time.Minute, Name: "Mrs. Low"})
	if err != nil {
		t.Fatal(err)
	}
	long, longCode, err := b.Invite(ctx, c.ID, NewInvite{Life: 24 * time.Hour})
	if err != nil || !long.ExpiresAt.Equal(c.ExpiresAt) {
		t.Fatalf("%+v, %v", long, err)
	}
	first, err := b.Redeem(ctx, shortCode, "", "ignored")
	if err != nil || first.Joining.Participant.Name != "Mrs. Low" || first.Joining.Token == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := b.Redeem(ctx, shortCode, "", "")
	if err != nil || second.Joining.Participant.Identity == first.Joining.Participant.Identity {
		t.Errorf("two guests are one: %v", err)
	}
	b.clock.Advance(2 * time.Minute)
	if _, err := b.Redeem(ctx, shortCode, "", ""); !errors.Is(err, ErrNoInvite) {
		t.Errorf("an expired link: %v", err)
	}
	if e, err := b.Redeem(ctx, shortCode, first.Ticket, ""); err != nil || e.Joining.Participant.Identity != first.Joining.Participant.Identity {
		t.Errorf("who came by it in time comes back: %v", err)
	}
	if err := b.Revoke(ctx, c.ID, long.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Redeem(ctx, longCode, "", ""); !errors.Is(err, ErrNoInvite) {
		t.Errorf("a revoked link: %v", err)
	}
	if _, err := b.Redeem(ctx, "guess", "", ""); !errors.Is(err, ErrNoInvite) {
		t.Errorf("a guess: %v", err)
	}
	if err := b.Revoke(ctx, "call-other", short.ID); !errors.Is(err, ErrNoInvite) {
		t.Errorf("another call's link was revoked: %v", err)
	}
	if list, err := b.Invites(ctx, c.ID); err != nil || len(list) != 2 {
		t.Errorf("%v, %v", list, err)
	}
	for _, n := range []NewInvite{{Role: Host}, {Role: Viewer}, {Life: -1}, {MaxUses: -1}, {Name: strings.Repeat("x", 300)}} {
		if _, _, err := b.Invite(ctx, c.ID, n); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v", n, err)
		}
	}
	b.clock.Advance(3 * time.Hour)
	if _, err := b.Redeem(ctx, shortCode, first.Ticket, ""); !errors.Is(err, ErrOver) {
		t.Errorf("after the call: %v", err)
	}
}

func TestLegs(t *testing.T) {
	b := newBench(t)
	c, _ := b.create(NewCall{Kind: Conference, People: []Person{{Identity: "ann", Role: Host}}})
	place := func() Participant { p, _ := b.Participant(ctx, c.ID, "ann"); return p }
	start := b.clock.Now()
	b.happened(sfu.EventParticipantJoined, c.ID, "ann", "PA_1", 0)
	eventually(t, "her coming", func() bool { return place().Standing == Present })
	b.clock.Advance(time.Minute)
	b.happened(sfu.EventParticipantJoined, c.ID, "ann", "PA_2", 0)
	b.happened(sfu.EventParticipantLeft, c.ID, "ann", "PA_1", livekit.DisconnectReason_DUPLICATE_IDENTITY)
	eventually(t, "her second session", func() bool { return place().Joins == 2 })
	b.clock.Advance(time.Minute)
	b.happened(sfu.EventParticipantLeft, c.ID, "ann", "PA_2", livekit.DisconnectReason_CLIENT_INITIATED)
	eventually(t, "her leaving", func() bool { return place().Standing == Gone })
	p := place()
	if !p.FirstJoin.Equal(start) || !p.Left.Equal(start.Add(2*time.Minute)) || p.Reason != "client_initiated" || p.Joins != 2 ||
		p.Device.SDK != "js" || p.Device.Browser != "Chromium" || p.Quality != "good" {
		t.Errorf("%+v, %+v", p, p.Device)
	}
	// An agent is in the room and no party of the call; another room is none of ours.
	b.Observe(sfu.Event{Kind: sfu.EventParticipantJoined, Room: &livekit.Room{Name: c.ID}, Participant: &livekit.ParticipantInfo{Identity: "agent", Sid: "PA_3"}})
	b.Observe(sfu.Event{Kind: sfu.EventParticipantJoined, Room: &livekit.Room{Name: "ward"}, Participant: &livekit.ParticipantInfo{Identity: "ann", Sid: "PA_4"}})
	eventually(t, "everything written", func() bool { return b.Stats().Waiting == 0 })
	if list, err := b.Participants(ctx, c.ID, "", 10, func(*Participant) bool { return true }); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if lost := b.Stats().Lost; lost != 0 {
		t.Errorf("%d events lost", lost)
	}
}

func TestMute(t *testing.T) {
	b := newBench(t)
	c, _ := b.create(NewCall{Kind: Conference, People: []Person{{Identity: "ann"}}})
	b.rooms.enter("ann", &livekit.TrackInfo{Sid: "TR_mic", Type: livekit.TrackType_AUDIO}, &livekit.TrackInfo{Sid: "TR_cam", Type: livekit.TrackType_VIDEO})
	if n, err := b.Mute(ctx, c.ID, "ann", true, false); err != nil || n != 1 || b.rooms.muted[0] != "TR_mic" {
		t.Errorf("%d, %v, %v", n, err, b.rooms.muted)
	}
	if n, err := b.Mute(ctx, c.ID, "ann", true, true); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := b.Mute(ctx, c.ID, "ben", true, true); !errors.Is(err, ErrNoParticipant) {
		t.Error(err)
	}
}

func TestBadCalls(t *testing.T) {
	b := newBench(t)
	many := make([]Person, maxNamed+1)
	for what, n := range map[string]NewCall{
		"no kind":         {},
		"three parties":   {Kind: Direct, People: []Person{{Identity: "a"}, {Identity: "b"}, {Identity: "c"}}},
		"no identity":     {Kind: Direct, People: []Person{{}}},
		"bidi identity":   {Kind: Direct, People: []Person{{Identity: "a\u202eb"}}},
		"twice":           {Kind: Direct, People: []Person{{Identity: "a"}, {Identity: "a"}}},
		"foreign role":    {Kind: Direct, People: []Person{{Identity: "a", Role: Host}}},
		"long name":       {Kind: Direct, People: []Person{{Identity: "a", Name: strings.Repeat("x", 300)}}},
		"long title":      {Kind: Direct, Title: strings.Repeat("x", 201)},
		"title of lines":  {Kind: Direct, Title: "a\nb"},
		"for ever":        {Kind: Direct, Life: 31 * 24 * time.Hour},
		"negative":        {Kind: Direct, Life: -1},
		"waiting of two":  {Kind: Direct, WaitingRoom: true},
		"too many":        {Kind: Conference, People: many},
		"too large links": {Kind: Conference, Links: map[string]string{"incident": strings.Repeat("x", 300)}},
		"empty link":      {Kind: Conference, Links: map[string]string{"": "x"}},
	} {
		if _, _, err := b.Create(ctx, n, Creator{APIKey: "key"}); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if list, err := b.List(ctx, Place{}, 10, func(*Call) bool { return true }); err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestList(t *testing.T) {
	b := newBench(t)
	var ids []string
	for range 5 {
		b.clock.Advance(time.Second)
		c, _ := b.create(NewCall{Kind: Direct})
		ids = append([]string{c.ID}, ids...)
	}
	var got []string
	var after Place
	for range 3 {
		page, err := b.List(ctx, after, 2, func(*Call) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page {
			got = append(got, c.ID)
			after = Place{At: c.CreatedAt, ID: c.ID}
		}
	}
	if strings.Join(got, " ") != strings.Join(ids, " ") {
		t.Errorf("%v, want %v", got, ids)
	}
}
