package compat

import (
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"

	"careline/configs"
)

// TestCheck41OwnProfile has every answer to update_metadata. Clients below protocol 15 do not know the good one.
func TestCheck41OwnProfile(t *testing.T) {
	const limit = 1 << 10
	r := start(t, setup{change: func(c *configs.Config) { c.Limits.Metadata = limit }})
	watcher := r.enter("ward", "ben")
	yes := true
	g := grant("ward")
	g.CanUpdateOwnMetadata = &yes
	q := query(token(t, "ann", g))
	ann, _ := r.dial("/rtc", q)
	q = query(token(t, "old", g))
	q.Set("protocol", "14")
	old, _ := r.dial("/rtc", q)
	update := func(p *probe, u *livekit.UpdateParticipantMetadata) {
		p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_UpdateMetadata{UpdateMetadata: u}})
	}
	for id, c := range []struct {
		from   *probe
		update *livekit.UpdateParticipantMetadata
		reason livekit.RequestResponse_Reason
	}{
		{ann, &livekit.UpdateParticipantMetadata{Name: "Ann", Metadata: "nurse", Attributes: map[string]string{"ward": "3", "shift": "late"}},
			livekit.RequestResponse_OK},
		{ann, &livekit.UpdateParticipantMetadata{Attributes: map[string]string{"shift": ""}}, livekit.RequestResponse_OK},
		{ann, &livekit.UpdateParticipantMetadata{Name: strings.Repeat("x", 257)}, livekit.RequestResponse_LIMIT_EXCEEDED},
		{ann, &livekit.UpdateParticipantMetadata{Metadata: strings.Repeat("x", limit+1)}, livekit.RequestResponse_LIMIT_EXCEEDED},
		{ann, &livekit.UpdateParticipantMetadata{Attributes: map[string]string{"x": strings.Repeat("x", limit)}}, livekit.RequestResponse_LIMIT_EXCEEDED},
		{watcher, &livekit.UpdateParticipantMetadata{Name: "Ann"}, livekit.RequestResponse_NOT_ALLOWED},
		{old, &livekit.UpdateParticipantMetadata{Name: strings.Repeat("x", 257)}, livekit.RequestResponse_LIMIT_EXCEEDED},
	} {
		c.update.RequestId = uint32(id + 1)
		update(c.from, c.update)
		answer := c.from.expect("an answer", func(m *livekit.SignalResponse) bool {
			return m.GetRequestResponse().GetRequestId() == c.update.RequestId
		}).GetRequestResponse()
		if answer.Reason != c.reason {
			t.Errorf("request %d was answered %v", c.update.RequestId, answer)
		}
	}
	watcher.awaitParticipant("ann", "to change", func(i *livekit.ParticipantInfo) bool {
		return i.Name == "Ann" && i.Metadata == "nurse" && len(i.Attributes) == 1 && i.Attributes["ward"] == "3"
	})
	update(old, &livekit.UpdateParticipantMetadata{RequestId: 100, Name: "Old"})
	watcher.awaitParticipant("old", "to change", func(i *livekit.ParticipantInfo) bool { return i.Name == "Old" })
	old.never("of success", func(m *livekit.SignalResponse) bool { return m.GetRequestResponse().GetRequestId() == 100 })

	// The one who asked learns of the change before the answer.
	changed := false
	for _, m := range ann.messages() {
		for _, i := range m.GetUpdate().GetParticipants() {
			changed = changed || i.Identity == "ann" && i.Name == "Ann"
		}
		if m.GetRequestResponse() != nil {
			break
		}
	}
	if !changed {
		t.Error("the answer came before the update")
	}
}
