package call

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/livekit/protocol/livekit"

	"careline/sfu"
)

// holds returns the files below a folder in which a text stands.
func holds(t *testing.T, dir, text string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestErasePerson: what an erased person was called and used, how it called its calls, and the invitation by which it came are gone from every
// byte of the data; what is known of others stays, and so do identities, times and numbers.
func TestErasePerson(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	const marker = "MARKER-of-ann"
	mine, _, err := b.Create(ctx, NewCall{Kind: Conference, Title: marker, People: []Person{{Identity: "ann", Name: marker, Role: Host}, {Identity: "bob", Name: "Name of bob"}}}, Creator{"key", "ann"})
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := b.Create(ctx, NewCall{Kind: Conference, Title: "Title of bob"}, Creator{"key", "bob"})
	if err != nil {
		t.Fatal(err)
	}
	_, code, err := b.Invite(ctx, other.ID, NewInvite{Name: marker})
	if err != nil {
		t.Fatal(err)
	}
	entry, err := b.Redeem(ctx, code, "", "not this")
	if err != nil {
		t.Fatal(err)
	}
	guest := entry.Joining.Participant
	if again, err := b.Redeem(ctx, code, entry.Ticket, ""); guest.Name != marker || err != nil || again.Joining.Participant.Name != marker {
		t.Errorf("the guest is called %q, then %q: %v", guest.Name, again.Joining.Participant.Name, err)
	}
	enter := func(call, identity, sid, name, model string, role Role) {
		b.Observe(sfu.Event{
			Kind: sfu.EventParticipantJoined, At: b.clock.Now(), Room: &livekit.Room{Name: call},
			Participant: &livekit.ParticipantInfo{Identity: identity, Sid: sid, Name: name, Attributes: map[string]string{RoleAttribute: string(role)}},
			Client:      &livekit.ClientInfo{Sdk: livekit.ClientInfo_SWIFT, DeviceModel: model},
		})
	}
	enter(mine.ID, "ann", "s1", marker, marker, Host)
	enter(mine.ID, "bob", "s2", "Name of bob", "Phone of bob", Guest)
	enter(other.ID, "ann", "s3", marker, marker, Guest) // whom nobody named
	legs := func(call string) []Leg {
		t.Helper()
		list, err := b.Legs(ctx, call, Place{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	person := func(call, identity string) Participant {
		t.Helper()
		p, err := b.Participant(ctx, call, identity)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	eventually(t, "the legs", func() bool { return len(legs(mine.ID)) == 2 && len(legs(other.ID)) == 1 })
	if c, err := b.Get(ctx, mine.ID); err != nil || c.Title != marker {
		t.Errorf("%+v %v", c, err)
	}
	if p := person(mine.ID, "ann"); p.Name != marker || p.Device.Model != marker {
		t.Errorf("%+v", p)
	}
	if l := legs(other.ID)[0]; l.Device == nil || l.Device.Model != marker {
		t.Errorf("%+v", l)
	}
	for _, who := range []string{"ann", guest.Identity, "nobody", "ann"} {
		if err := b.Erase(ctx, who); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := b.Get(ctx, mine.ID); err != nil || c.Title != "" {
		t.Errorf("%+v %v", c, err)
	}
	if c, err := b.Get(ctx, other.ID); err != nil || c.Title != "Title of bob" {
		t.Errorf("%+v %v", c, err)
	}
	for _, p := range []Participant{person(mine.ID, "ann"), person(other.ID, "ann"), person(other.ID, guest.Identity)} {
		if p.Name != "" || p.Device != nil || p.Box != nil || p.Since.IsZero() {
			t.Errorf("%+v", p)
		}
	}
	if p := person(mine.ID, "bob"); p.Name != "Name of bob" || p.Device.Model != "Phone of bob" {
		t.Errorf("%+v", p)
	}
	for _, l := range append(legs(mine.ID), legs(other.ID)...) {
		if (l.Device != nil) != (l.Identity == "bob") || l.JoinedAt.IsZero() || l.Session == "" {
			t.Errorf("%+v", l)
		}
	}
	if list, err := b.Invites(ctx, other.ID); err != nil || len(list) != 1 || list[0].Name != "" {
		t.Errorf("%+v %v", list, err)
	}
	enter(mine.ID, "ann", "s4", marker, marker, Host) // who comes back to where it was erased
	eventually(t, "the leg", func() bool { return len(legs(mine.ID)) == 3 })
	b.stop()
	dir := filepath.Dir(b.path)
	for _, text := range []string{marker, "Phone of bob", "Title of bob"} {
		if in := holds(t, dir, text); len(in) > 0 {
			t.Errorf("%q is in %v", text, in)
		}
	}
	if len(holds(t, dir, "call.leg_joined")) == 0 {
		t.Error("what is in the data is not seen")
	}
}

// TestTitleCanBeTakenAway: a title that was changed to nothing does not come back.
func TestTitleCanBeTakenAway(t *testing.T) {
	b := newBench(t)
	c, _, err := b.Create(t.Context(), NewCall{Kind: Conference, Title: "first"}, Creator{"key", "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{"second", ""} {
		if _, err := b.Change(t.Context(), c.ID, Change{Title: &title}); err != nil {
			t.Fatal(err)
		}
		if c, err := b.Get(t.Context(), c.ID); err != nil || c.Title != title {
			t.Errorf("%q %v", c.Title, err)
		}
	}
}
