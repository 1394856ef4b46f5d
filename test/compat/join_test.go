package compat

import (
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

func TestCheck03JoinComesFirst(t *testing.T) {
	r := start(t, setup{})
	other := r.enter("ward", "ben")
	p := r.enter("ward", "ann")
	j := p.join
	if j.PingInterval != 5 || j.PingTimeout != 15 || j.GetServerInfo().GetVersion() == "" || j.GetServerInfo().GetProtocol() < 16 {
		t.Errorf("join is %v", j)
	}
	if j.GetRoom().GetName() != "ward" || j.GetRoom().GetSid()[:3] != "RM_" {
		t.Errorf("room is %v", j.Room)
	}
	me := j.GetParticipant()
	if me.GetIdentity() != "ann" || me.GetName() != "The ann" || me.GetSid()[:3] != "PA_" || !me.GetPermission().GetCanPublish() {
		t.Errorf("participant is %v", me)
	}
	if !j.SubscriberPrimary || len(j.EnabledPublishCodecs) == 0 || len(j.SifTrailer) == 0 {
		t.Errorf("join is %v", j)
	}
	if len(j.OtherParticipants) != 1 || j.OtherParticipants[0].Identity != "ben" {
		t.Errorf("others are %v", j.OtherParticipants)
	}
	p.expect("refresh_token", func(m *livekit.SignalResponse) bool { return m.GetRefreshToken() != "" })
	other.awaitParticipant("ann", "to be seen", present)
}

func TestCheck04GoSDK(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		room := r.connect(t, m, "ward", "ann", nil)
		if room.ServerInfo().GetVersion() == "" || room.LocalParticipant.SID() == "" {
			t.Errorf("server %v, sid %q", room.ServerInfo(), room.LocalParticipant.SID())
		}
	})
}

func TestCheck07Ping(t *testing.T) {
	r := start(t, setup{})
	p := r.enter("ward", "ann")
	before := time.Now().UnixMilli()
	p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: before}})
	p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: before, Rtt: 3}}})
	pong := p.expect("pong", func(m *livekit.SignalResponse) bool { return m.GetPong() != 0 }).GetPong()
	response := p.expect("pong_resp", func(m *livekit.SignalResponse) bool { return m.GetPongResp() != nil }).GetPongResp()
	for _, at := range []int64{pong, response.Timestamp} { // milliseconds: anything finer overflows in browsers
		if at < before || at > time.Now().UnixMilli() {
			t.Errorf("answered at %d, asked at %d", at, before)
		}
	}
	if response.LastPingTimestamp != before {
		t.Errorf("pong_resp repeats %d, not %d", response.LastPingTimestamp, before)
	}
}

func TestCheck15DuplicateIdentity(t *testing.T) {
	r := start(t, setup{})
	watcher := r.enter("ward", "ben")
	first := r.enter("ward", "ann")
	second := r.enter("ward", "ann")
	leave := first.expect("leave", isLeave).GetLeave()
	if leave.Reason != livekit.DisconnectReason_DUPLICATE_IDENTITY || leave.Action != livekit.LeaveRequest_DISCONNECT {
		t.Errorf("the first was told %v", leave)
	}
	if code := first.expectEnd(); code != websocket.CloseNormalClosure {
		t.Errorf("the first was closed with %d", code)
	}
	sid := second.join.Participant.Sid
	if sid == first.join.Participant.Sid {
		t.Error("both have the same sid")
	}
	watcher.awaitParticipant("ann", "with the new sid", func(i *livekit.ParticipantInfo) bool { return i.Sid == sid && present(i) })
	late := r.enter("ward", "cleo")
	anns := 0
	for _, other := range late.join.OtherParticipants {
		if other.Identity == "ann" {
			anns++
		}
	}
	if anns != 1 {
		t.Errorf("who comes late sees %d", anns)
	}
}

func TestCheck14LeaveIsEchoed(t *testing.T) {
	r := start(t, setup{})
	watcher := r.enter("ward", "ben")
	p := r.enter("ward", "ann")
	watcher.awaitParticipant("ann", "to come", present)
	p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{
		Reason: livekit.DisconnectReason_CLIENT_INITIATED}}})
	leave := p.expect("leave", isLeave).GetLeave()
	if leave.Reason != livekit.DisconnectReason_CLIENT_INITIATED || leave.Action != livekit.LeaveRequest_DISCONNECT {
		t.Errorf("leave is %v", leave)
	}
	if code := p.expectEnd(); code != websocket.CloseNormalClosure {
		t.Errorf("closed with %d", code)
	}
	if info := watcher.awaitParticipant("ann", "to go", gone); info.DisconnectReason != livekit.DisconnectReason_CLIENT_INITIATED {
		t.Errorf("ann went with %v", info.DisconnectReason)
	}
}

// TestCheck45TextFraming joins, publishes, receives and leaves in JSON. Only what was on its way when the client first spoke is binary.
func TestCheck45TextFraming(t *testing.T) {
	r := start(t, setup{})
	other := r.publisher("ben")
	watcher := r.enterWith(single, "watcher", grant("ward"), [2]int{2, 0})
	x := newMedia(t, dual)
	p, _ := r.dialWith("/rtc", query(token(t, "ann", grant("ward"))), x)
	p.text.Store(true)
	p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
	p.expect("pong", func(m *livekit.SignalResponse) bool { return m.GetPong() != 0 })
	binary := p.binary.Load()
	track, sid := x.publish(p, webrtc.MimeTypeOpus, "mic")
	stream(t, track)
	eventually(t, "packets both ways", func() bool { return watcher.media.count(sid) > 10 && x.count(other) > 10 })
	if n := p.binary.Load(); n != binary || p.texts.Load() < 3 {
		t.Errorf("%d binary frames after the first text, %d texts", n-binary, p.texts.Load())
	}
	p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{Leave: &livekit.LeaveRequest{}}})
	if code := p.expectEnd(); code != websocket.CloseNormalClosure {
		t.Errorf("closed with %d", code)
	}
	p.expect("leave", isLeave)
}

// TestSDKsSeeEachOther has the SDK's own view of the others, in both modes.
func TestSDKsSeeEachOther(t *testing.T) {
	r := start(t, setup{})
	eachMode(t, func(t *testing.T, m mode) {
		name := fmt.Sprint("ward-", m)
		ann := r.connect(t, m, name, "ann", nil)
		ben := r.connect(t, m, name, "ben", nil)
		eventually(t, "both to see the other", func() bool {
			return ann.GetParticipantByIdentity("ben") != nil && ben.GetParticipantByIdentity("ann") != nil
		})
		ben.Disconnect()
		eventually(t, "ben to be gone", func() bool { return ann.GetParticipantByIdentity("ben") == nil })
	})
}
