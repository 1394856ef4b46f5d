package compat

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

// media are the peer connections of a probe: main alone in single mode, main to publish and subscriber to receive in dual mode.
type media struct {
	t          *testing.T
	main       *webrtc.PeerConnection
	subscriber *webrtc.PeerConnection // nil in single mode
	reliable   *webrtc.DataChannel    // of main
	lossy      *webrtc.DataChannel

	lenient atomic.Bool // answers that do not fit are passed over

	mu sync.Mutex

	// guarded by mu
	nextID      uint32
	waiting     bool // an offer of ours is not answered yet
	again       bool
	offers      []uint32                      // ids in the order sent
	answers     []*livekit.SessionDescription // in the order received
	theirOffers []*livekit.SessionDescription // of dual mode
	candidates  map[livekit.SignalTarget][]webrtc.ICECandidateInit
	streams     map[string]string // track sid by the stream id of received tracks
	packets     map[string]int    // received RTP packets by track sid
	data        []*livekit.DataPacket
	open        map[string]bool // labels of channels that data comes from
}

func newMedia(t *testing.T, m mode, networks ...webrtc.NetworkType) *media {
	t.Helper()
	s := webrtc.SettingEngine{}
	s.SetIncludeLoopbackCandidate(true)
	if len(networks) > 0 {
		s.SetNetworkTypes(networks)
	}
	api := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(codecs(t)))
	main, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	x := &media{t: t, main: main, nextID: 1, candidates: map[livekit.SignalTarget][]webrtc.ICECandidateInit{},
		streams: map[string]string{}, packets: map[string]int{}, open: map[string]bool{}}
	t.Cleanup(func() { _ = main.Close() })
	no, none := false, uint16(0)
	if x.lossy, err = main.CreateDataChannel("_lossy", &webrtc.DataChannelInit{Ordered: &no, MaxRetransmits: &none}); err != nil {
		t.Fatal(err)
	}
	if x.reliable, err = main.CreateDataChannel("_reliable", nil); err != nil {
		t.Fatal(err)
	}
	receiving := main
	if m == dual {
		if x.subscriber, err = api.NewPeerConnection(webrtc.Configuration{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = x.subscriber.Close() })
		receiving = x.subscriber
		receiving.OnDataChannel(x.listen)
	} else {
		x.listen(x.lossy)
		x.listen(x.reliable)
	}
	receiving.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { x.receive(track) })
	return x
}

// codecs are pion's own. Each section gets them all, as in a browser.
func codecs(t *testing.T) *webrtc.MediaEngine {
	t.Helper()
	engine := &webrtc.MediaEngine{}
	if err := engine.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(engine); err != nil {
		t.Fatal(err)
	}
	return engine
}

func (x *media) listen(channel *webrtc.DataChannel) {
	label := channel.Label()
	channel.OnOpen(func() {
		x.mu.Lock()
		x.open[label] = true
		x.mu.Unlock()
	})
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		var packet livekit.DataPacket
		if err := proto.Unmarshal(m.Data, &packet); err != nil {
			x.t.Errorf("%s brought what is no packet: %v", label, err)
			return
		}
		x.mu.Lock()
		x.data = append(x.data, &packet)
		x.mu.Unlock()
	})
}

func (x *media) receive(track *webrtc.TrackRemote) {
	x.mu.Lock()
	x.streams[track.ID()] = track.StreamID()
	x.mu.Unlock()
	for {
		if _, _, err := track.ReadRTP(); err != nil {
			return
		}
		x.mu.Lock()
		x.packets[track.ID()]++
		x.mu.Unlock()
	}
}

func (x *media) count(sid string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.packets[sid]
}

func (x *media) received() []*livekit.DataPacket {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.data)
}

func (x *media) isOpen(label string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.open[label]
}

