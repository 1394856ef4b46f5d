package signal

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"testing"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// parameter is a join_request as livekit-client writes it: padded, in the URL alphabet.
func parameter(t testing.TB, compression livekit.WrappedJoinRequest_Compression, data []byte) string {
	t.Helper()
	return base64.URLEncoding.EncodeToString(marshal(t, &livekit.WrappedJoinRequest{Compression: compression, JoinRequest: data}))
}

func TestReadJoin(t *testing.T) {
	request := &livekit.JoinRequest{
		ClientInfo:            &livekit.ClientInfo{Sdk: livekit.ClientInfo_JS, Protocol: 17, ClientProtocol: 2},
		ConnectionSettings:    &livekit.ConnectionSettings{AutoSubscribe: true, AdaptiveStream: true, DisableIceLite: true},
		Metadata:              "m",
		ParticipantAttributes: map[string]string{"a": "b"},
		AddTrackRequests:      []*livekit.AddTrackRequest{{Cid: "mic"}},
		PublisherOffer:        &livekit.SessionDescription{Type: "offer", Sdp: "v=0", Id: 1},
	}
	data := marshal(t, request)
	for name, p := range map[string]string{
		"plain":    parameter(t, livekit.WrappedJoinRequest_NONE, data),
		"gzip":     parameter(t, livekit.WrappedJoinRequest_GZIP, gzipped(t, data)),
		"unpadded": base64.RawURLEncoding.EncodeToString(marshal(t, &livekit.WrappedJoinRequest{JoinRequest: data})),
	} {
		e, err := readJoin(p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		j := e.join
		if !j.SinglePC || !j.AutoSubscribe || !j.AdaptiveStream || !j.DisableICELite || j.Offer != "v=0" || j.OfferID != 1 ||
			len(j.AddTracks) != 1 || j.Client.ClientProtocol != 2 || e.metadata != "m" || e.attributes["a"] != "b" || e.resume {
			t.Errorf("%s: %+v", name, e)
		}
	}
	e, err := readJoin(parameter(t, livekit.WrappedJoinRequest_NONE, marshal(t, &livekit.JoinRequest{
		Reconnect: true, ReconnectReason: livekit.ReconnectReason_RR_PUBLISHER_FAILED, ParticipantSid: "PA_1", SyncState: &livekit.SyncState{},
	})))
	if err != nil || !e.resume || e.sid != "PA_1" || e.reason != livekit.ReconnectReason_RR_PUBLISHER_FAILED || e.sync == nil {
		t.Errorf("%+v, %v", e, err)
	}
	if e.join.AutoSubscribe {
		t.Error("auto_subscribe has no default in a join request")
	}
}

func TestReadJoinRefuses(t *testing.T) {
	long := marshal(t, &livekit.JoinRequest{Metadata: string(bytes.Repeat([]byte("m"), maxJoinRequest))})
	bomb := gzipped(t, make([]byte, 4<<20))
	for name, c := range map[string]struct {
		parameter string
		want      error
	}{
		"no base64":           {"a b", errJoinBase64},
		"no wrapping":         {base64.URLEncoding.EncodeToString([]byte("\xff")), errJoinWrapping},
		"unknown compression": {parameter(t, 7, nil), errJoinWrapping},
		"no gzip":             {parameter(t, livekit.WrappedJoinRequest_GZIP, []byte("x")), errJoinGzip},
		"cut gzip":            {parameter(t, livekit.WrappedJoinRequest_GZIP, bomb[:len(bomb)-9]), errJoinTooLarge},
		"cut small gzip":      {parameter(t, livekit.WrappedJoinRequest_GZIP, gzipped(t, []byte("hello"))[:15]), errJoinGzip},
		"no message":          {parameter(t, livekit.WrappedJoinRequest_NONE, []byte("\xff")), errJoinMessage},
		"long":                {parameter(t, livekit.WrappedJoinRequest_NONE, long), errJoinTooLarge},
		"long compressed":     {parameter(t, livekit.WrappedJoinRequest_GZIP, gzipped(t, long)), errJoinTooLarge},
		"bomb":                {parameter(t, livekit.WrappedJoinRequest_GZIP, bomb), errJoinTooLarge},
	} {
		if _, err := readJoin(c.parameter); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
