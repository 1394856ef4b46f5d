package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

const (
	usualRoom    = "bench"
	tokenLife    = time.Hour
	pingInterval = 5 * time.Second
)

// joinLiveKit joins over LiveKit's protocol with a single peer connection (/rtc/v1).
func joinLiveKit(base, key, secret, room string) joiner {
	return func(ctx context.Context, pc *webrtc.PeerConnection, identity string, publish *livekit.AddTrackRequest) (func(), error) {
		token, err := auth.NewAccessToken(key, secret).SetIdentity(identity).SetValidFor(tokenLife).
			SetVideoGrant(&auth.VideoGrant{RoomJoin: true, Room: room}).ToJWT()
		if err != nil {
			return nil, fmt.Errorf("mint token: %w", err)
		}
		offer, err := localOffer(pc)
		if err != nil {
			return nil, err
		}
		request, err := joinRequest(offer.SDP, publish)
		if err != nil {
			return nil, err
		}
		query := url.Values{"access_token": {token}, "join_request": {request}}
		address := "ws" + strings.TrimPrefix(base, "http") + "/rtc/v1?" + query.Encode()
		conn, response, err := websocket.DefaultDialer.DialContext(ctx, address, nil)
		if err != nil {
			if response != nil {
				return nil, fmt.Errorf("open WebSocket: %s: %w", response.Status, err)
			}
			return nil, fmt.Errorf("open WebSocket: %w", err)
		}
		s := &session{pc: pc, conn: conn, answered: make(chan error, 1), ended: make(chan struct{}), offerID: 1, waiting: true}
		go s.read()
		go s.ping()
		select {
		case err = <-s.answered:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			s.leave()
			return nil, fmt.Errorf("wait for the answer: %w", err)
		}
		return s.leave, nil
	}
}

// joinRequest is the join_request parameter: the offer, and the track it holds.
func joinRequest(sdp string, publish *livekit.AddTrackRequest) (string, error) {
	join := &livekit.JoinRequest{
		ClientInfo:         &livekit.ClientInfo{Sdk: livekit.ClientInfo_GO, Protocol: 16},
		ConnectionSettings: &livekit.ConnectionSettings{AutoSubscribe: true},
		PublisherOffer:     &livekit.SessionDescription{Type: "offer", Sdp: sdp, Id: 1},
	}
	if publish != nil {
		join.AddTrackRequests = []*livekit.AddTrackRequest{publish}
	}
	inner, err := proto.Marshal(join)
	if err != nil {
		return "", fmt.Errorf("encode join request: %w", err)
	}
	wrapped, err := proto.Marshal(&livekit.WrappedJoinRequest{Compression: livekit.WrappedJoinRequest_NONE, JoinRequest: inner})
	if err != nil {
		return "", fmt.Errorf("encode join request: %w", err)
	}
	return base64.URLEncoding.EncodeToString(wrapped), nil
}

// session is the signalling of one client after the WebSocket opened.
type session struct {
	// immutable
	pc       *webrtc.PeerConnection
	conn     *websocket.Conn
	answered chan error    // the first answer was applied, or why not
	ended    chan struct{} // the WebSocket is closed

	// owned by read
	offerID uint32
	waiting bool // for an answer
	again   bool // offer again after it
	early   []webrtc.ICECandidateInit

	mu   sync.Mutex // one writer at a time
	once sync.Once
}

// read handles the server's messages until the WebSocket ends.
func (s *session) read() {
	defer close(s.ended)
	for {
		_, raw, err := s.conn.ReadMessage()
		if err == nil {
			err = s.handle(raw)
		}
		if err != nil {
			select {
			case s.answered <- err:
			default:
			}
			return
		}
	}
}

func (s *session) handle(raw []byte) error {
	var response livekit.SignalResponse
	if err := proto.Unmarshal(raw, &response); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	switch m := response.Message.(type) {
	case *livekit.SignalResponse_Answer:
		return s.answer(m.Answer)
	case *livekit.SignalResponse_Trickle:
		return s.candidate(m.Trickle)
	case *livekit.SignalResponse_MediaSectionsRequirement:
		more := sections{video: int(m.MediaSectionsRequirement.NumVideos), audio: int(m.MediaSectionsRequirement.NumAudios)}
		if err := addSections(s.pc, more); err != nil {
			return err
		}
		return s.offer()
	case *livekit.SignalResponse_Leave:
		return fmt.Errorf("the server ended the session: %v", m.Leave.GetReason())
	}
	return nil
}

func (s *session) answer(answer *livekit.SessionDescription) error {
	if err := s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer.Sdp}); err != nil {
		return fmt.Errorf("apply answer: %w", err)
	}
	for _, candidate := range s.early {
		if err := s.pc.AddICECandidate(candidate); err != nil {
			return fmt.Errorf("add candidate: %w", err)
		}
	}
	s.early, s.waiting = nil, false
	select {
	case s.answered <- nil:
	default:
	}
	if s.again {
		s.again = false
		return s.offer()
	}
	return nil
}

func (s *session) candidate(trickle *livekit.TrickleRequest) error {
	var candidate webrtc.ICECandidateInit
	if err := json.Unmarshal([]byte(trickle.CandidateInit), &candidate); err != nil {
		return fmt.Errorf("read candidate: %w", err)
	}
	if candidate.Candidate == "" {
		return nil
	}
	if s.pc.RemoteDescription() == nil {
		s.early = append(s.early, candidate)
		return nil
	}
	if err := s.pc.AddICECandidate(candidate); err != nil {
		return fmt.Errorf("add candidate: %w", err)
	}
	return nil
}

// offer offers again, after the answer that is still to come.
func (s *session) offer() error {
	if s.waiting {
		s.again = true
		return nil
	}
	offer, err := localOffer(s.pc)
	if err != nil {
		return err
	}
	s.offerID++
	s.waiting = true
	return s.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{
		Offer: &livekit.SessionDescription{Type: "offer", Sdp: offer.SDP, Id: s.offerID},
	}})
}

func (s *session) ping() {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			request := &livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: now.UnixMilli()}}}
			if s.send(request) != nil {
				return
			}
		case <-s.ended:
			return
		}
	}
}

func (s *session) send(request *livekit.SignalRequest) error {
	raw, err := proto.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.WriteMessage(websocket.BinaryMessage, raw); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	return nil
}

func (s *session) leave() {
	s.once.Do(func() {
		err := s.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{
			Leave: &livekit.LeaveRequest{Reason: livekit.DisconnectReason_CLIENT_INITIATED},
		}})
		if err = errors.Join(err, s.conn.Close()); err != nil {
			return // the server was faster
		}
		<-s.ended
	})
}
