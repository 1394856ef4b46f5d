package sfu

import (
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/stun/v3"
	"github.com/pion/webrtc/v4"
)

// wiretap keeps what a client's publisher connection sends.
type wiretap struct {
	media atomic.Uint64 // RTP packets sent

	mu  sync.Mutex
	all [][]byte // guarded by mu; the newest
}

func tap(c *client) *wiretap {
	w := new(wiretap)
	c.upstream.set(func(conn *lossyConn) {
		conn.sent = func(b []byte) {
			if len(b) >= 12 && b[0]>>6 == 2 && (b[1] < 192 || b[1] > 223) {
				w.media.Add(1)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.all = append(w.all, slices.Clone(b)); len(w.all) > 200 {
				w.all = w.all[100:]
			}
		}
	})
	return w
}

func (w *wiretap) packets() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all)
}

// TestReplayedAndInjectedPacketsGoNowhere records a publisher's packets and sends them again, from its own address and from others. Each
// packet counts once.
func TestReplayedAndInjectedPacketsGoNowhere(t *testing.T) {
	inBothModes(t, func(t *testing.T, single bool) {
		s := startServer(t, nil)
		alice := join(t, s, "alice", clientOptions{single: single})
		bob := join(t, s, "bob", clientOptions{single: single})
		wire := tap(alice)
		source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
		heard := bob.receives(source.info.Sid, 20)

		stranger, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(s.address))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = stranger.Close() }()
		for range 20 {
			for _, packet := range wire.packets() {
				if _, err := stranger.Write(packet); err != nil {
					t.Fatal(err)
				}
				if packet[0]>>6 != 2 { // the client's own checks and handshake would be answered
					continue
				}
				for _, changed := range []int{-1, 1, len(packet) - 1, len(packet) / 2} {
					forged := slices.Clone(packet)
					if changed >= 0 {
						forged[changed] ^= 0x01
					}
					if _, err := alice.upstream.UDPConn.WriteToUDPAddrPort(forged, s.address); err != nil {
						t.Fatal(err)
					}
				}
			}
			heard.more(bob, 1)
		}
		heard.more(bob, 20)
		source.encodings[0].pause()
		if in, sent := s.Stats().PacketsIn, wire.media.Load(); in > sent {
			t.Errorf("%d packets were taken of %d sent", in, sent)
		}
	})
}

// TestNamedAddressIsNoWayIn lets a client name somebody's address as its own. What comes from there is ignored until a valid check does, and
// nothing but checks goes there.
func TestNamedAddressIsNoWayIn(t *testing.T) {
	s := startServer(t, nil)
	accomplice, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = accomplice.Close() }()
	mallory := join(t, s, "mallory", clientOptions{single: true})
	wire := tap(mallory)
	mallory.session.Trickle(livekit.SignalTarget_PUBLISHER, candidateAt(accomplice.LocalAddr().(*net.UDPAddr)))
	mallory.publish(webrtc.MimeTypeOpus, sourceOptions{})
	mallory.active()
	var others atomic.Uint64 // what the address got beside checks
	reader := make(chan struct{})
	go func() {
		defer close(reader)
		buf := make([]byte, 1500)
		for {
			n, err := accomplice.Read(buf)
			if err != nil {
				return
			}
			if !stun.IsMessage(buf[:n]) {
				others.Add(1)
			}
		}
	}()
	hello := []byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}
	before := s.SocketStats().Unchecked
	eventually(t, "packets from there to be counted", func() bool {
		for _, packet := range append(wire.packets(), hello) {
			if stun.IsMessage(packet) {
				continue
			}
			if _, err := accomplice.WriteToUDPAddrPort(packet, s.address); err != nil {
				t.Fatal(err)
			}
		}
		return s.SocketStats().Unchecked > before+100
	})
	_ = accomplice.Close()
	<-reader
	if n := others.Load(); n > 0 {
		t.Errorf("the address got %d packets that are no checks", n)
	}
	if in, sent := s.Stats().PacketsIn, wire.media.Load(); in > sent {
		t.Errorf("%d packets were taken of %d sent", in, sent)
	}
}

// TestNamingSomebodysAddressTakesNothing lets a client name the addresses of another's connections as its own: were they checked, the shared
// port would give their packets to it from then on.
func TestNamingSomebodysAddressTakesNothing(t *testing.T) {
	for _, lite := range []bool{true, false} {
		s := startServer(t, func(c *Config) { c.ICELite = lite })
		alice := join(t, s, "alice", clientOptions{single: true})
		bob := join(t, s, "bob", clientOptions{single: true})
		source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
		heard := bob.receives(source.info.Sid, 5)
		mallory := join(t, s, "mallory", clientOptions{single: true})
		for _, victim := range []*client{alice, bob} {
			mallory.session.Trickle(livekit.SignalTarget_PUBLISHER, candidateAt(victim.upstream.LocalAddr().(*net.UDPAddr)))
		}
		mallory.active()
		if !lite {
			eventually(t, "checks to be kept back", func() bool { return s.SocketStats().ForeignChecks > 0 })
		}
		heard.more(bob, 150) // three seconds: longer than any answer to a check is awaited
	}
}

func candidateAt(a *net.UDPAddr) webrtc.ICECandidateInit {
	return webrtc.ICECandidateInit{Candidate: "candidate:9 1 udp 2130706431 " + a.IP.String() + " " + strconv.Itoa(a.Port) + " typ host"}
}

