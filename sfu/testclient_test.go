package sfu

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// client is a participant as a program outside would be one: it hears Messages, speaks by the Participant's methods and has real connections.
type client struct {
	// immutable
	t          *testing.T
	options    clientOptions
	session    *Participant
	joined     *JoinResult
	publisher  *webrtc.PeerConnection
	subscriber *webrtc.PeerConnection // the publisher's, of a single-connection client
	conn       *lossyConn             // under the subscriber connection, nil for a client without UDP
	upstream   *lossyConn             // under the publisher connection
	muxes      []*ice.UDPMuxDefault
	wake       chan struct{}
	quit       chan struct{}
	closeOnce  sync.Once
	starting   sync.Mutex // nothing starts while the client closes

	transportNumber atomic.Uint32 // of the newest packet that it sent

	running sync.WaitGroup

	// owned by run
	offerID   uint32
	offering  bool
	offerDue  bool
	described map[*webrtc.PeerConnection]bool
	waiting   map[*webrtc.PeerConnection][]webrtc.ICECandidateInit

	mu sync.Mutex
	// guarded by mu
	inbox    []Message // not handled yet
	heard    []Message // everything, in order
	jobs     []func()  // for run
	tracks   []*received
	channels map[string]*webrtc.DataChannel // by label, those that the client writes to
	packets  []*livekit.DataPacket
	mids     map[string]string // newest mid_to_track_id
	answers  []Answer
}

type clientOptions struct {
	single bool
	join   func(*JoinRequest)
	engine func(*webrtc.SettingEngine)
	media  func(*webrtc.MediaEngine) error // nil: everything that is in use
	offer  func(string) string             // changes the offers that the server sees
	answer func(string) string             // changes the answers that the client sees
	noUDP  bool
	quiet  bool          // does not negotiate by itself
	report bool          // reports when packets arrived, transport-wide
	slow   time.Duration // how long an offer of the server is on its way, longer than a packet
	ready  bool          // a single-connection client offers sections for a picture and sound at once, as browsers do
}

func join(t *testing.T, s *testServer, identity string, o clientOptions) *client {
	t.Helper()
	r := request(identity)
	r.SinglePC = o.single
	if o.join != nil {
		o.join(&r)
	}
	joined, err := s.Join(context.Background(), r)
	if err != nil {
		t.Fatalf("join of %s: %v", identity, err)
	}
	c := &client{
		t: t, options: o, session: joined.Participant, joined: joined,
		wake: make(chan struct{}, 1), quit: make(chan struct{}),
		described: make(map[*webrtc.PeerConnection]bool),
		waiting:   make(map[*webrtc.PeerConnection][]webrtc.ICECandidateInit),
		channels:  make(map[string]*webrtc.DataChannel),
		mids:      make(map[string]string),
	}
	t.Cleanup(c.close)
	c.connect()
	c.running.Go(c.run)
	c.session.Attach(c)
	if o.single && !o.quiet {
		c.do(func() {
			for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
				if o.ready {
					_, err := c.publisher.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
					c.must("add section", err)
				}
			}
			c.negotiate()
		})
	}
	return c
}

// connect makes the connections; nothing is sent yet.
func (c *client) connect() {
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.DetachDataChannels()
	if c.options.engine != nil {
		c.options.engine(&settings)
	}
	c.publisher, c.upstream = c.newConnection(settings, livekit.SignalTarget_PUBLISHER)
	c.subscriber, c.conn = c.publisher, c.upstream
	if !c.options.single {
		c.subscriber, c.conn = c.newConnection(settings, livekit.SignalTarget_SUBSCRIBER)
	}
	for _, label := range []string{labelReliable, labelLossy} {
		init := &webrtc.DataChannelInit{}
		if label == labelLossy {
			ordered, never := false, uint16(0)
			init.Ordered, init.MaxRetransmits = &ordered, &never
		}
		channel, err := c.publisher.CreateDataChannel(label, init)
		if err != nil {
			c.t.Fatal(err)
		}
		c.channels[label] = channel
		c.serveChannel(channel)
	}
}

