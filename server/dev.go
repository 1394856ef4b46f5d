package server

import (
	"context"
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

	"careline/call"
	"careline/internal/errs"
	"careline/internal/store"
)

const (
	devTokenLife = 6 * time.Hour
	devBody      = 4 << 10 // longest request to make a call, in bytes
	devRoomName  = 64      // longest name of its room, in characters
)

// Call is a room and links into it: one per person, and for calls with guests
// one for whoever gets it.
type Call struct {
	Room  string `json:"room"`
	Links []Link `json:"links"`
}

// Link lets one person into a room, or a guest by an invitation; that one has no
// identity and no token. URL is relative to the server's own; its fragment holds
// the secret, so that it reaches no log and no other site. Chat is what is
// written in the call, without the call.
type Link struct {
	Identity string    `json:"identity,omitempty"`
	Name     string    `json:"name,omitempty"`
	Role     call.Role `json:"role,omitempty"`
	Token    string    `json:"token,omitempty"`
	URL      string    `json:"url"`
	Chat     string    `json:"chat,omitempty"`
}

// devPeople are those who get links into a call of the start page.
var devPeople = map[call.Kind][]call.Person{
	call.Direct:     {{Identity: "guest-1", Name: "Guest 1"}, {Identity: "guest-2", Name: "Guest 2"}},
	call.Conference: {{Identity: "host", Name: "Host", Role: call.Host}, {Identity: "operator", Name: "Operator", Role: call.Operator}},
	call.Broadcast:  {{Identity: "host", Name: "Host", Role: call.Host}, {Identity: "speaker", Name: "Speaker", Role: call.Speaker}},
}

// newCallOf makes a call of a kind, with links for its people and, unless it is
// between two, one for guests.
func (s *Server) newCallOf(ctx context.Context, n call.NewCall) (*Call, error) {
	n.People = devPeople[n.Kind]
	if err := s.newThreadOf(ctx, &n); err != nil {
		return nil, err
	}
	made, people, err := s.calls.Create(ctx, n, call.Creator{APIKey: s.signer.Load().first})
	if err != nil {
		return nil, err
	}
	c := &Call{Room: made.ID}
	for _, j := range people {
		p := j.Participant
		c.Links = append(c.Links, Link{Identity: p.Identity, Name: p.Name, Role: p.Role, Token: j.Token, URL: "/call#token=" + j.Token, Chat: "/chat#token=" + j.Token})
	}
	if n.Kind != call.Direct {
		invite, code, err := s.calls.Invite(ctx, made.ID, call.NewInvite{})
		if err != nil {
			return nil, err
		}
		c.Links = append(c.Links, Link{Role: invite.Role, URL: "/call#invite=" + code})
	}
	return c, nil
}

// newThreadOf makes the conversation of a call. The people of the start page have
// the same names in every call: without this all direct calls would have one
// conversation, and only one of them could go on.
func (s *Server) newThreadOf(ctx context.Context, n *call.NewCall) error {
	if len(n.People) == 0 {
		return nil // no kind of call: refused when it is made
	}
	people := make(map[string]string)
	for _, p := range n.People {
		people[p.Identity] = p.Name
	}
	return s.chats.WithThread(ctx, n.People[0].Identity, n.Title, nil, people, false, func(_ *store.Tx, conversation string) error {
		n.Conversation = conversation
		return nil
	})
}

// NewCall makes links for two people into a room, a new one that nobody can
// guess when room is empty. The rooms exist once somebody joins.
func (s *Server) NewCall(room string) (*Call, error) {
	if room == "" {
		room = "call-" + strings.ToLower(rand.Text()[:16])
	}
	c := &Call{Room: room}
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
		c.Links = append(c.Links, link)
	}
	return c, nil
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
		request, err := readDevCall(http.MaxBytesReader(w, r.Body, devBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var made *Call
		if request.Kind != "" {
			made, err = s.newCallOf(r.Context(), call.NewCall{Kind: request.Kind, Title: request.Title, WaitingRoom: request.WaitingRoom})
		} else {
			made, err = s.NewCall(request.Room)
		}
		if errs.Is(err, errs.Invalid) {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err != nil {
			s.log.Error("a call could not be made", "error", err)
			http.Error(w, "the call could not be made", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(made) // the client is gone if this fails
	})
	return http.NewCrossOriginProtection().Handler(handler)
}

// devRequest asks for a call of a kind, or for links into a room that is no call.
type devRequest struct {
	Room        string    `json:"room"`
	Kind        call.Kind `json:"kind"`
	Title       string    `json:"title"`
	WaitingRoom bool      `json:"waiting_room"`
}

func readDevCall(body io.Reader) (devRequest, error) {
	var request devRequest
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&request); err != nil {
		return request, errors.New(`expected {"room": "name, or empty"}, or {"kind", "title", "waiting_room"}`)
	}
	if utf8.RuneCountInString(request.Room) > devRoomName || strings.ContainsFunc(request.Room, unicode.IsControl) {
		return request, fmt.Errorf("expected a room name of at most %d characters", devRoomName)
	}
	if request.Room != "" && request.Kind != "" {
		return request, errors.New("expected a room or a kind: a call names its room itself")
	}
	return request, nil
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
