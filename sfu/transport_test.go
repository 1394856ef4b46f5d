package sfu

import (
	"net"
	"strings"
	"testing"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
)

// TestServerIsDTLSServer looks at both sides of the negotiation. The server chooses the cipher, so it has to be us.
func TestServerIsDTLSServer(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: single})
		bob := join(t, s, "bob", clientOptions{single: single})
		source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
		bob.receives(source.info.Sid, 3)
		for _, a := range messages[Answer](alice) {
			if strings.Contains(a.SDP, "a=setup:active") || !strings.Contains(a.SDP, "a=setup:passive") {
				t.Error("an answer does not say passive")
			}
		}
		for _, o := range messages[Offer](bob) {
			if strings.Contains(o.SDP, "a=setup:actpass") || !strings.Contains(o.SDP, "a=setup:passive") {
				t.Error("an offer does not say passive")
			}
		}
	})
}

// TestPassiveOfferIsHonoured takes a client that insists on being the DTLS server.
func TestPassiveOfferIsHonoured(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{
		single: true,
		offer:  func(text string) string { return strings.ReplaceAll(text, "a=setup:actpass", "a=setup:passive") },
	})
	bob := join(t, s, "bob", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
	bob.receives(source.info.Sid, 3)
	for _, a := range messages[Answer](alice) {
		if !strings.Contains(a.SDP, "a=setup:active") {
			t.Error("the answer does not say active")
		}
	}
}

// TestWrongFingerprint takes a client whose certificate is not the one that its offer names.
func TestWrongFingerprint(t *testing.T) {
	s := startServer(t, nil)
	bob := join(t, s, "bob", clientOptions{single: true}).active()
	source := bob.publish(webrtc.MimeTypeOpus, sourceOptions{})
	other := join(t, s, "other", clientOptions{single: true, ready: true}).active()
	stolen := other.publisher.LocalDescription().SDP
	from := strings.Index(stolen, "a=fingerprint:")
	fingerprint := strings.TrimSpace(stolen[from : from+strings.Index(stolen[from:], "\n")])
	mallory := join(t, s, "mallory", clientOptions{single: true, offer: func(text string) string {
		var b strings.Builder
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "a=fingerprint:") {
				line = fingerprint + "\r\n"
			}
			b.WriteString(line)
		}
		return b.String()
	}})
	eventually(t, "mallory's connection to fail", func() bool {
		return mallory.publisher.ConnectionState() == webrtc.PeerConnectionStateFailed ||
			mallory.publisher.ConnectionState() == webrtc.PeerConnectionStateClosed || mallory.isLeaving()
	})
	if p := bob.participant("mallory"); p.GetState() == livekit.ParticipantInfo_ACTIVE {
		t.Error("mallory became active")
	}
	other.receives(source.info.Sid, 50)
	if mallory.session.Active() || len(mallory.live()) > 0 {
		t.Error("mallory received something")
	}
}

// TestICEOverTCP takes a client without UDP.
func TestICEOverTCP(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, func(c *Config) { c.TCPListener = listener })
	tcp := func(e *webrtc.SettingEngine) { e.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4}) }
	alice := join(t, s, "alice", clientOptions{single: true, noUDP: true, engine: tcp})
	bob := join(t, s, "bob", clientOptions{single: true, noUDP: true, engine: tcp})
	cleo := join(t, s, "cleo", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	bob.receives(source.info.Sid, 20)
	cleo.receives(source.info.Sid, 20)
}

// TestICELite runs a server that sends no checks of its own.
func TestICELite(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, func(c *Config) { c.ICELite = true })
		alice := join(t, s, "alice", clientOptions{single: single})
		bob := join(t, s, "bob", clientOptions{single: single})
		source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
		bob.receives(source.info.Sid, 10)
		if a := messages[Answer](alice)[0]; !strings.Contains(a.SDP, "a=ice-lite") {
			t.Error("the answer does not say ice-lite")
		}
		// A client that cannot do with a lite server says so.
		full := join(t, s, "full", clientOptions{single: true, join: func(r *JoinRequest) { r.DisableICELite = true }})
		full.receives(source.info.Sid, 10)
		if a := messages[Answer](full)[0]; strings.Contains(a.SDP, "a=ice-lite") {
			t.Error("the client asked for full ICE")
		}
	})
}

// TestHostNamesAreNotResolved offers candidates by name: they are counted and dropped, and the connection does without.
func TestHostNamesAreNotResolved(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	for _, address := range []string{"resolve.me.example", "0a1b.local", "169.254.169.254", "0.0.0.0"} {
		alice.session.Trickle(livekit.SignalTarget_PUBLISHER, webrtc.ICECandidateInit{
			Candidate: "candidate:1 1 udp 2122260223 " + address + " 5000 typ host",
		})
	}
	alice.active()
	eventually(t, "the refusals", func() bool { return s.Stats().CandidatesRefused == 4 })
}

// TestICERestart lets a client restart ICE in the middle of a call.
func TestICERestart(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
	r := bob.receives(source.info.Sid, 5)
	before := len(messages[Answer](alice))
	alice.do(func() { alice.negotiateWith(&webrtc.OfferOptions{ICERestart: true}) })
	eventually(t, "an answer to the restart", func() bool { return len(messages[Answer](alice)) > before })
	answers := messages[Answer](alice)
	if credentials(answers[before-1].SDP) == credentials(answers[before].SDP) {
		t.Error("the answer has the old credentials")
	}
	r.more(bob, 100)
}

func credentials(text string) string {
	i := strings.Index(text, "a=ice-ufrag:")
	return text[i : i+strings.Index(text[i:], "\n")]
}
