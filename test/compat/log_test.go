package compat

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"

	"careline/configs"
)

// written collects a log.
type written struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

var passwords = regexp.MustCompile(`a=ice-pwd:(\S+)`)

// A whole session leaves nothing in the log, at its most talkative, that opens
// a door or is nobody else's business.
func TestSecretsStayOutOfTheLog(t *testing.T) {
	const (
		apiSecret = "Mk9wQz4xNr7vTc2bHs6yLd3fJg8pRt1a"
		phone     = "+491715550123"
		text      = "ward-nine-window-seat"
		metadata  = "allergic-to-penicillin"
	)
	log := new(written)
	r := start(t, setup{log: log, change: func(c *configs.Config) {
		c.Keys = append(c.Keys, configs.Key{ID: "desk", Secret: apiSecret})
		c.Log.Requests = true
	}})
	secrets := map[string]string{"API secret": apiSecret, "phone number": phone[1:], "message": text, "metadata": metadata}

	heard := newInbox()
	bob := r.connect(t, dual, "ward", "bob", heard.callback())
	traveller := token(t, phone, grant("ward"))
	secrets["signature"] = traveller[strings.LastIndex(traveller, ".")+1:]
	secrets["claims"] = strings.Split(traveller, ".")[1]
	room, err := lksdk.ConnectToRoomWithToken(r.ws(), traveller, newInbox().callback(), lksdk.WithConnectTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer room.Disconnect()
	publish(t, room, webrtc.MimeTypeOpus)
	room.LocalParticipant.SetMetadata(metadata)
	if err := room.LocalParticipant.PublishDataPacket(&lksdk.UserDataPacket{Payload: []byte(text)}, lksdk.WithDataPublishReliable(true)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message", func() bool {
		found := false
		heard.locked(func() { found = len(heard.data) > 0 && heard.data[0].text == text })
		return found
	})
	for name, pc := range map[string]*webrtc.PeerConnection{
		"publisher": room.LocalParticipant.GetPublisherPeerConnection(), "subscriber": bob.LocalParticipant.GetSubscriberPeerConnection(),
	} {
		for side, d := range map[string]*webrtc.SessionDescription{"own": pc.LocalDescription(), "server's": pc.RemoteDescription()} {
			found := passwords.FindStringSubmatch(d.SDP)
			if found == nil {
				t.Fatalf("no ICE password in the %s's %s description", name, side)
			}
			secrets[name+"'s "+side+" ICE password"] = found[1]
		}
		for _, s := range pc.GetConfiguration().ICEServers {
			if credential, ok := s.Credential.(string); ok && credential != "" {
				secrets["TURN password"] = credential
			}
		}
	}
	if secrets["TURN password"] == "" {
		t.Error("no TURN server was announced")
	}

	// Tokens in every place that a request has for them, good and bad.
	forged := traveller[:len(traveller)-6] + "AAAAAA"
	for _, path := range []string{"/rtc", "/rtc/validate", "/v1/calls", "/v1/session", "/twirp/livekit.RoomService/ListRooms", "/call", "/nothing", "/agent"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, with := range []string{traveller, forged, "hunter2hunter2"} {
				q, err := http.NewRequest(method, r.http()+path+"?access_token="+with, strings.NewReader(`{"text":"`+text+`"}`))
				if err != nil {
					t.Fatal(err)
				}
				q.Header.Set("Authorization", "Bearer "+with)
				q.Header.Set("Cookie", "session="+with)
				response, err := http.DefaultClient.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				_ = response.Body.Close()
			}
		}
	}
	secrets["forged signature"] = forged[strings.LastIndex(forged, ".")+1:]
	secrets["bad token"] = "hunter2"
	http.DefaultClient.CloseIdleConnections()
	room.Disconnect()
	bob.Disconnect()
	r.stop()

	output := log.String()
	for _, sign := range []string{"participant connected", "track published", "msg=request", "level=DEBUG", "participant left"} {
		if !strings.Contains(output, sign) {
			t.Errorf("the log tells nothing of %q: this test would see no secret either", sign)
		}
	}
	for what, secret := range secrets {
		if at := strings.Index(output, secret); at >= 0 {
			t.Errorf("the log holds the %s: %s", what, output[max(0, at-200):min(len(output), at+len(secret)+50)])
		}
	}
}
