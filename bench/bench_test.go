package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pion/rtp/codecs"
	"go.uber.org/goleak"

	"careline/bench/naive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCameraSendsVP8(t *testing.T) {
	c := newCamera(highShape)
	sequence, picture := c.sequence, c.picture
	for frame := range 40 {
		key := frame%10 == 0
		packets := c.next(key)
		want := highShape.packetsPerFrame
		if key {
			want = highShape.packetsPerKey
		}
		if len(packets) != want {
			t.Fatalf("frame %d has %d packets", frame, len(packets))
		}
		for i, packet := range packets {
			if packet.SequenceNumber != sequence || packet.Marker != (i == want-1) || packet.Timestamp != uint32(frame)*3000 {
				t.Fatalf("frame %d, packet %d: %+v", frame, i, packet.Header)
			}
			sequence++
			var vp8 codecs.VP8Packet
			body, err := vp8.Unmarshal(packet.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if vp8.PictureID != picture || vp8.S == 1 != (i == 0) || vp8.PID != 0 {
				t.Fatalf("frame %d, packet %d: %+v", frame, i, vp8)
			}
			if i > 0 {
				continue
			}
			if body[0]&1 == 0 != key { // RFC 6386 section 9.1
				t.Fatalf("frame %d: keyframe bit of %08b", frame, body[0])
			}
			if key && string(body[3:10]) != "\x9d\x01\x2a\x00\x05\xd0\x02" {
				t.Fatalf("frame %d: keyframe starts with % x", frame, body[:10])
			}
		}
		picture = (picture + 1) & 0x7fff
	}
}

func TestStamp(t *testing.T) {
	now := time.Unix(1700000000, 123456789)
	payload := newCamera(highShape).next(false)[0].Payload
	if _, ok := stamped(payload); ok {
		t.Fatal("a payload without a stamp has one")
	}
	stamp(payload, now)
	if got, ok := stamped(payload); !ok || !got.Equal(now) {
		t.Fatalf("read back %v, %v", got, ok)
	}
	if _, ok := stamped(payload[:markSize-1]); ok {
		t.Fatal("a short payload has a stamp")
	}
}

func TestViewerCountsLossAndOrder(t *testing.T) {
	v := newViewer(1)
	s := v.addStream()
	payload := make([]byte, 100)
	now := time.Unix(1700000000, 0)
	stamp(payload, now)
	v.count(s, 65530, payload, now)
	v.start()
	// 65531 to 65535, 0 to 4; 2 is lost, 65533 comes late
	for _, sequence := range []uint16{65531, 65532, 65534, 65535, 65533, 0, 1, 3, 4} {
		v.count(s, sequence, payload, now.Add(3*latencyStep))
	}
	v.count(s, 5, make([]byte, 40), now) // padding
	w := v.stop()
	if w.Received != 9 || w.Expected != 11 || w.Damaged != 1 || w.Latency[3] != 9 {
		t.Fatalf("%+v", w)
	}
	v.start()
	if w := v.stop(); w.Received != 0 || w.Expected != 0 || len(w.Latency) != 0 {
		t.Fatalf("an empty window holds %+v", w)
	}
}

// The harness's clients against the naive server, all in this process.
func TestClientsOverTheNaiveServer(t *testing.T) {
	sfu, err := naive.New()
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(sfu)
	defer http.DefaultClient.CloseIdleConnections()
	defer web.Close()
	defer sfu.Close()
	for _, browser := range []bool{false, true} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		api, err := clientAPI(browser)
		if err != nil {
			t.Fatal(err)
		}
		join := joinNaive(web.URL)
		var publishers []*publisher
		sending, stop := context.WithCancel(ctx)
		ended := make(chan error, 3)
		for _, kind := range []string{kindCamera, kindMicrophone, kindMicrophone} {
			p, err := publish(ctx, api, join, "publisher", kind)
			if err != nil {
				t.Fatal(err)
			}
			publishers = append(publishers, p)
			go func() { ended <- p.run(sending) }()
		}
		// Without signalling a viewer gets what is there when it comes.
		want := sections{video: 1, audio: 2}
		viewers, err := watchAll(ctx, func(ctx context.Context, _ int) (*viewer, error) { return watch(ctx, api, join, "", want) }, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range viewers {
			if err := await(ctx, v.first, "the first packet"); err != nil {
				t.Fatal(err)
			}
			if w := v.stop(); w.Damaged != 0 {
				t.Errorf("%d packets came damaged", w.Damaged)
			}
		}
		stop()
		for range publishers {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		for _, v := range viewers {
			v.close()
		}
		for _, p := range publishers {
			p.close()
		}
	}
}

func TestJoinOfAServerThatIsNotThere(t *testing.T) {
	api, err := clientAPI(false)
	if err != nil {
		t.Fatal(err)
	}
	for name, join := range map[string]joiner{
		"naive":   joinNaive("http://127.0.0.1:1"),
		"livekit": joinLiveKit("http://127.0.0.1:1", "devkey", "secret", usualRoom),
	} {
		if v, err := watch(t.Context(), api, join, "viewer", sections{video: 1}); err == nil {
			v.close()
			t.Errorf("%s: no error", name)
		}
	}
}
