package server

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	lkauth "github.com/livekit/protocol/auth"
)

const (
	devTokenLife = 6 * time.Hour
	devBody      = 4 << 10 // longest request to make a call, in bytes
	devRoomName  = 64      // longest name of its room, in characters
)

// Call is a room and links into it, one per person.
type Call struct {
	Room  string `json:"room"`
	Links []Link `json:"links"`
}

// Link lets one person into a room. URL is relative to the server's own; its
// fragment holds the token, so that it reaches no log and no other site.
type Link struct {
	Identity string `json:"identity"`
	Name     string `json:"name"`
	Token    string `json:"token"`
	URL      string `json:"url"`
}

// NewCall makes links for two people into a room, a new one that nobody can
// guess when room is empty. The rooms exist once somebody joins.
func (s *Server) NewCall(room string) (*Call, error) {
	if room == "" {
		room = "call-" + strings.ToLower(rand.Text()[:16])
	}
	call := &Call{Room: room}
	yes := true
	for n := 1; n <= 2; n++ {
		link := Link{Identity: fmt.Sprintf("guest-%d", n), Name: fmt.Sprintf("Guest %d", n)}
		by := s.signer.Load()
		token, err := by.minter.Mint(by.first, &lkauth.ClaimGrants{
			Identity: link.Identity,
			Name:     link.Name,
			Video:    &lkauth.VideoGrant{RoomJoin: true, Room: room, CanUpdateOwnMetadata: &yes},
		}, devTokenLife)
		if err != nil {
			return nil, err
		}
		link.Token, link.URL = token, "/call#token="+token
		call.Links = append(call.Links, link)
	}
	return call, nil
}

// devCalls answers POST /dev/call of the start page with a Call. It hands out
// tokens to whoever asks, so only development has it, only pages of this
// server may use it, and only under names that no foreign site can claim by
// pointing its own at this machine.
func (s *Server) devCalls() http.Handler {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "POST only", http.StatusMethodNotAllowed)
			return
		}
		if !isOwnHost(r.Host) {
			http.Error(w, "open this server by its address or as localhost", http.StatusForbidden)
			return
		}
		room, err := readRoom(http.MaxBytesReader(w, r.Body, devBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		call, err := s.NewCall(room)
		if err != nil {
			s.log.Error("a call could not be made", "error", err)
			http.Error(w, "the call could not be made", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(call) // the client is gone if this fails
	})
	return http.NewCrossOriginProtection().Handler(handler)
}

func readRoom(body io.Reader) (string, error) {
	var request struct {
		Room string `json:"room"`
	}
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&request); err != nil {
		return "", errors.New(`expected {"room": "name, or empty"}`)
	}
	if utf8.RuneCountInString(request.Room) > devRoomName || strings.ContainsFunc(request.Room, unicode.IsControl) {
		return "", fmt.Errorf("expected a room name of at most %d characters", devRoomName)
	}
	return request.Room, nil
}

// isOwnHost reports whether a Host header names this machine: an address,
// localhost or its own name.
func isOwnHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	return net.ParseIP(name) != nil || slices.Contains(hostNames(), name)
}
