package compat

import (
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// resume goes on with p's session over a new WebSocket.
func (r *rig) resume(p *probe, identity, sid string) *probe {
	r.t.Helper()
	next, status := r.dialWith("/rtc/v1", r.joinRequest(token(r.t, identity, grant("ward")), &livekit.JoinRequest{
		ClientInfo:         &livekit.ClientInfo{Sdk: livekit.ClientInfo_GO, Protocol: 17},
		ConnectionSettings: &livekit.ConnectionSettings{AutoSubscribe: true},
		Reconnect:          true,
		ReconnectReason:    livekit.ReconnectReason_RR_SIGNAL_DISCONNECTED,
		ParticipantSid:     sid,
	}), p.media)
	if status != http.StatusSwitchingProtocols {
		r.t.Fatalf("the resume was answered %d", status)
	}
	return next
}

// stream writes RTP into a track until the test ends.
func stream(t *testing.T, track *webrtc.TrackLocalStaticRTP) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for n := uint16(0); ; n++ {
			select {
			case <-stop:
				return
			case <-ticker.C:
				_ = track.WriteRTP(&rtp.Packet{
					Header:  rtp.Header{Version: 2, SequenceNumber: n, Timestamp: uint32(n) * 960},
					Payload: frame(webrtc.MimeTypeOpus, int(n)),
				})
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
}

func TestCheck20KilledWebSocketResumes(t *testing.T) {
	r := start(t, setup{})
	watcher := r.enterWith(single, "watcher", grant("ward"), [2]int{1, 0})
	p := r.enterWith(single, "ann", grant("ward"), [2]int{1, 0})
	track, trackSID := p.media.publish(p, webrtc.MimeTypeOpus, "mic")
	stream(t, track)
	eventually(t, "ann's packets", func() bool { return watcher.media.count(trackSID) > 10 })
	sid := p.join.Participant.Sid

	_ = p.conn.NetConn().Close() // no close frame, no leave
	p.expectEnd()
	next := r.resume(p, "ann", sid)
	if next.first.GetReconnect().GetServerInfo().GetVersion() == "" {
		t.Fatalf("the first message is %v", next.first)
	}
	next.expect("refresh_token", func(m *livekit.SignalResponse) bool { return m.GetRefreshToken() != "" })
	next.expect("room_update", func(m *livekit.SignalResponse) bool { return m.GetRoomUpdate() != nil })
	for _, identity := range []string{"ann", "watcher"} {
		info := next.awaitParticipant(identity, "to be told again", present)
		if identity == "ann" && info.Sid != sid {
			t.Errorf("the sid changed from %s to %s", sid, info.Sid)
		}
	}
	count := watcher.media.count(trackSID)
	eventually(t, "more packets", func() bool { return watcher.media.count(trackSID) > count+10 })

	// The client restarts ICE, and everything still flows.
	p.media.restart(next)
	sendUser(t, p, "still here")
	eventually(t, "data after the resume", func() bool { return len(watcher.media.received()) == 1 })
	count = watcher.media.count(trackSID)
	eventually(t, "packets after the restart of ICE", func() bool { return watcher.media.count(trackSID) > count+10 })
	for _, m := range watcher.messages() {
		for _, info := range m.GetUpdate().GetParticipants() {
			if info.Identity == "ann" && (gone(info) || info.Sid != sid) {
				t.Errorf("the others saw %v", info)
			}
		}
	}
}

// restart offers with new ICE credentials and waits for the answer.
func (x *media) restart(p *probe) {
	x.t.Helper()
	offer, err := x.main.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	if err != nil {
		x.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(x.main)
	if err := x.main.SetLocalDescription(offer); err != nil {
		x.t.Fatal(err)
	}
	<-gathered
	x.mu.Lock()
	id := x.nextID
	x.nextID++
	x.mu.Unlock()
	p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: &livekit.SessionDescription{
		Type: "offer", Sdp: x.main.LocalDescription().SDP, Id: id}}})
	p.expect("an answer to the restart", func(m *livekit.SignalResponse) bool { return m.GetAnswer().GetId() == id })
	eventually(x.t, "the connection after the restart", func() bool {
		return x.main.SignalingState() == webrtc.SignalingStateStable &&
			x.main.ICEConnectionState() == webrtc.ICEConnectionStateConnected
	})
}

func TestCheck21UnknownSession(t *testing.T) {
	r := start(t, setup{})
	ann := r.enterWith(single, "ann", grant("ward"), [2]int{})
	for name, path := range map[string]string{"nobody": "PA_nobody", "ann": "PA_of_somebody_else"} {
		p := r.resume(&probe{}, name, path)
		leave := p.first.GetLeave()
		if leave.GetAction() != livekit.LeaveRequest_RECONNECT || leave.GetReason() != livekit.DisconnectReason_STATE_MISMATCH {
			t.Errorf("%s: the first message is %v", name, p.first)
		}
		if code := p.expectEnd(); code != websocket.CloseNormalClosure {
			t.Errorf("%s: closed with %d", name, code)
		}
	}
	// A guess at her session did ann no harm.
	ann.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Ping{Ping: 1}})
	ann.expect("pong", func(m *livekit.SignalResponse) bool { return m.GetPong() != 0 })
	if p := r.resume(ann, "ann", ann.join.Participant.Sid); p.first.GetReconnect() == nil {
		t.Errorf("the true session got %v", p.first)
	}
}
