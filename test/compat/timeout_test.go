package compat

import (
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"

	"careline/configs"
	"careline/internal/clock"
)

// advanceUntil moves the clock second by second, with the listed clients answering in between as living ones do, and returns how far.
func (r *rig) advanceUntil(what string, condition func() bool, alive ...*probe) time.Duration {
	r.t.Helper()
	for passed := time.Duration(0); passed < 10*time.Minute; passed += time.Second {
		if condition() {
			return passed
		}
		r.clock.Advance(time.Second)
		for _, p := range alive {
			n := len(p.messages())
			if p.trySend(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}}) != nil || condition() {
				break
			}
			p.expectAfter(n, "pong", func(m *livekit.SignalResponse) bool { return m.GetPong() != 0 || isLeave(m) })
		}
		for range 20 { // what fires runs on other goroutines
			if condition() {
				break
			}
			time.Sleep(time.Millisecond)
		}
	}
	r.t.Fatalf("not within ten minutes: %s", what)
	return 0
}

func checkPassed(t *testing.T, what string, passed, want time.Duration) {
	t.Helper()
	if passed < want || passed > want+5*time.Second {
		t.Errorf("%s took %v, want %v", what, passed, want)
	}
}

func fakeRig(t *testing.T, change func(*configs.Config)) *rig {
	t.Helper()
	return start(t, setup{clock: clock.NewFake(time.Now()), change: change})
}

func TestJoinTimeout(t *testing.T) {
	r := fakeRig(t, nil)
	p := r.enter("ward", "ann") // and never connects media
	passed := r.advanceUntil("a leave", func() bool {
		for _, m := range p.messages() {
			if isLeave(m) {
				return true
			}
		}
		return false
	}, p)
	checkPassed(t, "joining", passed, 60*time.Second)
	if leave := p.expect("leave", isLeave).GetLeave(); leave.Reason != livekit.DisconnectReason_JOIN_FAILURE ||
		leave.Action != livekit.LeaveRequest_DISCONNECT {
		t.Errorf("left with %v", leave)
	}
}

func TestResumeTimeout(t *testing.T) {
	r := fakeRig(t, nil)
	watcher := r.enterWith(single, "watcher", grant("ward"), [2]int{})
	p := r.enterWith(single, "ann", grant("ward"), [2]int{})
	watcher.awaitParticipant("ann", "to be active", func(i *livekit.ParticipantInfo) bool { return present(i) })
	_ = p.conn.NetConn().Close()
	p.expectEnd()
	annGone := func() bool { i := watcher.seen("ann"); return i != nil && gone(i) }
	passed := r.advanceUntil("ann to be gone", annGone, watcher)
	checkPassed(t, "waiting for a resume", passed, 20*time.Second)
	if info := watcher.seen("ann"); info.DisconnectReason != livekit.DisconnectReason_CONNECTION_TIMEOUT {
		t.Errorf("ann went with %v", info.DisconnectReason)
	}
	if late := r.resume(p, "ann", p.join.Participant.Sid); late.first.GetLeave().GetAction() != livekit.LeaveRequest_RECONNECT {
		t.Errorf("who comes too late is told %v", late.first)
	}
}

func TestDepartureTimeout(t *testing.T) {
	r := fakeRig(t, nil)
	leave := func(p *probe) {
		p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
		p.expectEnd()
	}
	first := r.enter("ward", "ann")
	leave(first)
	r.clock.Advance(19 * time.Second)
	second := r.enter("ward", "ann")
	if second.join.Room.Sid != first.join.Room.Sid {
		t.Error("the room did not outlive its last participant")
	}
	leave(second)
	// A probe's own join would keep the room alive, so the room's life is seen by an observer who does not count.
	r.clock.Advance(30 * time.Second)
	eventually(t, "a new room", func() bool {
		third := r.enter("ward", "ben")
		other := third.join.Room.Sid != first.join.Room.Sid
		leave(third)
		if !other {
			r.clock.Advance(30 * time.Second)
		}
		return other
	})
}