// enterWith joins with media and waits until data can flow. sections are the numbers of audio and video sections that a single-mode client
// offers to receive in.
func (r *rig) enterWith(m mode, identity string, g *lkauth.VideoGrant, sections [2]int, networks ...webrtc.NetworkType) *probe {
	r.t.Helper()
	x := newMedia(r.t, m, networks...)
	var p *probe
	var status int
	if m == single {
		for kind, n := range map[webrtc.RTPCodecType]int{webrtc.RTPCodecTypeAudio: sections[0], webrtc.RTPCodecTypeVideo: sections[1]} {
			x.addSections(kind, n)
		}
		p, status = r.dialWith("/rtc/v1", r.joinRequest(token(r.t, identity, g), &livekit.JoinRequest{
			ClientInfo:         &livekit.ClientInfo{Sdk: livekit.ClientInfo_GO, Protocol: 17},
			ConnectionSettings: &livekit.ConnectionSettings{AutoSubscribe: true},
			PublisherOffer:     x.offer(),
		}), x)
	} else {
		p, status = r.dialWith("/rtc", query(token(r.t, identity, g)), x)
		if p != nil {
			x.negotiate(p)
		}
	}
	if status != http.StatusSwitchingProtocols || p.join == nil {
		r.t.Fatalf("%s could not join: status %d", identity, status)
	}
	eventually(r.t, identity+" to be connected", func() bool {
		state := x.main.ConnectionState()
		return state == webrtc.PeerConnectionStateConnected && x.isOpen("_reliable") && x.isOpen("_lossy")
	})
	return p
}

func (r *rig) joinRequest(token string, j *livekit.JoinRequest) url.Values {
	r.t.Helper()
	inner, err := proto.Marshal(j)
	if err != nil {
		r.t.Fatal(err)
	}
	outer, err := proto.Marshal(&livekit.WrappedJoinRequest{JoinRequest: inner})
	if err != nil {
		r.t.Fatal(err)
	}
	return url.Values{"access_token": {token}, "join_request": {base64.URLEncoding.EncodeToString(outer)}}
}

func (x *media) addSections(kind webrtc.RTPCodecType, n int) {
	for range n {
		init := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
		if _, err := x.main.AddTransceiverFromKind(kind, init); err != nil {
			x.t.Errorf("add a section: %v", err)
		}
	}
}

// offer makes the next offer, with all its candidates, which saves trickling them.
func (x *media) offer() *livekit.SessionDescription {
	sdp, err := x.main.CreateOffer(nil)
	if err != nil {
		x.t.Errorf("create an offer: %v", err)
		return nil
	}
	gathered := webrtc.GatheringCompletePromise(x.main)
	if err := x.main.SetLocalDescription(sdp); err != nil {
		x.t.Errorf("set an offer: %v", err)
		return nil
	}
	<-gathered
	x.mu.Lock()
	defer x.mu.Unlock()
	id := x.nextID
	x.nextID++
	x.waiting = true
	x.offers = append(x.offers, id)
	return &livekit.SessionDescription{Type: "offer", Sdp: x.main.LocalDescription().SDP, Id: id}
}

// negotiate offers now or, when an offer is on its way, after its answer.
func (x *media) negotiate(p *probe) {
	x.mu.Lock()
	busy := x.waiting
	x.again = busy
	x.mu.Unlock()
	if busy {
		return
	}
	if o := x.offer(); o != nil {
		// Who is on its way out may be asked to negotiate still.
		_ = p.trySend(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: o}})
	}
}

// handle runs on the probe's reader.
func (x *media) handle(p *probe, m *livekit.SignalResponse) {
	switch m := m.Message.(type) {
	case *livekit.SignalResponse_Answer:
		x.answered(p, m.Answer)
	case *livekit.SignalResponse_Offer:
		x.answer(p, m.Offer)
	case *livekit.SignalResponse_Trickle:
		x.trickled(m.Trickle)
	case *livekit.SignalResponse_MediaSectionsRequirement:
		x.addSections(webrtc.RTPCodecTypeAudio, int(m.MediaSectionsRequirement.NumAudios))
		x.addSections(webrtc.RTPCodecTypeVideo, int(m.MediaSectionsRequirement.NumVideos))
		x.negotiate(p)
	}
}

