package signal

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/livekit/protocol/livekit"

	"careline/sfu"
)

var errQueryAttributes = &refusal{status: http.StatusBadRequest, text: "cannot decode attributes"}

// readQuery reads the parameters of /rtc, where the client has two peer connections.
func readQuery(q url.Values, strict bool) (*entry, error) {
	attributes, err := decodeAttributes(q.Get("attributes"))
	if err != nil && strict {
		return nil, errQueryAttributes
	}
	return &entry{
		join: sfu.JoinRequest{
			Client:         queryClient(q),
			AutoSubscribe:  q.Get("auto_subscribe") == "" || isTrue(q.Get("auto_subscribe")),
			AdaptiveStream: isTrue(q.Get("adaptive_stream")),
			AllowPause:     isTrue(q.Get("subscriber_allow_pause")),
			DisableICELite: isTrue(q.Get("disable_ice_lite")),
		},
		resume:     isTrue(q.Get("reconnect")),
		sid:        q.Get("sid"),
		reason:     livekit.ReconnectReason(number(q.Get("reconnect_reason"))),
		suffix:     q.Get("publish"),
		attributes: attributes,
	}, nil
}

// decodeAttributes reads base64 of a JSON object of strings, in the URL alphabet, padded or not. It returns nil beside an error.
func decodeAttributes(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	raw, err := decodeBase64(s)
	if err != nil {
		return nil, err
	}
	var attributes map[string]string
	if err := json.Unmarshal(raw, &attributes); err != nil {
		return nil, err
	}
	return attributes, nil
}

func decodeBase64(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

func isTrue(s string) bool { return s == "1" || s == "true" }

// number reads a small number of a query; what is none counts as absent.
func number(s string) int32 {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0
	}
	return int32(n)
}
