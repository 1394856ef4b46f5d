package signal

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/sfu"
)

// maxJoinRequest bounds a join request after decompression, in bytes. Offers with many sections are some 20 KB.
const maxJoinRequest = 1 << 20

var (
	errJoinTooLarge = &refusal{status: http.StatusBadRequest, text: "join request too large"}
	errJoinBase64   = &refusal{status: http.StatusBadRequest, text: "cannot base64 decode wrapped join request"}
	errJoinWrapping = &refusal{status: http.StatusBadRequest, text: "cannot unmarshal wrapped join request"}
	errJoinGzip     = &refusal{status: http.StatusBadRequest, text: "cannot read decompressed join request"}
	errJoinMessage  = &refusal{status: http.StatusBadRequest, text: "cannot unmarshal join request"}
)

// readJoin reads the join_request parameter, with which a client asks for a single peer connection: base64 of a WrappedJoinRequest that
// holds a JoinRequest, mostly compressed.
func readJoin(parameter string) (*entry, error) {
	raw, err := decodeBase64(parameter)
	if err != nil {
		return nil, errJoinBase64
	}
	var wrapped livekit.WrappedJoinRequest
	if err := proto.Unmarshal(raw, &wrapped); err != nil {
		return nil, errJoinWrapping
	}
	message, err := unwrap(&wrapped)
	if err != nil {
		return nil, err
	}
	var r livekit.JoinRequest
	if err := proto.Unmarshal(message, &r); err != nil {
		return nil, errJoinMessage
	}
	settings := r.GetConnectionSettings()
	return &entry{
		join: sfu.JoinRequest{
			Client:         r.ClientInfo,
			SinglePC:       true,
			AutoSubscribe:  settings.GetAutoSubscribe(), // absent is false here, unlike in the query of /rtc
			AdaptiveStream: settings.GetAdaptiveStream(),
			AllowPause:     settings.GetSubscriberAllowPause(),
			DisableICELite: settings.GetDisableIceLite(),
			Offer:          r.GetPublisherOffer().GetSdp(),
			OfferID:        r.GetPublisherOffer().GetId(),
			AddTracks:      r.AddTrackRequests,
		},
		resume:     r.Reconnect,
		sid:        r.ParticipantSid,
		reason:     r.ReconnectReason,
		sync:       r.SyncState,
		metadata:   r.Metadata,
		attributes: r.ParticipantAttributes,
	}, nil
}

// unwrap undoes the compression; it never holds more than maxJoinRequest+1 bytes.
func unwrap(w *livekit.WrappedJoinRequest) ([]byte, error) {
	switch w.Compression {
	case livekit.WrappedJoinRequest_NONE:
		if len(w.JoinRequest) > maxJoinRequest {
			return nil, errJoinTooLarge
		}
		return w.JoinRequest, nil
	case livekit.WrappedJoinRequest_GZIP:
		message, err := gunzip(w.JoinRequest, maxJoinRequest)
		if errors.Is(err, errTooLarge) {
			return nil, errJoinTooLarge
		}
		if err != nil {
			return nil, errJoinGzip
		}
		return message, nil
	default:
		return nil, errJoinWrapping
	}
}

var errTooLarge = errors.New("more than the limit")

func gunzip(compressed []byte, limit int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("open gzip: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read gzip: %w", err)
	}
	if int64(len(plain)) > limit {
		return nil, errTooLarge
	}
	return plain, nil
}
