package sfu

import (
	"io"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

// received is one track that comes in.
type received struct {
	// immutable
	track    *webrtc.TrackRemote
	receiver *webrtc.RTPReceiver
	mid      string

	mu sync.Mutex
	// guarded by mu
	packets []arrival
	reports []*rtcp.SenderReport
	ended   bool
}

type arrival struct {
	*rtp.Packet
	at       time.Time
	repaired bool // by RTX
}

func (c *client) receive(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	r := &received{track: track, receiver: receiver}
	if tr := receiver.RTPTransceiver(); tr != nil {
		r.mid = tr.Mid()
	}
	c.mu.Lock()
	c.tracks = append(c.tracks, r)
	c.mu.Unlock()
	c.running.Go(func() {
		for {
			p, attributes, err := track.ReadRTP()
			r.mu.Lock()
			if err != nil {
				r.ended = true
				r.mu.Unlock()
				return
			}
			r.packets = append(r.packets, arrival{p, time.Now(), attributes.Get(webrtc.AttributeRtxSsrc) != nil})
			r.mu.Unlock()
		}
	})
	c.running.Go(func() {
		for {
			packets, _, err := receiver.ReadRTCP()
			if err != nil {
				return
			}
			r.mu.Lock()
			for _, p := range packets {
				if report, ok := p.(*rtcp.SenderReport); ok && report.SSRC == uint32(track.SSRC()) {
					r.reports = append(r.reports, report)
				}
			}
			r.mu.Unlock()
		}
	})
}

// sid is the track's id as the server names it.
func (r *received) sid() string { return r.track.ID() }

func (r *received) all() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.packets)
}

func (r *received) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.packets)
}

func (r *received) isOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

func (r *received) senderReports() []*rtcp.SenderReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.reports)
}

// live are the tracks that come in and have not ended.
func (c *client) live() []*received {
	c.mu.Lock()
	defer c.mu.Unlock()
	var live []*received
	for _, r := range c.tracks {
		if !r.isOver() {
			live = append(live, r)
		}
	}
	return live
}

// receives waits for packets of a track, at least n.
func (c *client) receives(sid string, n int) *received {
	c.t.Helper()
	var found *received
	eventually(c.t, c.session.Identity()+" to receive "+sid, func() bool {
		for _, r := range c.live() {
			if r.sid() == sid && r.count() >= n {
				found = r
			}
		}
		return found != nil
	})
	return found
}

// more waits for n packets from now on.
func (r *received) more(c *client, n int) []arrival {
	c.t.Helper()
	before := r.count()
	eventually(c.t, "more packets", func() bool { return r.count() >= before+n })
	return r.all()[before:]
}

// serveChannel reads data packets from a channel.
func (c *client) serveChannel(channel *webrtc.DataChannel) {
	channel.OnOpen(func() {
		stream, err := channel.Detach()
		if err != nil {
			return
		}
		c.start(func() {
			buf := make([]byte, 1<<17)
			for {
				n, err := stream.Read(buf)
				if err == io.ErrShortBuffer {
					continue
				}
				if err != nil {
					return
				}
				packet := &livekit.DataPacket{}
				if err := proto.Unmarshal(buf[:n], packet); err != nil {
					c.t.Errorf("data packet: %v", err)
					continue
				}
				c.mu.Lock()
				c.packets = append(c.packets, packet)
				c.mu.Unlock()
			}
		})
	})
}

func (c *client) data() []*livekit.DataPacket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.packets)
}

// texts are the payloads of the user packets that came.
func (c *client) texts() []string {
	var texts []string
	for _, p := range c.data() {
		texts = append(texts, string(p.GetUser().GetPayload()))
	}
	return texts
}

func (c *client) heardText(text string) bool { return slices.Contains(c.texts(), text) }