func (x *media) answered(p *probe, answer *livekit.SessionDescription) {
	err := x.main.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer.Sdp})
	if err != nil && !x.lenient.Load() {
		x.t.Errorf("answer %d: %v", answer.Id, err)
	}
	x.mu.Lock()
	x.answers = append(x.answers, answer)
	x.waiting = false
	again := x.again
	x.again = false
	x.mu.Unlock()
	x.flush(livekit.SignalTarget_PUBLISHER)
	if again {
		x.negotiate(p)
	}
}

// answer is the client's side of a server's offer in dual mode.
func (x *media) answer(p *probe, offer *livekit.SessionDescription) {
	x.mu.Lock()
	x.theirOffers = append(x.theirOffers, offer)
	x.mu.Unlock()
	err := x.subscriber.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer.Sdp})
	if err != nil {
		x.t.Errorf("offer %d: %v", offer.Id, err)
		return
	}
	x.flush(livekit.SignalTarget_SUBSCRIBER)
	answer, err := x.subscriber.CreateAnswer(nil)
	if err != nil {
		x.t.Errorf("answer offer %d: %v", offer.Id, err)
		return
	}
	gathered := webrtc.GatheringCompletePromise(x.subscriber)
	if err := x.subscriber.SetLocalDescription(answer); err != nil {
		x.t.Errorf("answer offer %d: %v", offer.Id, err)
		return
	}
	<-gathered
	_ = p.trySend(&livekit.SignalRequest{Message: &livekit.SignalRequest_Answer{Answer: &livekit.SessionDescription{
		Type: "answer", Sdp: x.subscriber.LocalDescription().SDP, Id: offer.Id}}})
}

func (x *media) connection(target livekit.SignalTarget) *webrtc.PeerConnection {
	if target == livekit.SignalTarget_SUBSCRIBER {
		return x.subscriber
	}
	return x.main
}

func (x *media) trickled(t *livekit.TrickleRequest) {
	var candidate webrtc.ICECandidateInit
	if err := json.Unmarshal([]byte(t.CandidateInit), &candidate); err != nil {
		x.t.Errorf("a candidate is no JSON: %v", err)
		return
	}
	x.mu.Lock()
	x.candidates[t.Target] = append(x.candidates[t.Target], candidate)
	x.mu.Unlock()
	if x.connection(t.Target).RemoteDescription() != nil {
		x.flush(t.Target)
	}
}

func (x *media) flush(target livekit.SignalTarget) {
	x.mu.Lock()
	candidates := x.candidates[target]
	x.candidates[target] = nil
	x.mu.Unlock()
	for _, c := range candidates {
		if err := x.connection(target).AddICECandidate(c); err != nil {
			x.t.Errorf("add candidate %q: %v", c.Candidate, err)
		}
	}
}

// publish announces a track and adds it, and returns it with its sid. Nothing is sent yet.
func (x *media) publish(p *probe, mime, cid string) (*webrtc.TrackLocalStaticRTP, string) {
	x.t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, cid, "stream")
	if err != nil {
		x.t.Fatal(err)
	}
	request := &livekit.AddTrackRequest{Cid: cid, Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE}
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		request.Type, request.Source, request.Width, request.Height = livekit.TrackType_VIDEO, livekit.TrackSource_CAMERA, 64, 48
	}
	p.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: request}})
	published := p.expect("track_published of "+cid, func(m *livekit.SignalResponse) bool { return m.GetTrackPublished().GetCid() == cid })
	if _, err := x.main.AddTrack(track); err != nil {
		x.t.Fatal(err)
	}
	x.negotiate(p)
	return track, published.GetTrackPublished().GetTrack().GetSid()
}

// sendData sends a packet as it is.
func (x *media) sendData(channel *webrtc.DataChannel, packet *livekit.DataPacket) error {
	data, err := proto.Marshal(packet)
	if err != nil {
		return err
	}
	return channel.Send(data)
}
