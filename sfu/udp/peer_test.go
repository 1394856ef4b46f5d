package udp

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// newPeer makes a PeerConnection without interceptors: what it sends, the test wrote.
func newPeer(t *testing.T, engine webrtc.SettingEngine) *webrtc.PeerConnection {
	t.Helper()
	media := &webrtc.MediaEngine{}
	if err := media.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8, ClockRate: 90000}, PayloadType: 96,
	}, webrtc.RTPCodecTypeVideo); err != nil {
		t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(engine),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{})).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pc.GracefulClose(); err != nil {
			t.Errorf("close PeerConnection: %v", err)
		}
	})
	return pc
}

// viewer is one PeerConnection of the server over the port and its peer.
type viewer struct {
	track    *webrtc.TrackLocalStaticRTP
	up       chan struct{} // closed when the peer is connected
	echo     chan string   // what came back over the data channel
	received chan *rtp.Packet
}

func connectViewer(t *testing.T, p *Port, b *Batch) *viewer {
	t.Helper()
	server := webrtc.SettingEngine{LoggerFactory: NewLoggerFactory(quiet())}
	server.SetICEUDPMux(p.Mux(b))
	client := webrtc.SettingEngine{LoggerFactory: NewLoggerFactory(quiet())}
	client.SetIncludeLoopbackCandidate(true)
	here, there := newPeer(t, server), newPeer(t, client)

	v := &viewer{up: make(chan struct{}), echo: make(chan string, 1), received: make(chan *rtp.Packet, 1024)}
	var err error
	v.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := here.AddTrack(v.track); err != nil {
		t.Fatal(err)
	}
	there.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			close(v.up)
		}
	})
	there.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			v.received <- packet
		}
	})
	there.OnDataChannel(func(channel *webrtc.DataChannel) {
		channel.OnMessage(func(message webrtc.DataChannelMessage) { _ = channel.Send(message.Data) })
	})
	channel, err := here.CreateDataChannel("echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	channel.OnOpen(func() { _ = channel.SendText("through the mux") })
	channel.OnMessage(func(message webrtc.DataChannelMessage) { v.echo <- string(message.Data) })

	offer, err := here.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	describe(t, here, there, offer)
	answer, err := there.CreateAnswer(nil)
	if err != nil {
		t.Fatal(err)
	}
	describe(t, there, here, answer)
	return v
}

// describe sets a description at its owner and, with all candidates, at the other side.
func describe(t *testing.T, owner, other *webrtc.PeerConnection, description webrtc.SessionDescription) {
	t.Helper()
	gathered := webrtc.GatheringCompletePromise(owner)
	if err := owner.SetLocalDescription(description); err != nil {
		t.Fatal(err)
	}
	<-gathered
	if err := other.SetRemoteDescription(*owner.LocalDescription()); err != nil {
		t.Fatal(err)
	}
}

func wait[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case got := <-c:
		return got
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func TestPeerConnections(t *testing.T) {
	const viewers, frames, burst = 3, 20, 7
	for _, address := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		for _, batched := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s batched %v", address, batched), func(t *testing.T) {
				p := openPort(t, Options{IncludeLoopback: true}, address)
				var b *Batch
				if batched {
					b = NewBatch()
				}
				var all []*viewer
				for range viewers {
					all = append(all, connectViewer(t, p, b))
				}
				for _, v := range all {
					wait(t, "the connection", v.up)
					if got := wait(t, "the data channel", v.echo); got != "through the mux" {
						t.Fatalf("data channel gave %q", got)
					}
				}
				for frame := range frames {
					for _, v := range all {
						for i := range burst {
							writeRTP(t, v.track, frame*burst+i)
						}
					}
					if batched {
						b.Flush()
					}
					// Frame by frame, so that no peer's small socket buffer overflows.
					for _, v := range all {
						for i := frame * burst; i < (frame+1)*burst; i++ {
							packet := wait(t, "a packet", v.received)
							if int(packet.SequenceNumber) != i || !bytes.Equal(packet.Payload, payload(i)) {
								t.Fatalf("packet %d arrived as %d with %d bytes", i, packet.SequenceNumber, len(packet.Payload))
							}
						}
					}
				}
				s := p.Stats()
				batches := uint64(0)
				if batched {
					batches = frames
				}
				if s.Batches != batches || s.Datagrams < viewers*frames*burst {
					t.Errorf("%+v, want %d batches", s, batches)
				}
				if s.DroppedFull+s.DroppedTooLarge+s.DroppedError != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

func payload(number int) []byte { return bytes.Repeat([]byte{byte(number), 0xca}, 500+number%3) }

func writeRTP(t *testing.T, track *webrtc.TrackLocalStaticRTP, number int) {
	t.Helper()
	if err := track.WriteRTP(&rtp.Packet{
		Header:  rtp.Header{Version: 2, SequenceNumber: uint16(number), Timestamp: uint32(number) * 3000},
		Payload: payload(number),
	}); err != nil {
		t.Fatal(err)
	}
}
