package compat

import (
	"sync"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	samples "github.com/pion/webrtc/v4/pkg/media"
)

// mode is how many peer connections a client of the Go SDK uses.
type mode string

const (
	dual   mode = "dual"
	single mode = "single"
)

func eachMode(t *testing.T, f func(*testing.T, mode)) {
	for _, m := range []mode{dual, single} {
		t.Run(string(m), func(t *testing.T) { f(t, m) })
	}
}

// connect joins with the Go SDK and leaves when the test ends.
func (r *rig) connect(t *testing.T, m mode, room, identity string, callback *lksdk.RoomCallback, options ...lksdk.ConnectOption) *lksdk.Room {
	t.Helper()
	return r.connectAs(t, m, identity, grant(room), callback, options...)
}

func (r *rig) connectAs(t *testing.T, m mode, identity string, g *lkauth.VideoGrant, callback *lksdk.RoomCallback,
	options ...lksdk.ConnectOption) *lksdk.Room {
	t.Helper()
	options = append(options, lksdk.WithConnectTimeout(patience))
	if m == single {
		options = append(options, lksdk.WithSinglePeerConnection())
	}
	room, err := lksdk.ConnectToRoomWithToken(r.ws(), token(t, identity, g), callback, options...)
	if err != nil {
		t.Fatalf("%s in %s mode: %v", identity, m, err)
	}
	t.Cleanup(room.Disconnect)
	return room
}

// frames returns a stream of samples that a decoder would take for the codec's, as far as headers go.
func frame(mime string, n int) []byte {
	switch mime {
	case webrtc.MimeTypeVP8:
		if n%30 == 0 { // keyframe header of RFC 6386: 64 x 48
			return append([]byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x00, 0x30, 0x00}, make([]byte, 900)...)
		}
		return append([]byte{0x31, 0x02, 0x00}, make([]byte, 600)...)
	default:
		return []byte{0xf8, 0xff, 0xfe, byte(n)} // Opus, 20 ms
	}
}

// publish sends a track until the test ends.
func publish(t *testing.T, room *lksdk.Room, mime string) *lksdk.LocalTrackPublication {
	t.Helper()
	return send(t, room, mime, 0)
}

// send sends a track until the test ends, with some bytes behind each frame.
func send(t *testing.T, room *lksdk.Room, mime string, behind int) *lksdk.LocalTrackPublication {
	t.Helper()
	clockRate, interval := uint32(90000), time.Second/30
	if mime == webrtc.MimeTypeOpus {
		clockRate, interval = 48000, 20*time.Millisecond
	}
	capability := webrtc.RTPCodecCapability{MimeType: mime, ClockRate: clockRate}
	if mime == webrtc.MimeTypeOpus {
		capability.Channels = 2
	}
	track, err := lksdk.NewLocalSampleTrack(capability)
	if err != nil {
		t.Fatal(err)
	}
	publication, err := room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{})
	if err != nil {
		t.Fatalf("publish %s: %v", mime, err)
	}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-ticker.C:
				// Errors are those of a track that is not bound yet or no more.
				_ = track.WriteSample(samples.Sample{Data: append(frame(mime, n), make([]byte, behind)...), Duration: interval}, nil)
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		writer.Wait()
	})
	return publication
}

// inbox collects what an SDK's callbacks report.
type inbox struct {
	mu sync.Mutex

	// guarded by mu
	packets      map[string]int // RTP packets by track sid
	codecs       map[string]string
	publishers   map[string]string // identity by track sid
	unsubscribed map[string]bool
	muted        map[string]bool
	data         []received
	reasons      []lksdk.DisconnectionReason
	resumed      int
	reconnecting int
}

type received struct {
	text, topic, sender string
}

func newInbox() *inbox {
	return &inbox{packets: map[string]int{}, codecs: map[string]string{}, publishers: map[string]string{},
		unsubscribed: map[string]bool{}, muted: map[string]bool{}}
}

func (i *inbox) callback() *lksdk.RoomCallback {
	return &lksdk.RoomCallback{
		OnDisconnectedWithReason: func(reason lksdk.DisconnectionReason) {
			i.locked(func() { i.reasons = append(i.reasons, reason) })
		},
		OnReconnecting: func() { i.locked(func() { i.reconnecting++ }) },
		OnReconnected:  func() { i.locked(func() { i.resumed++ }) },
		ParticipantCallback: lksdk.ParticipantCallback{
			OnTrackSubscribed: i.subscribed,
			OnTrackUnsubscribed: func(_ *webrtc.TrackRemote, p *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
				i.locked(func() { i.unsubscribed[p.SID()] = true })
			},
			OnTrackMuted:   func(p lksdk.TrackPublication, _ lksdk.Participant) { i.locked(func() { i.muted[p.SID()] = true }) },
			OnTrackUnmuted: func(p lksdk.TrackPublication, _ lksdk.Participant) { i.locked(func() { i.muted[p.SID()] = false }) },
			OnDataPacket: func(d lksdk.DataPacket, p lksdk.DataReceiveParams) {
				user, ok := d.(*lksdk.UserDataPacket)
				if !ok {
					return
				}
				i.locked(func() { i.data = append(i.data, received{string(user.Payload), user.Topic, p.SenderIdentity}) })
			},
		},
	}
}

func (i *inbox) subscribed(track *webrtc.TrackRemote, p *lksdk.RemoteTrackPublication, rp *lksdk.RemoteParticipant) {
	sid := p.SID()
	i.locked(func() {
		i.codecs[sid] = track.Codec().MimeType
		i.publishers[sid] = rp.Identity()
	})
	go func() {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			i.locked(func() { i.packets[sid]++ })
		}
	}()
}

func (i *inbox) locked(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

// flowing waits until n more packets of a track have arrived.
func (i *inbox) flowing(t *testing.T, sid string, n int) {
	t.Helper()
	start := i.count(sid)
	eventually(t, "packets of "+sid, func() bool { return i.count(sid) >= start+n })
}

func (i *inbox) count(sid string) (n int) {
	i.locked(func() { n = i.packets[sid] })
	return n
}

func (i *inbox) has(d received) (found bool) {
	i.locked(func() {
		for _, got := range i.data {
			found = found || got == d
		}
	})
	return found
}

func (i *inbox) amount() (n int) {
	i.locked(func() { n = len(i.data) })
	return n
}
