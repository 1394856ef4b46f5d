package signal

import (
	"encoding/base64"
	"errors"
	"net/url"
	"testing"

	"github.com/livekit/protocol/livekit"
)

func TestReadQuery(t *testing.T) {
	q, err := url.ParseQuery("auto_subscribe=0&adaptive_stream=true&disable_ice_lite=1&subscriber_allow_pause=1&protocol=16&client_protocol=2&sdk=go&version=2.16.2" +
		"&os=linux&network=wifi&capabilities=CAP_PACKET_TRAILER,CAP_UNUSED,nonsense,CAP_COMPRESSION_DEFLATE_RAW&publish=cam" +
		"&attributes=" + base64.URLEncoding.EncodeToString([]byte(`{"a":"b"}`)))
	if err != nil {
		t.Fatal(err)
	}
	e, err := readQuery(q, true)
	if err != nil {
		t.Fatal(err)
	}
	j := e.join
	if j.AutoSubscribe || !j.AdaptiveStream || !j.AllowPause || !j.DisableICELite || j.SinglePC || e.suffix != "cam" || e.attributes["a"] != "b" || e.resume {
		t.Errorf("%+v", e)
	}
	c := j.Client
	if c.Sdk != livekit.ClientInfo_GO || c.Protocol != 16 || c.ClientProtocol != 2 || c.Os != "linux" || c.Network != "wifi" ||
		len(c.Capabilities) != 2 {
		t.Errorf("%v", c)
	}
	e, err = readQuery(url.Values{"reconnect": {"1"}, "sid": {"PA_1"}, "reconnect_reason": {"99999999999"}, "protocol": {"x"}}, true)
	if err != nil || !e.resume || e.sid != "PA_1" || e.reason != 0 || e.join.Client.Protocol != 0 || !e.join.AutoSubscribe {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestBadAttributes shows what only validate is strict about.
func TestBadAttributes(t *testing.T) {
	for _, bad := range []string{"*", base64.URLEncoding.EncodeToString([]byte(`{"a":1}`)), base64.URLEncoding.EncodeToString([]byte(`[`))} {
		q := url.Values{"attributes": {bad}}
		if e, err := readQuery(q, false); err != nil || e.attributes != nil {
			t.Errorf("a join with %q: %v, %v", bad, e, err)
		}
		if _, err := readQuery(q, true); !errors.Is(err, errQueryAttributes) {
			t.Errorf("validate with %q: %v", bad, err)
		}
	}
}

func TestCompleteClient(t *testing.T) {
	for agent, want := range map[string][2]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                     {"Firefox", "Linux"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Safari/605.1.15":                      {"Safari", "Mac OS X"},
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36":                              {"Chrome", "Linux"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0":              {"Edge", "Windows"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/150.0.0.0 Mobile/15E148 Safari/604.1": {"Safari", "iOS"},
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/150.0.0.0 Mobile Safari/537.36":          {"Chrome", "Android"},
		"Go-http-client/1.1": {"", ""},
	} {
		if c := completeClient(nil, agent); c.Browser != want[0] || c.Os != want[1] {
			t.Errorf("%s: %q on %q", agent, c.Browser, c.Os)
		}
	}
	said := completeClient(&livekit.ClientInfo{Browser: "Chrome", Os: "linux"}, "Mozilla/5.0 (Windows) Firefox/1")
	if said.Browser != "Chrome" || said.Os != "linux" {
		t.Errorf("what the client said was overruled: %v", said)
	}
}