// newConnection makes one connection with a socket of its own, because servers tell connections apart by their addresses.
func (c *client) newConnection(settings webrtc.SettingEngine, target livekit.SignalTarget) (*webrtc.PeerConnection, *lossyConn) {
	var conn *lossyConn
	if !c.options.noUDP {
		var err error
		if conn, err = listenLossy(); err != nil {
			c.t.Fatal(err)
		}
		mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
		c.muxes = append(c.muxes, mux)
		settings.SetICEUDPMux(mux)
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	}
	engine := &webrtc.MediaEngine{}
	register := registerAll
	if c.options.media != nil {
		register = c.options.media
	}
	if err := register(engine); err != nil {
		c.t.Fatal(err)
	}
	interceptors := &interceptor.Registry{}
	if c.options.report {
		reports, err := twcc.NewSenderInterceptor(twcc.SendInterval(50 * time.Millisecond))
		if err != nil {
			c.t.Fatal(err)
		}
		interceptors.Add(reports)
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(interceptors)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		c.t.Fatal(err)
	}
	pc.OnICECandidate(func(i *webrtc.ICECandidate) {
		if i != nil {
			c.session.Trickle(target, i.ToJSON())
		}
	})
	pc.OnTrack(c.receive)
	pc.OnDataChannel(c.serveChannel)
	return pc, conn
}

// registerAll is what a browser that can do everything negotiates.
func registerAll(e *webrtc.MediaEngine) error {
	red := webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/red", ClockRate: 48000, Channels: 2, SDPFmtpLine: "111/111"},
		PayloadType:        63,
	}
	if err := e.RegisterCodec(red, webrtc.RTPCodecTypeAudio); err != nil {
		return err
	}
	return registerPlain(e)
}

// registerPlain is the same without RED.
func registerPlain(e *webrtc.MediaEngine) error {
	if err := e.RegisterDefaultCodecs(); err != nil {
		return err
	}
	for _, uri := range []string{sdp.SDESMidURI, sdp.SDESRTPStreamIDURI, sdp.AudioLevelURI, extAbsCaptureTime} {
		if err := e.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeAudio); err != nil {
			return err
		}
	}
	for _, uri := range []string{sdp.SDESMidURI, sdp.SDESRTPStreamIDURI, sdp.SDESRepairRTPStreamIDURI, sdp.TransportCCURI,
		extDependencyDescriptor, extAbsCaptureTime} {
		if err := e.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo); err != nil {
			return err
		}
	}
	return nil
}

// Send implements Peer.
func (c *client) Send(m Message) {
	c.mu.Lock()
	c.inbox = append(c.inbox, m)
	c.heard = append(c.heard, m)
	c.mu.Unlock()
	c.ring()
}

func (c *client) ring() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// do lets the client's own goroutine call f, which may negotiate.
func (c *client) do(f func()) {
	c.mu.Lock()
	c.jobs = append(c.jobs, f)
	c.mu.Unlock()
	c.ring()
}

func (c *client) run() {
	for {
		select {
		case <-c.wake:
		case <-c.quit:
			return
		}
		c.mu.Lock()
		inbox, jobs := c.inbox, c.jobs
		c.inbox, c.jobs = nil, nil
		c.mu.Unlock()
		for _, m := range inbox {
			c.handle(m)
		}
		for _, job := range jobs {
			job()
		}
	}
}

func (c *client) handle(m Message) {
	if c.options.quiet {
		return
	}
	switch m := m.(type) {
	case Offer:
		time.Sleep(c.options.slow)
		c.noteMids(m.MidToTrackID)
		c.answer(m)
	case Answer:
		c.noteMids(m.MidToTrackID)
		c.mu.Lock()
		c.answers = append(c.answers, m)
		c.mu.Unlock()
		text := m.SDP
		if c.options.answer != nil {
			text = c.options.answer(text)
		}
		if m.ID != c.offerID {
			c.t.Errorf("answer to offer %d, want %d", m.ID, c.offerID)
		}
		c.describe(c.publisher, webrtc.SDPTypeAnswer, text)
		c.offering = false
		if c.offerDue {
			c.negotiate()
		}
	case Candidate:
		pc := c.publisher
		if m.Target == livekit.SignalTarget_SUBSCRIBER {
			pc = c.subscriber
		}
		switch {
		case m.Init.Candidate == "":
			c.must("take a candidate", errors.New("it is empty"))
		case !c.described[pc]:
			c.waiting[pc] = append(c.waiting[pc], m.Init)
		default:
			c.must("add candidate", pc.AddICECandidate(m.Init))
		}
	case SectionsRequired:
		for kind, n := range map[webrtc.RTPCodecType]uint32{webrtc.RTPCodecTypeAudio: m.Audio, webrtc.RTPCodecTypeVideo: m.Video} {
			for range n {
				_, err := c.publisher.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
				c.must("add section", err)
			}
		}
		c.negotiate()
	}
}

