// Package naive is the SFU that pion's examples lead to: one PeerConnection with its own sockets per client,
// TrackLocalStaticRTP for forwarding, default codecs and interceptors. The bench measures beside it.
package naive

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// Server forwards one publisher's video to all viewers. Clients post an offer with their candidates and get
// the answer with the server's.
type Server struct {
	// immutable
	api *webrtc.API
	mux http.ServeMux

	mu    sync.Mutex
	video *webrtc.TrackLocalStaticRTP         // guarded by mu; nil until the publisher sends
	peers map[*webrtc.PeerConnection]struct{} // guarded by mu

	keyframe chan struct{} // asks the publisher for a keyframe; one wish is enough
}

// New returns a server with POST /publish, POST /view and GET /.
func New() (*Server, error) {
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		return nil, fmt.Errorf("register codecs: %w", err)
	}
	registry := &interceptor.Registry{}
	if err := webrtc.RegisterDefaultInterceptors(media, registry); err != nil {
		return nil, fmt.Errorf("register interceptors: %w", err)
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	s := &Server{
		api:      webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings)),
		peers:    make(map[*webrtc.PeerConnection]struct{}),
		keyframe: make(chan struct{}, 1),
	}
	s.mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	s.mux.HandleFunc("POST /publish", s.handle(s.publish))
	s.mux.HandleFunc("POST /view", s.handle(s.view))
	return s, nil
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close closes all PeerConnections.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pc := range s.peers {
		_ = pc.Close()
	}
	clear(s.peers)
}

// handle answers an offer on a new PeerConnection that prepare has set up.
func (s *Server) handle(prepare func(*webrtc.PeerConnection) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var offer webrtc.SessionDescription
		if err := json.NewDecoder(r.Body).Decode(&offer); err != nil {
			http.Error(w, fmt.Sprintf("read offer: %v", err), http.StatusBadRequest)
			return
		}
		answer, err := s.answer(offer, prepare)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func (s *Server) answer(offer webrtc.SessionDescription, prepare func(*webrtc.PeerConnection) error) (*webrtc.SessionDescription, error) {
	pc, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("make PeerConnection: %w", err)
	}
	s.mu.Lock()
	s.peers[pc] = struct{}{}
	s.mu.Unlock()
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateFailed || state == webrtc.PeerConnectionStateClosed {
			s.mu.Lock()
			delete(s.peers, pc)
			s.mu.Unlock()
			_ = pc.Close()
		}
	})
	if err := prepare(pc); err != nil {
		_ = pc.Close()
		return nil, err
	}
	if err := pc.SetRemoteDescription(offer); err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("apply offer: %w", err)
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("make answer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(answer); err != nil {
		_ = pc.Close()
		return nil, fmt.Errorf("apply answer: %w", err)
	}
	<-gathered
	return pc.LocalDescription(), nil
}

func (s *Server) publish(pc *webrtc.PeerConnection) error {
	video, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "publisher")
	if err != nil {
		return fmt.Errorf("make track: %w", err)
	}
	s.mu.Lock()
	s.video = video
	s.mu.Unlock()
	ended := make(chan struct{})
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		defer close(ended)
		go func() {
			for {
				select {
				case <-s.keyframe:
					_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(remote.SSRC())}})
				case <-ended:
					return
				}
			}
		}()
		for {
			packet, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			_ = video.WriteRTP(packet) // fails for viewers that are gone; the others got it
		}
	})
	return nil
}

func (s *Server) view(pc *webrtc.PeerConnection) error {
	s.mu.Lock()
	video := s.video
	s.mu.Unlock()
	if video == nil {
		return nil // nobody publishes: the viewer is an idle participant
	}
	sender, err := pc.AddTrack(video)
	if err != nil {
		return fmt.Errorf("add track: %w", err)
	}
	go func() {
		for {
			packets, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, packet := range packets {
				if _, ok := packet.(*rtcp.PictureLossIndication); ok {
					s.askForKeyframe()
				}
			}
		}
	}()
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			s.askForKeyframe()
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			s.mu.Lock()
			delete(s.peers, pc)
			s.mu.Unlock()
			_ = pc.Close()
		}
	})
	return nil
}

func (s *Server) askForKeyframe() {
	select {
	case s.keyframe <- struct{}{}:
	default:
	}
}
