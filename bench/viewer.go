package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

const (
	latencyStep    = 50 * time.Microsecond // of a bucket
	latencyBuckets = 4000                  // the last one takes what is later, from 200 ms on
)

// window is what viewers received between two moments.
type window struct {
	Received int64       `json:"received"` // packets with the camera's mark
	Expected int64       `json:"expected"` // by sequence numbers
	Damaged  int64       `json:"damaged"`  // packets without the mark, padding included
	Latency  map[int]int `json:"latency"`  // packets by time on the way, in units of latencyStep
}

func (w *window) add(other window) {
	w.Received += other.Received
	w.Expected += other.Expected
	w.Damaged += other.Damaged
	if w.Latency == nil {
		w.Latency = make(map[int]int)
	}
	for bucket, n := range other.Latency {
		w.Latency[bucket] += n
	}
}

// viewer is one receiving PeerConnection.
type viewer struct {
	// immutable
	pc        *webrtc.PeerConnection
	connected chan struct{}
	first     chan struct{} // the first packet of each expected stream came

	leave func()

	mu      sync.Mutex
	now     window                // guarded by mu
	latency [latencyBuckets]int32 // guarded by mu
	streams []*stream             // guarded by mu, their fields too
	missing int                   // guarded by mu: expected streams without a packet
}

// stream is one received track.
type stream struct {
	highest  int64 // extended sequence number, -1 before the first
	expected int64 // highest at the start of the window
}

func newViewer(streams int) *viewer {
	return &viewer{connected: make(chan struct{}), first: make(chan struct{}), missing: streams}
}

// watch joins as a viewer and returns when the PeerConnection is connected.
func watch(ctx context.Context, api *webrtc.API, join joiner, identity string, want sections) (*viewer, error) {
	pc, err := newPeer(api)
	if err != nil {
		return nil, err
	}
	v := newViewer(want.video + want.audio)
	v.pc = pc
	if err := addSections(pc, want); err != nil {
		_ = pc.Close()
		return nil, err
	}
	onConnected(pc, v.connected)
	pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { v.read(track) })
	if v.leave, err = join(ctx, pc, identity, nil); err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := await(ctx, v.connected, "the connection"); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// addSections adds what the client can receive in.
func addSections(pc *webrtc.PeerConnection, want sections) error {
	for kind, n := range map[webrtc.RTPCodecType]int{webrtc.RTPCodecTypeVideo: want.video, webrtc.RTPCodecTypeAudio: want.audio} {
		for range n {
			direction := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
			if _, err := pc.AddTransceiverFromKind(kind, direction); err != nil {
				return fmt.Errorf("add %s section: %w", kind, err)
			}
		}
	}
	return nil
}

// newPeer makes a PeerConnection with the data channels that LiveKit's clients open.
func newPeer(api *webrtc.API) (*webrtc.PeerConnection, error) {
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("make PeerConnection: %w", err)
	}
	never := uint16(0)
	for label, options := range map[string]*webrtc.DataChannelInit{
		"_reliable": nil,
		"_lossy":    {Ordered: new(bool), MaxRetransmits: &never},
	} {
		if _, err := pc.CreateDataChannel(label, options); err != nil {
			_ = pc.Close()
			return nil, fmt.Errorf("make data channel: %w", err)
		}
	}
	return pc, nil
}

func onConnected(pc *webrtc.PeerConnection, connected chan struct{}) {
	var once sync.Once
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(connected) })
		}
	})
}

func await(ctx context.Context, c <-chan struct{}, what string) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", what, ctx.Err())
	}
}

func (v *viewer) read(track *webrtc.TrackRemote) {
	if track.Kind() == webrtc.RTPCodecTypeVideo {
		_ = v.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}})
	}
	s := v.addStream()
	buf := make([]byte, 1500)
	var header rtp.Header
	for {
		n, _, err := track.Read(buf)
		if err != nil {
			return
		}
		size, err := header.Unmarshal(buf[:n])
		if err != nil {
			continue
		}
		v.count(s, header.SequenceNumber, buf[size:n], time.Now())
	}
}

func (v *viewer) addStream() *stream {
	s := &stream{highest: -1}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.streams = append(v.streams, s)
	return s
}

func (v *viewer) count(s *stream, sequence uint16, payload []byte, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.highest < 0 {
		s.highest = int64(sequence)
		s.expected = s.highest - 1
		if v.missing--; v.missing == 0 {
			close(v.first)
		}
	} else if ahead := int16(sequence - uint16(s.highest)); ahead > 0 {
		s.highest += int64(ahead)
	}
	sent, ok := stamped(payload)
	if !ok {
		v.now.Damaged++
		return
	}
	v.now.Received++
	bucket := min(max(int(now.Sub(sent)/latencyStep), 0), latencyBuckets-1)
	v.latency[bucket]++
}

// start begins a window.
func (v *viewer) start() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = window{}
	clear(v.latency[:])
	for _, s := range v.streams {
		s.expected = s.highest
	}
}

// stop returns what came since start.
func (v *viewer) stop() window {
	v.mu.Lock()
	defer v.mu.Unlock()
	w := v.now
	for _, s := range v.streams {
		w.Expected += s.highest - s.expected
	}
	w.Latency = make(map[int]int)
	for bucket, n := range v.latency {
		if n > 0 {
			w.Latency[bucket] = int(n)
		}
	}
	return w
}

func (v *viewer) close() {
	v.leave()
	_ = v.pc.Close()
}
