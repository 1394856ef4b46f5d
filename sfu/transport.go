package sfu

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/dtls/v3"
	dtlselliptic "github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/webrtc/v4"

	"careline/sfu/udp"
)

const (
	iceDisconnected = 3 * time.Second  // no RTP, RTCP or STUN for this long
	iceFailed       = 10 * time.Second // after that
	iceKeepalive    = 2 * time.Second
	maxDataMessage  = 65535 // announced as max-message-size (RFC 8841)
	receiveMTU      = 1600
)

// transport is one PeerConnection. It is owned by its participant's goroutine; what pion reports comes back as commands.
type transport struct {
	// immutable
	participant *Participant
	target      livekit.SignalTarget
	api         *webrtc.API
	pc          *webrtc.PeerConnection
	lite        bool
	egress      *egress // what it carries to the client

	// owned by Participant.run
	connected  bool
	silent     bool                      // nothing comes any more
	closed     bool                      // by the client
	remote     bool                      // a remote description is set
	waiting    []webrtc.ICECandidateInit // candidates that came before it
	held       *webrtc.ICECandidate      // ours, not sent yet
	dirty      bool                      // an offer is due
	restartICE bool                      // with new ICE credentials
	awaiting   bool                      // an offer of ours is unanswered
	offerID    uint32
	path       Path   // by which it goes, once it is connected
	pathTo     string // the client's address on it
}

type transportOptions struct {
	target     livekit.SignalTarget
	receives   bool            // media comes in: feedback to the publisher is generated
	clientRole webrtc.DTLSRole // the role that the client insists on in its offer; auto: ours to choose
}

// newTransport makes a connection whose RTP is written by the participant's worker only.
func (p *Participant) newTransport(o transportOptions) (*transport, error) {
	engine, err := newMediaEngine()
	if err != nil {
		return nil, err
	}
	registry := &interceptor.Registry{}
	if o.receives {
		logs := udp.NewLoggerFactory(p.log)
		// Reception side only: nothing here touches what goes out.
		feedback, err := twcc.NewSenderInterceptor(twcc.WithLoggerFactory(logs))
		if err != nil {
			return nil, fmt.Errorf("make transport-wide feedback: %w", err)
		}
		reports, err := report.NewReceiverInterceptor(report.WithReceiverLoggerFactory(logs))
		if err != nil {
			return nil, fmt.Errorf("make receiver reports: %w", err)
		}
		registry.Add(onDemandFactory{feedback})
		registry.Add(onDemandFactory{reports})
	}
	t := &transport{participant: p, target: o.target, lite: p.manager.cfg.ICELite && !p.request.DisableICELite}
	settings, err := p.manager.settings(p.worker.batch, t.lite, o.clientRole)
	if err != nil {
		return nil, err
	}
	t.egress = newEgress(p.worker, p.request.AllowPause)
	guard := &streamGuard{participant: p, reports: reportReader{egress: t.egress, number: -1}, limit: int64(p.manager.cfg.Limits.SectionsPerOffer * streamsPerSection)}
	settings.BufferFactory = guard.buffer
	t.api = webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings))
	t.pc, err = t.api.NewPeerConnection(webrtc.Configuration{
		Certificates: []webrtc.Certificate{p.manager.certificate},
		BundlePolicy: webrtc.BundlePolicyMaxBundle,
	})
	if err != nil {
		return nil, fmt.Errorf("make peer connection: %w", err)
	}
	t.pc.OnICECandidate(func(c *webrtc.ICECandidate) { p.post(gatheredCommand{t, c}) })
	t.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) { p.post(connectionCommand{t, s}) })
	t.pc.OnTrack(func(track *webrtc.TrackRemote, r *webrtc.RTPReceiver) { p.post(remoteTrackCommand{t, track, r}) })
	t.pc.OnDataChannel(func(c *webrtc.DataChannel) { p.data.accept(c) })
	return t, nil
}

const (
	iceStartLimit = 500 * time.Millisecond
	iceStartLook  = time.Millisecond
)

// awaitICE waits until ICE has begun after the first description. pion begins it in the background, and takes a second offer that comes before
// for a restart: its credentials would change behind the client's back.
func (t *transport) awaitICE() {
	sctp := t.pc.SCTP()
	if t.pc.CurrentRemoteDescription() == nil || sctp == nil {
		return
	}
	ice := sctp.Transport().ICETransport()
	for begin := time.Now(); ice.State() == webrtc.ICETransportStateNew && time.Since(begin) < iceStartLimit; {
		time.Sleep(iceStartLook)
	}
}