// must reports an error unless the connections fail for good reason: the client is closing, or the server ended the session and closed them.
func (c *client) must(doing string, err error) {
	if err == nil || errors.Is(err, webrtc.ErrConnectionClosed) && c.isLeaving() {
		return
	}
	select {
	case <-c.quit:
	default:
		c.t.Errorf("%s: %s: %v", c.session.Identity(), doing, err)
	}
}

func (c *client) noteMids(mids map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mids = mids
}

func (c *client) describe(pc *webrtc.PeerConnection, kind webrtc.SDPType, text string) {
	c.must("apply "+kind.String(), pc.SetRemoteDescription(webrtc.SessionDescription{Type: kind, SDP: text}))
	c.described[pc] = true
	if c.conn != nil && pc == c.subscriber {
		c.conn.declare(text)
	}
	for _, candidate := range c.waiting[pc] {
		c.must("add candidate", pc.AddICECandidate(candidate))
	}
	delete(c.waiting, pc)
}

func (c *client) answer(o Offer) {
	c.describe(c.subscriber, webrtc.SDPTypeOffer, o.SDP)
	d, err := c.subscriber.CreateAnswer(nil)
	c.must("create answer", err)
	c.must("set answer", c.subscriber.SetLocalDescription(d))
	c.session.Answer(d.SDP, o.ID)
}

// negotiate offers the publisher connection, or the only one, when no offer is under way, else after it.
func (c *client) negotiate() { c.negotiateWith(nil) }

func (c *client) negotiateWith(o *webrtc.OfferOptions) {
	if c.offering {
		c.offerDue = true
		return
	}
	c.offering, c.offerDue = true, false
	d, err := c.publisher.CreateOffer(o)
	c.must("create offer", err)
	c.must("set offer", c.publisher.SetLocalDescription(d))
	c.offerID++
	text := d.SDP
	if c.options.offer != nil {
		text = c.options.offer(text)
	}
	c.session.Offer(text, c.offerID)
}

// close drops the connections without a word, as a crash would, and waits for everything that the client started.
func (c *client) close() {
	c.closeOnce.Do(func() {
		c.starting.Lock()
		close(c.quit)
		c.starting.Unlock()
		_ = c.publisher.GracefulClose()
		_ = c.subscriber.GracefulClose()
		for _, mux := range c.muxes {
			_ = mux.Close()
		}
		c.running.Wait()
	})
}

// start runs f on a goroutine that close waits for, unless the client is closed.
func (c *client) start(f func()) {
	c.starting.Lock()
	defer c.starting.Unlock()
	select {
	case <-c.quit:
	default:
		c.running.Go(f)
	}
}

// leave ends the session as a client should and waits until the server has let go of it.
func (c *client) leave() {
	c.t.Helper()
	c.session.Leave(livekit.DisconnectReason_CLIENT_INITIATED)
	c.left()
	c.close()
}

// left waits for the end of the session and returns how it ended.
func (c *client) left() Leave {
	c.t.Helper()
	var leave Leave
	eventually(c.t, "the end of the session of "+c.session.Identity(), func() bool {
		last, ok := lastOf[Leave](c)
		leave = last
		return ok
	})
	return leave
}

func (c *client) isLeaving() bool {
	_, ok := lastOf[Leave](c)
	return ok
}

// messages returns everything of one type that the client was told.
func messages[M Message](c *client) []M {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []M
	for _, m := range c.heard {
		if one, ok := m.(M); ok {
			all = append(all, one)
		}
	}
	return all
}

func lastOf[M Message](c *client) (last M, ok bool) {
	all := messages[M](c)
	if len(all) == 0 {
		return last, false
	}
	return all[len(all)-1], true
}

// participant is the newest that the client was told of somebody.
func (c *client) participant(identity string) *livekit.ParticipantInfo {
	var newest *livekit.ParticipantInfo
	for _, o := range append(c.joined.Others, c.joined.Self) {
		if o.Identity == identity {
			newest = o
		}
	}
	for _, u := range messages[ParticipantUpdate](c) {
		for _, p := range u.Participants {
			if p.Identity == identity {
				newest = p
			}
		}
	}
	return newest
}

// active waits until the server says that the client is in.
func (c *client) active() *client {
	c.t.Helper()
	eventually(c.t, c.session.Identity()+" to be active", func() bool {
		p := c.participant(c.session.Identity())
		return p.GetState() == livekit.ParticipantInfo_ACTIVE
	})
	return c
}

// sections counts the media sections of the connection that carries what the client receives.
func (c *client) sections() int {
	d := c.subscriber.CurrentLocalDescription()
	if d == nil {
		return 0
	}
	return strings.Count(d.SDP, "\nm=audio") + strings.Count(d.SDP, "\nm=video")
}
