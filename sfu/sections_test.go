package sfu

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	"careline/internal/errs"
	"careline/sfu/media"
)

const chromiumOffer = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2 3\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=setup:actpass\r\na=sendonly\r\na=msid:- mic-track\r\n" +
	"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=ssrc:11 cname:x\r\na=ssrc:11 msid:- mic-track\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=setup:actpass\r\na=sendonly\r\na=msid:stream camera-track\r\n" +
	"a=rid:q send\r\na=rid:h send\r\na=rid:~f send\r\na=simulcast:send q;h;~f\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=setup:actpass\r\na=recvonly\r\na=ssrc-group:FID 21 22\r\na=ssrc:21 cname:x\r\na=ssrc:22 cname:x\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:3\r\na=setup:actpass\r\na=candidate:1 1 udp 1 host.example 9 typ host\r\n"

func TestParseOffer(t *testing.T) {
	o, err := parseOffer(chromiumOffer, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.sections) != 3 || o.role != webrtc.DTLSRoleAuto {
		t.Fatalf("%+v", o)
	}
	mic, camera, free := o.sections[0], o.sections[1], o.sections[2]
	if mic.kind != media.KindAudio || !mic.sends() || mic.track != "mic-track" || mic.stream != "" || len(mic.ssrcs) != 1 {
		t.Errorf("microphone: %+v", mic)
	}
	if camera.track != "camera-track" || camera.stream != "stream" || strings.Join(camera.rids, " ") != "q h f" {
		t.Errorf("camera: %+v", camera)
	}
	if free.sends() || free.direction != webrtc.RTPTransceiverDirectionRecvonly || len(free.ssrcs) != 1 || free.ssrcs[0] != 21 {
		t.Errorf("free section: %+v", free)
	}
	passive, err := parseOffer(strings.ReplaceAll(chromiumOffer, "actpass", "passive"), 10)
	if err != nil || passive.role != webrtc.DTLSRoleServer {
		t.Errorf("a client that insists on being the server: %v, %v", passive.role, err)
	}
}

var manySources = func() string {
	var b strings.Builder
	for n := range 100_000 {
		fmt.Fprintf(&b, "a=ssrc:%d cname:x\r\n", 1000+n)
	}
	return strings.TrimSuffix(b.String(), "\r\n")
}()

func TestParseOfferRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		kind errs.Kind
	}{
		"nothing":         {"", errs.Invalid},
		"noise":           {"hello", errs.Invalid},
		"section, no mid": {strings.Replace(chromiumOffer, "a=mid:1\r\n", "", 1), errs.Invalid},
		"the same mid":    {strings.Replace(chromiumOffer, "a=mid:1", "a=mid:0", 1), errs.Invalid},
		"a long mid":      {strings.Replace(chromiumOffer, "a=mid:1", "a=mid:"+strings.Repeat("1", 100), 1), errs.Invalid},
		"an SSRC of two sections": {strings.Replace(chromiumOffer, "a=rid:q send\r\na=rid:h send\r\na=rid:~f send\r\na=simulcast:send q;h;~f\r\n",
			"a=ssrc:11 cname:x\r\n", 1), errs.Invalid},
		"an SSRC that repairs another section": {strings.Replace(chromiumOffer, "a=rid:q send\r\na=rid:h send\r\na=rid:~f send\r\na=simulcast:send q;h;~f\r\n",
			"a=ssrc-group:FID 12 11\r\na=ssrc:12 cname:x\r\na=ssrc:11 cname:x\r\n", 1), errs.Invalid},
		"a stream id twice":  {strings.Replace(chromiumOffer, "a=rid:h send", "a=rid:q send", 1), errs.Invalid},
		"a paused one too":   {strings.Replace(chromiumOffer, "a=rid:~f send", "a=rid:~q send", 1), errs.Invalid},
		"an empty stream id": {strings.Replace(chromiumOffer, "a=rid:h send", "a=rid: send", 1), errs.Invalid},
		"a long stream id":   {strings.Replace(chromiumOffer, "a=rid:h send", "a=rid:"+strings.Repeat("h", 100)+" send", 1), errs.Invalid},
		"many streams":       {strings.Replace(chromiumOffer, "a=rid:h send", "a=rid:h send\r\na=rid:i send\r\na=rid:j send", 1), errs.Limit},
		"many sources":       {strings.Replace(chromiumOffer, "a=ssrc:11 cname:x", strings.Repeat("a=ssrc:11 cname:x\r\n", 2)+manySources, 1), errs.Limit},
		"too many sections":  {chromiumOffer + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", 20), errs.Limit},
	} {
		if _, err := parseOffer(c.text, 10); errs.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShapeAnswer(t *testing.T) {
	got := shapeAnswer(chromiumOffer, map[string]opusWish{"0": {stereo: true, dtx: true}, "7": {}})
	if !strings.Contains(got, "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1;stereo=1;maxaveragebitrate=510000\r\n") {
		t.Errorf("the wish is not in\n%s", got)
	}
	if len(got) != len(chromiumOffer)+len(";usedtx=1;stereo=1;maxaveragebitrate=510000") {
		t.Error("more changed than the Opus parameters")
	}
	if got := shapeAnswer(chromiumOffer, map[string]opusWish{"1": {dtx: true}}); got != chromiumOffer {
		t.Error("a section without Opus changed")
	}
}

// TestStrangeSections wants as many sections in the answer as in the offer, each in its place.
func TestStrangeSections(t *testing.T) {
	const one, two = "m=text 9 RTP/AVP 98\r\na=mid:x\r\n", "m=message 9 TCP/MSRP *\r\na=mid:y\r\n"
	at := strings.Index(chromiumOffer, "m=video")
	offer := chromiumOffer[:at] + one + two + chromiumOffer[at:] + strings.ReplaceAll(one, "mid:x", "mid:z")
	o, err := parseOffer(offer, 10)
	if err != nil || len(o.sections) != 3 {
		t.Fatalf("%+v, %v", o, err)
	}
	var got []string
	for line := range strings.Lines(withStrange(chromiumOffer, o.strange)) {
		if strings.HasPrefix(line, "m=") {
			got = append(got, strings.Join(strings.Fields(line)[:2], " "))
		}
	}
	want := "m=audio 9,m=text 0,m=message 0,m=video 9,m=video 9,m=application 9,m=text 0"
	if strings.Join(got, ",") != want {
		t.Errorf("got %v", got)
	}
}

func TestIdleSections(t *testing.T) {
	text := strings.ReplaceAll(chromiumOffer, "a=sendonly", "a=inactive")
	got := idleSections(text, func(mid string) bool { return mid == "1" })
	if strings.Count(got, "a=inactive") != 1 || strings.Count(got, "a=recvonly") != 2 || len(got) != len(text) {
		t.Errorf("got\n%s", got)
	}
}

func TestForeignCandidates(t *testing.T) {
	m := &Manager{}
	for candidate, want := range map[string]bool{
		"candidate:1 1 udp 2122 192.0.2.7 5000 typ host":             true,
		"candidate:1 1 udp 2122 2001:db8::7 5000 typ host":           true,
		"candidate:1 1 tcp 2122 192.0.2.7 9 typ host tcptype active": true,
		"candidate:1 1 udp 2122 3f2a-1.local 5000 typ host":          false,
		"candidate:1 1 udp 2122 host.example 5000 typ host":          false,
		"candidate:1 1 udp 2122 127.0.0.1 5000 typ host":             false,
		"candidate:1 1 udp 2122 ::ffff:127.0.0.1 5000 typ host":      false,
		"candidate:1 1 udp 2122 ::1 5000 typ host":                   false,
		"candidate:1 1 udp 2122 0.0.0.0 5000 typ host":               false,
		"candidate:1 1 udp 2122 169.254.169.254 80 typ host":         false,
		"candidate:1 1 udp 2122 fe80::1 80 typ host":                 false,
		"candidate:1 1 udp 2122 224.0.0.1 80 typ host":               false,
		"candidate:": false,
		"":           false,
		"candidate:1 1 udp 2122 198.51.100.7 5000 typ srflx raddr 0 rport 9": true,
	} {
		if got := m.acceptable(candidate); got != want {
			t.Errorf("%q: %v", candidate, got)
		}
	}
	text, dropped := m.withoutForeignCandidates(chromiumOffer)
	if dropped != 1 || strings.Contains(text, "host.example") || len(text) >= len(chromiumOffer) {
		t.Errorf("%d dropped of\n%s", dropped, text)
	}
	m.cfg.Loopback = true
	if !m.acceptable("candidate:1 1 udp 2122 127.0.0.1 5000 typ host") {
		t.Error("loopback is refused although it is allowed")
	}
}

// FuzzOffer reads descriptions as clients could send them: no panic, and what is shaped can still be read.
func FuzzOffer(f *testing.F) {
	f.Add(chromiumOffer)
	f.Add("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ssrc-group:FID 1\r\na=ssrc:99999999999 x\r\na=rid:\r\na=msid:\r\n")
	f.Add("v=0\r\no=- 1 2 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=video 0 UDP/TLS/RTP/SAVPF 0\r\na=inactive\r\na=mid:x\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		m := &Manager{}
		o, err := parseOffer(text, 20)
		if err == nil && len(o.sections) > 20 {
			t.Fatalf("%d sections", len(o.sections))
		}
		wishes := make(map[string]opusWish)
		for _, s := range o.sections {
			wishes[s.mid] = opusWish{stereo: true, dtx: true}
		}
		shapeAnswer(text, wishes)
		if got := idleSections(text, func(string) bool { return true }); len(got) != len(text) {
			t.Fatal("idleSections changed more than a direction")
		}
		if clean, dropped := m.withoutForeignCandidates(text); dropped == 0 && clean != text {
			t.Fatal("a description changed though nothing was dropped")
		}
	})
}
