package turn

import (
	"testing"

	"github.com/pion/stun/v3"
)

// Pairs of ports, which old clients want for RTP and RTCP.
func TestEvenPort(t *testing.T) {
	r := start(t, setup{fake: true})
	even := func(next bool) attribute {
		return attribute{stun.AttrEvenPort, []byte{map[bool]byte{true: 0x80}[next]}}
	}
	if port := r.dial("tcp").as(r, "PA_ann").allocate(even(false)).Port(); port%2 != 0 {
		t.Errorf("port %d", port)
	}
	pair := func() (uint16, attribute) {
		c := r.dial("tcp").as(r, "PA_ann")
		answer := c.ask(stun.MethodAllocate, udpTransport, even(true))
		token, err := answer.Get(stun.AttrReservationToken)
		if err != nil {
			t.Fatalf("%v: %v", answer, err)
		}
		return addressOf(t, answer, stun.AttrXORRelayedAddress).Port(), attribute{stun.AttrReservationToken, token}
	}
	first, token := pair()
	if code := codeOf(r.dial("tcp").as(r, "PA_ben").ask(stun.MethodAllocate, udpTransport, token)); code != codeInsufficientCapacity {
		t.Errorf("somebody else's reservation: %d", code)
	}
	if second := r.dial("tcp").as(r, "PA_ann").allocate(token).Port(); first%2 != 0 || second != first+1 {
		t.Errorf("ports %d and %d", first, second)
	}
	if code := codeOf(r.dial("tcp").as(r, "PA_ann").ask(stun.MethodAllocate, udpTransport, token)); code != codeInsufficientCapacity {
		t.Errorf("a reservation used twice: %d", code)
	}
	_, token = pair()
	eventually(t, "the reservation expires", func() bool {
		r.clock.Advance(reservationLife)
		r.server.mu.Lock()
		defer r.server.mu.Unlock()
		return len(r.server.reservations) == 0
	})
	if code := codeOf(r.dial("tcp").as(r, "PA_ann").ask(stun.MethodAllocate, udpTransport, token)); code != codeInsufficientCapacity {
		t.Errorf("an expired reservation: %d", code)
	}
}