// settings are pion's for one connection: DTLS server with cheap ciphers first, the shared port, no name resolution.
func (m *Manager) settings(batch *udp.Batch, lite bool, clientRole webrtc.DTLSRole) (webrtc.SettingEngine, error) {
	s := webrtc.SettingEngine{LoggerFactory: udp.NewLoggerFactory(m.log)}
	s.SetICEUDPMux(m.port.Mux(batch))
	networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if m.tcpMux != nil {
		s.SetICETCPMux(m.tcpMux)
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
	}
	s.SetNetworkTypes(networks)
	s.DisableActiveTCP(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(m.cfg.Loopback)
	if m.cfg.InterfaceFilter != nil {
		s.SetInterfaceFilter(m.cfg.InterfaceFilter)
	}
	if m.cfg.IPFilter != nil {
		s.SetIPFilter(m.cfg.IPFilter)
	}
	if len(m.cfg.PublicAddresses) > 0 {
		rule := webrtc.ICEAddressRewriteRule{AsCandidateType: webrtc.ICECandidateTypeHost, Mode: webrtc.ICEAddressRewriteReplace}
		for _, a := range m.cfg.PublicAddresses {
			rule.External = append(rule.External, a.String())
		}
		if err := s.SetICEAddressRewriteRules(rule); err != nil {
			return s, fmt.Errorf("announce public addresses: %w", err)
		}
	}
	s.SetLite(lite)
	s.SetICETimeouts(iceDisconnected, iceFailed, iceKeepalive)
	s.SetHostAcceptanceMinWait(0)

	role := webrtc.DTLSRoleServer
	if clientRole == webrtc.DTLSRoleServer {
		role = webrtc.DTLSRoleClient
	}
	if err := s.SetAnsweringDTLSRole(role); err != nil {
		return s, fmt.Errorf("choose DTLS role: %w", err)
	}
	s.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	s.SetDTLSEllipticCurves(dtlselliptic.P256, dtlselliptic.X25519)
	s.SetDTLSRetransmissionInterval(100 * time.Millisecond)

	s.DisableMediaEngineCopy(true) // one engine per connection: senders made by our API see what was negotiated
	s.SetFireOnTrackBeforeFirstRTP(true)
	s.SetReceiveMTU(receiveMTU)
	s.DetachDataChannels()
	s.SetSCTPMaxMessageSize(maxDataMessage)
	s.EnableSCTPZeroChecksum(true)
	return s, nil
}

// addRemoteCandidate gives the connection a candidate, or keeps it until a description is there to go with it.
func (t *transport) addRemoteCandidate(c webrtc.ICECandidateInit) error {
	if !t.remote {
		t.waiting = append(t.waiting, c)
		return nil
	}
	return t.pc.AddICECandidate(c)
}

func (t *transport) remoteDescriptionSet() {
	t.remote = true
	for _, c := range t.waiting {
		if err := t.pc.AddICECandidate(c); err != nil {
			t.participant.log.Debug("remote candidate refused", "error", err)
		}
	}
	t.waiting = nil
}

// offer makes our next offer. Its text differs from what pion keeps: we offer to be the DTLS server. A lite agent leaves the
// choice open, because pion as a full agent insists on being the server towards a lite one.
func (t *transport) offer() (string, error) {
	d, err := t.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: t.restartICE})
	if err != nil {
		return "", fmt.Errorf("create offer: %w", err)
	}
	if err := t.pc.SetLocalDescription(d); err != nil {
		return "", fmt.Errorf("set local offer: %w", err)
	}
	text := d.SDP
	if t.participant.request.Client.Sdk == livekit.ClientInfo_GO { // which is pion: see idleSections
		text = idleSections(text, func(string) bool { return true })
	}
	if t.lite {
		return text, nil
	}
	return strings.ReplaceAll(text, "a=setup:actpass", "a=setup:passive"), nil
}

// roundTrip is the time to the client and back as ICE measured it, 0 when unknown.
func (t *transport) roundTrip() time.Duration {
	sctp := t.pc.SCTP()
	if sctp == nil {
		return 0
	}
	stats, ok := sctp.Transport().ICETransport().GetSelectedCandidatePairStats()
	if !ok {
		return 0
	}
	return time.Duration(stats.CurrentRoundTripTime * float64(time.Second))
}

func (t *transport) close() {
	if err := t.pc.GracefulClose(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.participant.log.Debug("close peer connection", "error", err)
	}
}