// TestTracksBelongToTheirPublisher tries everything that names a track on somebody else's.
func TestTracksBelongToTheirPublisher(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{single: true})
	mallory := join(t, s, "mallory", clientOptions{single: true}).active()
	source := alice.publish(webrtc.MimeTypeVP8, sourceOptions{})
	heard := bob.receives(source.info.Sid, 5)
	sid := source.info.Sid
	mallory.session.MuteTrack(sid, true)
	mallory.session.UpdateVideoTrack(&livekit.UpdateLocalVideoTrack{TrackSid: sid, Width: 1, Height: 1})
	mallory.session.UpdateAudioTrack(&livekit.UpdateLocalAudioTrack{TrackSid: sid})
	mallory.session.AddTrack(&livekit.AddTrackRequest{
		Cid: "x", Sid: sid, Type: livekit.TrackType_VIDEO, SimulcastCodecs: []*livekit.SimulcastCodec{{Codec: "vp9", Cid: "x"}},
	})
	mallory.session.AddTrack(&livekit.AddTrackRequest{ // the same client id makes a track of its own
		Cid: source.encodings[0].track.ID(), Type: livekit.TrackType_VIDEO, Source: livekit.TrackSource_CAMERA,
	})
	eventually(t, "the refusals", func() bool {
		refused := 0
		for _, m := range messages[RequestAnswered](mallory) {
			if m.Response.Reason == livekit.RequestResponse_NOT_FOUND {
				refused++
			}
		}
		return refused == 4
	})
	for _, m := range messages[TrackPublished](mallory) {
		if m.Track.Sid == sid {
			t.Error("mallory was given alice's track")
		}
	}
	heard.more(bob, 20)
	if tracks := bob.participant("alice").Tracks; len(tracks) != 1 || tracks[0].Muted || tracks[0].Width == 1 || len(tracks[0].Codecs) != 1 {
		t.Errorf("alice's tracks are %v", tracks)
	}
}

// TestIdleTCPConnectionsAreClosed opens connections to the ICE/TCP port that say nothing, half a frame, noise, or a check for nobody: none stays.
func TestIdleTCPConnectionsAreClosed(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	startServer(t, func(c *Config) { c.TCPListener = listener })
	check, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername("nobody:x"))
	if err != nil {
		t.Fatal(err)
	}
	framed := append([]byte{0, byte(len(check.Raw))}, check.Raw...)
	var open sync.WaitGroup
	for n := range 40 {
		conn, err := net.Dial("tcp4", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Write([][]byte{nil, {0}, {0, 100, 1}, {0, 3, 1, 2, 3}, framed, {0xff, 0xff}}[n%6]); err != nil {
			t.Fatal(err)
		}
		open.Go(func() {
			_ = conn.SetReadDeadline(time.Now().Add(15 * time.Second))
			_, err := io.Copy(io.Discard, conn)
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Error("a connection is left")
			}
		})
	}
	open.Wait()
}

// TestRecordsInTheClearEndNothing sends DTLS records that are not encrypted from a publisher's own address, as who can write that address could.
func TestRecordsInTheClearEndNothing(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{single: true})
	source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
	heard := bob.receives(source.info.Sid, 20)
	forged := [][]byte{
		{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 90, 0, 2, 2, 10},                                                  // fatal alert
		{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 91, 0, 2, 1, 0},                                                   // close_notify
		{23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 92, 0, 1, 7},                                                      // data
		{20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 93, 0, 2, 7, 7},                                                   // broken ChangeCipherSpec
		{20, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 9, 94, 0, 2, 7, 7},                                                   // the same of a later epoch
		{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 95, 0, 1, 1, 21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 96, 0, 2, 1, 0}, // close_notify behind a handshake record
	}
	for _, packet := range forged {
		if _, err := alice.upstream.UDPConn.WriteToUDPAddrPort(packet, s.address); err != nil {
			t.Fatal(err)
		}
		heard.more(bob, 10)
	}
	if n := s.SocketStats().Unsound; n != uint64(len(forged)) {
		t.Errorf("%d of %d forged datagrams were kept out", n, len(forged))
	}
}

// TestMutatedPacketsChangeNothing sends 20,000 of a publisher's packets, changed at random, from its own address, which the gate lets in.
func TestMutatedPacketsChangeNothing(t *testing.T) {
	s := startServer(t, nil)
	alice := join(t, s, "alice", clientOptions{single: true})
	bob := join(t, s, "bob", clientOptions{single: true})
	wire := tap(alice)
	source := alice.publish(webrtc.MimeTypeOpus, sourceOptions{})
	heard := bob.receives(source.info.Sid, 20)
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(uint64(seed), 0))
	for sent := 0; sent < 20_000; {
		for _, packet := range wire.packets() {
			packet = slices.Clone(packet)
			for range 1 + random.IntN(8) {
				packet[random.IntN(len(packet))] = byte(random.Uint32())
			}
			if random.IntN(4) == 0 {
				packet = packet[:random.IntN(len(packet)+1)]
			}
			if _, err := alice.upstream.UDPConn.WriteToUDPAddrPort(packet, s.address); err != nil {
				t.Fatal(err)
			}
			sent++
		}
		heard.more(bob, 1)
	}
	heard.more(bob, 20)
	source.encodings[0].pause()
	if in, sent := s.Stats().PacketsIn, wire.media.Load(); in > sent {
		t.Errorf("%d packets were taken of %d sent", in, sent)
	}
}
