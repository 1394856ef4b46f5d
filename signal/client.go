package signal

import (
	"net/url"
	"strings"

	"github.com/livekit/protocol/livekit"
)

var sdks = map[string]livekit.ClientInfo_SDK{
	"js":          livekit.ClientInfo_JS,
	"ios":         livekit.ClientInfo_SWIFT,
	"swift":       livekit.ClientInfo_SWIFT,
	"android":     livekit.ClientInfo_ANDROID,
	"flutter":     livekit.ClientInfo_FLUTTER,
	"go":          livekit.ClientInfo_GO,
	"unity":       livekit.ClientInfo_UNITY,
	"reactnative": livekit.ClientInfo_REACT_NATIVE,
	"rust":        livekit.ClientInfo_RUST,
	"python":      livekit.ClientInfo_PYTHON,
	"cpp":         livekit.ClientInfo_CPP,
	"unityweb":    livekit.ClientInfo_UNITY_WEB,
	"node":        livekit.ClientInfo_NODE,
	"unreal":      livekit.ClientInfo_UNREAL,
	"esp32":       livekit.ClientInfo_ESP32,
}

// queryClient reads who the client says it is from the query of /rtc.
func queryClient(q url.Values) *livekit.ClientInfo {
	c := &livekit.ClientInfo{
		Sdk:            sdks[strings.ToLower(q.Get("sdk"))],
		Version:        q.Get("version"),
		Protocol:       number(q.Get("protocol")),
		ClientProtocol: number(q.Get("client_protocol")),
		Os:             q.Get("os"),
		OsVersion:      q.Get("os_version"),
		Browser:        q.Get("browser"),
		BrowserVersion: q.Get("browser_version"),
		DeviceModel:    q.Get("device_model"),
		Network:        q.Get("network"),
	}
	for name := range strings.SplitSeq(q.Get("capabilities"), ",") {
		if value, known := livekit.ClientInfo_Capability_value[name]; known && value != 0 {
			c.Capabilities = append(c.Capabilities, livekit.ClientInfo_Capability(value))
		}
	}
	return c
}

// completeClient fills browser and system from the User-Agent header where the client left them out, as livekit-client does: the engine
// treats Firefox and Safari differently. It never returns nil.
func completeClient(c *livekit.ClientInfo, userAgent string) *livekit.ClientInfo {
	if c == nil {
		c = &livekit.ClientInfo{}
	}
	if c.Browser == "" {
		c.Browser, c.BrowserVersion = browserOf(userAgent)
	}
	if c.Os == "" {
		c.Os = systemOf(userAgent)
	}
	return c
}

// Browsers name those they want to be taken for as well, so the order decides: the more particular mark first. On iOS every browser is
// Safari underneath.
var browserMarks = []struct{ mark, name string }{
	{"FxiOS/", "Safari"}, {"CriOS/", "Safari"}, {"EdgiOS/", "Safari"}, {"Firefox/", "Firefox"},
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"OPR/", "Opera"},
	{"HeadlessChrome/", "Chrome"}, {"Chrome/", "Chrome"}, {"Version/", "Safari"},
}

func browserOf(userAgent string) (name, version string) {
	for _, b := range browserMarks {
		_, after, found := strings.Cut(userAgent, b.mark)
		if !found || b.name == "Safari" && !strings.Contains(userAgent, "Safari/") {
			continue
		}
		version, _, _ := strings.Cut(after, " ")
		return b.name, version
	}
	return "", ""
}

var systemMarks = []struct{ mark, name string }{
	{"iPhone", "iOS"}, {"iPad", "iOS"}, {"Android", "Android"}, {"Windows", "Windows"},
	{"Mac OS X", "Mac OS X"}, {"CrOS", "Chrome OS"}, {"Linux", "Linux"},
}

func systemOf(userAgent string) string {
	for _, s := range systemMarks {
		if strings.Contains(userAgent, s.mark) {
			return s.name
		}
	}
	return ""
}
