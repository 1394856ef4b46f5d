// Package naive is the SFU that pion's examples lead to: one PeerConnection with its own sockets per client,
// TrackLocalStaticRTP for forwarding, default codecs and interceptors. The bench measures beside it.
package naive

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// Server forwards what publishers send to all viewers that come later. Clients post an offer with their candidates and get
// the answer with the server's.
type Server struct {
	// immutable
	api *webrtc.API
	mux http.ServeMux

	mu     sync.Mutex
	tracks []*track                            // guarded by mu
	made   int                                 // guarded by mu: tracks so far
	peers  map[*webrtc.PeerConnection]struct{} // guarded by mu
}

// track is what one publisher sends.
type track struct {
	local    *webrtc.TrackLocalStaticRTP
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
		api:   webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings)),
		peers: make(map[*webrtc.PeerConnection]struct{}),
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
func (s *Server) handle(prepare func(*webrtc.PeerConnection, webrtc.SessionDescription) error) http.HandlerFunc {
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

func (s *Server) answer(offer webrtc.SessionDescription, prepare func(*webrtc.PeerConnection, webrtc.SessionDescription) error) (*webrtc.SessionDescription, error) {
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
	if err := prepare(pc, offer); err != nil {
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

// publish takes one track, which viewers get from now on until it ends.
func (s *Server) publish(pc *webrtc.PeerConnection, offer webrtc.SessionDescription) error {
	mime := webrtc.MimeTypeVP8
	if strings.Contains(offer.SDP, "m=audio") {
		mime = webrtc.MimeTypeOpus
	}
	t, err := s.add(mime)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	pc.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		defer close(ended)
		go func() {
			for {
				select {
				case <-t.keyframe:
					_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(remote.SSRC())}})
				case <-ended:
					return
				}
			}
		}()
		defer s.remove(t)
		for {
			packet, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			_ = t.local.WriteRTP(packet) // fails for viewers that are gone; the others got it
		}
	})
	return nil
}

func (s *Server) add(mime string) (*track, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	local, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, fmt.Sprint("track-", s.made), "publisher")
	if err != nil {
		return nil, fmt.Errorf("make track: %w", err)
	}
	t := &track{local: local, keyframe: make(chan struct{}, 1)}
	s.tracks = append(s.tracks, t)
	return t, nil
}

func (s *Server) remove(t *track) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tracks = slices.DeleteFunc(s.tracks, func(o *track) bool { return o == t })
}

// view gives a viewer all tracks that there are; without any it is an idle participant.
func (s *Server) view(pc *webrtc.PeerConnection, _ webrtc.SessionDescription) error {
	s.mu.Lock()
	tracks := slices.Clone(s.tracks)
	s.mu.Unlock()
	for _, t := range tracks {
		sender, err := pc.AddTrack(t.local)
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
						t.askForKeyframe()
					}
				}
			}
		}()
	}
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			for _, t := range tracks {
				t.askForKeyframe()
			}
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			s.mu.Lock()
			delete(s.peers, pc)
			s.mu.Unlock()
			_ = pc.Close()
		}
	})
	return nil
}

func (t *track) askForKeyframe() {
	select {
	case t.keyframe <- struct{}{}:
	default:
	}
}
