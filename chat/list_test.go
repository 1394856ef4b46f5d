package chat

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"careline/internal/errs"
)

func (r *rig) list(caller *Caller, f Filter) string {
	r.t.Helper()
	var ids []string
	var from Spot
	for {
		page, next, err := r.List(ctx, caller, f, from, 3)
		r.must(err)
		for _, v := range page {
			ids = append(ids, v.ID)
		}
		if next == nil {
			return strings.Join(ids, " ")
		}
		from = *next
	}
}

// TestD11D12ParticipantFilter: an id is a person's or an organisation's, a type is the same participant's.
func TestD11D12ParticipantFilter(t *testing.T) {
	r := newRig(t)
	me := who("me")
	begin := func(people ...Person) string {
		t.Helper()
		r.clock.Advance(time.Second)
		made, err := r.Create(ctx, me, NewConversation{People: people})
		r.must(err)
		return made.ID
	}
	// x7 is the id of a person and of an organisation.
	asPerson := begin(Person{Principal: "x7", Kin: Contact, Organization: "acme"})
	asOrganization := begin(Person{Principal: "p1", Kin: BusinessUser, Organization: "x7"})
	asBoth := begin(Person{Principal: "x7", Kin: User}, Person{Principal: "p2", Kin: BusinessUser, Organization: "x7"})
	neither := begin(Person{Principal: "p3", Kin: BusinessUser}, Person{Principal: "p4", Kin: AI})
	for _, c := range []struct {
		id   string
		kin  Kin
		want []string
	}{
		{"x7", "", []string{asBoth, asOrganization, asPerson}},
		{"x7", BusinessUser, []string{asBoth, asOrganization}},
		{"x7", Contact, []string{asPerson}},
		{"x7", User, []string{asBoth}},
		{"x7", AI, nil},
		{"acme", "", []string{asPerson}},
		{"p3", Contact, nil}, // the other one is of another type
		{"", BusinessUser, []string{neither, asBoth, asOrganization}},
		{"", AI, []string{neither}},
		{"nobody", "", nil},
		{"me", User, []string{neither, asBoth, asOrganization, asPerson}},
	} {
		if got := r.list(me, Filter{Participant: c.id, Kin: c.kin}); got != strings.Join(c.want, " ") {
			t.Errorf("%s of type %s: %s, want %v", c.id, c.kin, got, c.want)
		}
	}
	_, _, err := r.List(ctx, me, Filter{Kin: "robot"}, Spot{}, 1)
	isKind(t, err, errs.Invalid)
	// What the caller is not in is not listed, whoever is in it.
	if got := r.list(who("p1"), Filter{Participant: "x7"}); got != asOrganization {
		t.Error(got)
	}
	if got := r.list(who("eve"), Filter{Participant: "x7"}); got != "" {
		t.Error(got)
	}
}

// TestListIsByRecentActivity, in pages, over spans of time, large conversations among small ones.
func TestListIsByRecentActivity(t *testing.T) {
	r := newRig(t)
	var all []string
	crowd := []string{"ann"}
	for i := range small + 5 {
		crowd = append(crowd, fmt.Sprint("p", i))
	}
	for i := range 20 {
		if i%4 == 3 {
			all = append(all, r.group(crowd...))
		} else {
			all = append(all, r.group("ann", "bob"))
		}
	}
	order := slices.Clone(all)
	for i := range 60 {
		r.clock.Advance(time.Duration(i*i%37) * time.Minute)
		r.clock.Advance(time.Second)
		id := all[i*7%len(all)]
		r.say(id, "ann", "x")
		order = append([]string{id}, slices.DeleteFunc(order, func(o string) bool { return o == id })...)
	}
	if got := r.list(who("ann"), Filter{}); got != strings.Join(order, " ") {
		t.Errorf("listed\n%s\nwant\n%s", got, strings.Join(order, " "))
	}
	var large []string
	for _, id := range order {
		if slices.Index(all, id)%4 == 3 {
			large = append(large, id)
		}
	}
	if got := r.list(who("p3"), Filter{}); got != strings.Join(large, " ") {
		t.Errorf("listed\n%s\nwant\n%s", got, strings.Join(large, " "))
	}
}

// TestListFilters by what conversations belong to, their type and status, and what is unread.
func TestListFilters(t *testing.T) {
	r := newRig(t)
	me := who("me")
	made, err := r.Create(ctx, me, NewConversation{Incident: "INC-1"})
	r.must(err)
	incident := made.ID
	r.clock.Advance(time.Second)
	device := r.group("me", "ann")
	_, err = r.Change(ctx, me, device, Change{AddLinks: []Link{{DeviceLink, "D-1"}, {TicketLink, "T-1"}}})
	r.must(err)
	r.clock.Advance(time.Second)
	direct, err := r.Create(ctx, me, NewConversation{Type: Direct, People: []Person{{Principal: "ann"}}})
	r.must(err)
	r.say(direct.ID, "ann", "x")
	_, err = r.Close(ctx, me, incident, "over")
	r.must(err)
	for name, c := range map[string]struct {
		f    Filter
		want string
	}{
		"incident":    {Filter{Links: []Link{{IncidentLink, "INC-1"}}}, incident},
		"another":     {Filter{Links: []Link{{IncidentLink, "INC-2"}}}, ""},
		"device":      {Filter{Links: []Link{{DeviceLink, "D-1"}}}, device},
		"both":        {Filter{Links: []Link{{DeviceLink, "D-1"}, {TicketLink, "T-1"}}}, device},
		"not both":    {Filter{Links: []Link{{DeviceLink, "D-1"}, {IncidentLink, "INC-1"}}}, ""},
		"direct":      {Filter{Type: Direct}, direct.ID},
		"closed":      {Filter{Status: Closed}, incident},
		"unread":      {Filter{Unread: true}, direct.ID},
		"read ticket": {Filter{Unread: true, Links: []Link{{TicketLink, "T-1"}}}, ""},
	} {
		if got := r.list(me, c.f); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	var titled []string
	for i := range 9 {
		r.clock.Advance(time.Second)
		made, err := r.Create(ctx, me, NewConversation{Subject: []string{"Lost Passport in Lima", "Storm", "Visa"}[i%3]})
		r.must(err)
		if i%3 == 0 {
			titled = append([]string{made.ID}, titled...)
		}
	}
	for text, want := range map[string]string{"passport": strings.Join(titled, " "), "IN LIM": strings.Join(titled, " "), "nothing": ""} {
		if got := r.list(me, Filter{Subject: text}); got != want {
			t.Errorf("with %q in the subject: %s, want %s", text, got, want)
		}
	}
	_, _, err = r.List(ctx, me, Filter{Subject: strings.Repeat("x", maxSubject+1)}, Spot{}, 1)
	isKind(t, err, errs.Invalid)
	only := who("me")
	only.Only = device
	if got := r.list(only, Filter{}); got != device {
		t.Errorf("with rights for one conversation: %s", got)
	}
}
