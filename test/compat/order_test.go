package compat

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// bare is an offer without its candidates, and these.
func bare(t *testing.T, offer *livekit.SessionDescription) (candidates []*livekit.SignalRequest) {
	t.Helper()
	mid, line := "0", uint16(0)
	var kept []string
	for _, text := range strings.Split(offer.Sdp, "\r\n") {
		value, ok := strings.CutPrefix(text, "a=candidate:")
		if !ok {
			if text != "a=end-of-candidates" {
				kept = append(kept, text)
			}
			continue
		}
		init, err := json.Marshal(webrtc.ICECandidateInit{Candidate: "candidate:" + value, SDPMid: &mid, SDPMLineIndex: &line})
		if err != nil {
			t.Fatal(err)
		}
		candidates = append(candidates, &livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{
			CandidateInit: string(init), Target: livekit.SignalTarget_PUBLISHER}}})
	}
	offer.Sdp = strings.Join(kept, "\r\n")
	return candidates
}

func offering(o *livekit.SessionDescription) *livekit.SignalRequest {
	return &livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: o}}
}

// publishing sends a microphone and waits until the witness hears it.
func publishing(t *testing.T, p, witness *probe) {
	t.Helper()
	track, sid := p.media.publish(p, webrtc.MimeTypeOpus, "mic of "+t.Name())
	stream(t, track)
	eventually(t, "packets at a witness", func() bool { return witness.media.count(sid) > 10 })
}

func TestCheck46Disorder(t *testing.T) {
	for name, disturb := range map[string]func(t *testing.T, p *probe){
		"candidates before the offer": func(t *testing.T, p *probe) {
			offer := p.media.offer()
			for _, candidate := range bare(t, offer) {
				p.send(candidate)
			}
			p.send(offering(offer))
		},
		"the same offer three times": func(t *testing.T, p *probe) {
			offer := p.media.offer()
			for range 3 {
				p.send(offering(offer))
			}
			for n := range 3 {
				seen := 0
				p.expect("an answer to each", func(m *livekit.SignalResponse) bool {
					if m.GetAnswer().GetId() == offer.Id {
						seen++
					}
					return seen > n
				})
			}
		},
		"an answer to no offer": func(t *testing.T, p *probe) {
			offer := p.media.offer()
			p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{Answer: &livekit.SessionDescription{
				Type: "answer", Sdp: offer.Sdp, Id: 4711}}})
			p.send(offering(offer))
		},
		"candidates of nothing": func(t *testing.T, p *probe) {
			for _, text := range []string{`{}`, `{"candidate":""}`, `{"candidate":"candidate:1 1 UDP 1 nowhere.invalid 9 typ host"}`, `[]`} {
				p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Trickle{Trickle: &livekit.TrickleRequest{
					CandidateInit: text, Target: livekit.SignalTarget_SUBSCRIBER, Final: true}}})
			}
			p.send(offering(p.media.offer()))
		},
		"a section of an unknown kind": func(t *testing.T, p *probe) {
			offer := p.media.offer()
			offer.Sdp += "m=text 9 UDP/TLS/RTP/SAVPF 98\r\nc=IN IP4 0.0.0.0\r\na=mid:strange\r\na=sendrecv\r\na=rtpmap:98 t140/1000\r\n"
			p.send(offering(offer))
			answer := p.expect("an answer", func(m *livekit.SignalResponse) bool { return m.GetAnswer().GetId() == offer.Id }).GetAnswer()
			if !strings.Contains(answer.Sdp, "m=text 0 ") {
				t.Errorf("the section was not rejected in\n%s", answer.Sdp)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, setup{})
			witness := r.enterWith(single, "witness", grant("ward"), [2]int{1, 0})
			x := newMedia(t, dual)
			x.lenient.Store(true)
			p, _ := r.dialWith("/rtc", query(token(t, "ann", grant("ward"))), x)
			disturb(t, p)
			eventually(t, "ann to be connected", func() bool {
				return x.main.ConnectionState() == webrtc.PeerConnectionStateConnected
			})
			publishing(t, p, witness)
			for _, m := range p.messages() {
				if isLeave(m) {
					t.Errorf("ann was told %v", m)
				}
			}
		})
	}
}
