package sfu

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

const (
	labelReliable = "_reliable"
	labelLossy    = "_lossy"
	labelTrack    = "_data_track"

	readBuffer       = 64 << 10 // larger messages are refused
	largestMessage   = 4 << 20  // what is read and thrown away to keep a channel going
	lossyBuffered    = 8 << 10  // above: the packet is dropped
	reliableBuffered = 1 << 20  // above: the receiver is sent away to reconnect
	pendingBytes     = 1 << 20  // kept for a receiver that is not ready; above: the same
)

// DataHandler sees each data packet before it is forwarded, stamped with its sender, and says whether to forward it. It is called on the
// sender's data-reading goroutine and must not wait for anything. It may keep packet, which is not used again if it returns false.
type DataHandler interface {
	HandleData(from *Participant, kind livekit.DataPacket_Kind, packet *livekit.DataPacket) (forward bool)
}

// dataLink is a participant's data channels: what comes in on its reading goroutines and what others write to it.
type dataLink struct {
	participant *Participant // immutable

	mu sync.Mutex
	// guarded by mu
	out     map[livekit.DataPacket_Kind]*dataChannel
	told    map[string]bool // sids that the client was told of by signalling
	pending []pendingData   // reliable packets for a channel not open or from a sender not told of yet
	held    int             // bytes in pending
	lastSeq uint32          // newest reliable sequence from the client
	failed  bool
	closed  bool
}

type dataChannel struct {
	channel *webrtc.DataChannel
	stream  io.ReadWriteCloser
}

type pendingData struct {
	sender string
	packet []byte
}

func newDataLink(p *Participant) *dataLink {
	return &dataLink{
		participant: p,
		out:         make(map[livekit.DataPacket_Kind]*dataChannel, 2),
		told:        make(map[string]bool),
	}
}

// open creates our channels on a subscriber connection, before its first offer.
func (l *dataLink) open(pc *webrtc.PeerConnection) error {
	unordered, never := false, uint16(0)
	for _, c := range []struct {
		label string
		init  *webrtc.DataChannelInit
	}{
		{labelReliable, nil},
		{labelLossy, &webrtc.DataChannelInit{Ordered: &unordered, MaxRetransmits: &never}},
		{labelTrack, &webrtc.DataChannelInit{Ordered: &unordered, MaxRetransmits: &never}},
	} {
		channel, err := pc.CreateDataChannel(c.label, c.init)
		if err != nil {
			return fmt.Errorf("create data channel %s: %w", c.label, err)
		}
		l.serve(channel, true)
	}
	return nil
}

// accept takes a channel that the client made. Packets go back on it where no subscriber connection has channels of its own.
func (l *dataLink) accept(channel *webrtc.DataChannel) {
	switch channel.Label() {
	case labelReliable, labelLossy, labelTrack:
		l.serve(channel, !l.participant.subscriberPrimary)
	default:
		channel.OnOpen(func() {
			if stream, err := channel.Detach(); err == nil {
				_ = stream.Close()
			}
		})
	}
}

func (l *dataLink) serve(channel *webrtc.DataChannel, writes bool) {
	channel.OnOpen(func() {
		stream, err := channel.Detach()
		if err != nil {
			l.participant.log.Warn("data channel lost at its opening", "label", channel.Label(), "error", err)
			return
		}
		kind := livekit.DataPacket_RELIABLE
		if channel.Label() == labelLossy {
			kind = livekit.DataPacket_LOSSY
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.closed {
			_ = stream.Close()
			return
		}
		if writes && channel.Label() != labelTrack {
			l.out[kind] = &dataChannel{channel, stream}
			l.flushLocked()
		}
		if channel.Label() == labelTrack {
			l.participant.children.Go(func() { discard(stream) })
			return
		}
		l.participant.children.Go(func() { l.read(kind, stream) })
	})
}

// discard reads a channel that nobody listens to, so that it does not fill up.
func discard(stream io.Reader) {
	buf := make([]byte, readBuffer)
	for {
		if _, err := readMessage(stream, buf); err != nil && !errors.Is(err, errMessageTooLarge) {
			return
		}
	}
}

var errMessageTooLarge = errors.New("data message is too large")

// readMessage reads one message. One that does not fit is read into a buffer that does, so that the channel goes on, and refused.
func readMessage(r io.Reader, buf []byte) (int, error) {
	n, err := r.Read(buf)
	if !errors.Is(err, io.ErrShortBuffer) {
		return n, err
	}
	for size := 2 * len(buf); errors.Is(err, io.ErrShortBuffer) && size <= largestMessage; size *= 2 {
		_, err = r.Read(make([]byte, size))
	}
	if err != nil {
		return 0, err
	}
	return 0, errMessageTooLarge
}

func (l *dataLink) read(kind livekit.DataPacket_Kind, stream io.Reader) {
	counters := &l.participant.manager.counters
	buf := make([]byte, readBuffer)
	for {
		n, err := readMessage(stream, buf)
		if errors.Is(err, errMessageTooLarge) {
			counters.dataRefused.Add(1)
			continue
		}
		if err != nil {
			return
		}
		packet := &livekit.DataPacket{}
		if proto.Unmarshal(buf[:n], packet) != nil || packet.Value == nil {
			counters.dataMalformed.Add(1)
			continue
		}
		l.receive(kind, packet)
	}
}

// receive stamps a packet with who really sent it and forwards it. Sender and kind never come from the packet.
func (l *dataLink) receive(kind livekit.DataPacket_Kind, packet *livekit.DataPacket) {
	p := l.participant
	if p.ended.Load() || !p.Permission().CanPublishData || !p.mayUse(packet) || !l.fresh(kind, packet.Sequence) {
		p.manager.counters.dataRefused.Add(1)
		return
	}
	if p.room.takeRPC(p, packet) {
		return
	}
	packet.Kind = kind
	packet.ParticipantSid = p.sid
	if !p.speaksFor(packet) {
		packet.ParticipantIdentity = p.identity
	}
	if p.hidden() {
		packet.ParticipantSid, packet.ParticipantIdentity = "", ""
	}
	var sids []string
	if user := packet.GetUser(); user != nil {
		user.ParticipantSid, user.ParticipantIdentity = packet.ParticipantSid, packet.ParticipantIdentity
		if len(packet.DestinationIdentities) == 0 {
			packet.DestinationIdentities = user.DestinationIdentities
		}
		user.DestinationIdentities = packet.DestinationIdentities
		sids = user.DestinationSids
	}
	if h := p.manager.cfg.Data; h != nil && !h.HandleData(p, kind, packet) {
		return
	}
	raw, err := proto.Marshal(packet)
	if err != nil {
		p.manager.counters.dataMalformed.Add(1)
		return
	}
	_, metrics := packet.Value.(*livekit.DataPacket_Metrics)
	for _, other := range p.room.recipients(p, packet.DestinationIdentities, sids) {
		if (!metrics || other.Permission().CanSubscribeMetrics) && (other.sees(p) || p.hidden()) {
			other.data.send(kind, packet.ParticipantSid, raw)
		}
	}
}

// mayUse tells whether the sender may send this kind of packet: transcriptions come from agents only, the old speaker packet from nobody.
func (p *Participant) mayUse(packet *livekit.DataPacket) bool {
	switch packet.Value.(type) {
	case *livekit.DataPacket_Transcription:
		return dependent(p.kind, p.Permission())
	case *livekit.DataPacket_Speaker:
		return false
	}
	return true
}

// speaksFor tells whether an agent wrote text in the name of whom it heard, and marks such a text as generated.
func (p *Participant) speaksFor(packet *livekit.DataPacket) bool {
	if p.kind != livekit.ParticipantInfo_AGENT || packet.ParticipantIdentity == "" || packet.ParticipantIdentity == p.identity {
		return false
	}
	switch v := packet.Value.(type) {
	case *livekit.DataPacket_ChatMessage:
		v.ChatMessage.Generated = true
		return true
	case *livekit.DataPacket_StreamHeader:
		if text := v.StreamHeader.GetTextHeader(); text != nil {
			text.Generated = true
			return true
		}
	}
	return false
}

// fresh refuses a numbered reliable packet that was here already: clients send again what they are unsure of after a resume.
func (l *dataLink) fresh(kind livekit.DataPacket_Kind, sequence uint32) bool {
	if kind != livekit.DataPacket_RELIABLE || sequence == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if sequence <= l.lastSeq {
		return false
	}
	l.lastSeq = sequence
	return true
}

func (l *dataLink) lastReliable() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastSeq
}

// recipients are those named by identity or sid, or all others when nobody is named.
func (r *Room) recipients(from *Participant, identities, sids []string) []*Participant {
	if len(identities) == 0 && len(sids) == 0 {
		return r.others(from)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	to := make([]*Participant, 0, len(identities)+len(sids))
	seen := map[*Participant]bool{from: true}
	add := func(m *member) {
		if m != nil && !seen[m.participant] {
			seen[m.participant] = true
			to = append(to, m.participant)
		}
	}
	for _, identity := range identities {
		add(r.inside[identity])
	}
	if len(sids) == 0 {
		return to
	}
	named := make(map[string]bool, len(sids)) // a packet may name thousands, whom nobody needs to know
	for _, sid := range sids {
		named[sid] = true
	}
	for _, m := range r.inside {
		if named[m.participant.sid] {
			add(m)
		}
	}
	return to
}

// send writes a packet to this participant, after the sender was told of. It never blocks: lossy packets are dropped, a receiver that lets
// reliable ones pile up is sent away to reconnect.
func (l *dataLink) send(kind livekit.DataPacket_Kind, sender string, packet []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.failed {
		return
	}
	c := l.out[kind]
	if kind == livekit.DataPacket_LOSSY {
		if c == nil || c.channel.BufferedAmount() > lossyBuffered || !l.toldOfLocked(sender) {
			l.participant.manager.counters.lossyDropped.Add(1)
			return
		}
		l.writeLocked(c, packet)
		return
	}
	if c == nil || !l.toldOfLocked(sender) { // what waits for other senders holds nobody up
		if l.held+len(packet) > pendingBytes {
			l.failLocked()
			return
		}
		l.pending = append(l.pending, pendingData{sender, packet})
		l.held += len(packet)
		return
	}
	l.writeLocked(c, packet)
}

func (l *dataLink) toldOfLocked(sender string) bool { return sender == "" || l.told[sender] }

func (l *dataLink) writeLocked(c *dataChannel, packet []byte) {
	if c.channel.BufferedAmount() > reliableBuffered {
		l.failLocked()
		return
	}
	if _, err := c.stream.Write(packet); err != nil {
		l.participant.log.Debug("data channel write", "error", err)
	}
}

func (l *dataLink) failLocked() {
	l.failed = true
	l.pending, l.held = nil, 0
	l.participant.manager.counters.reliableOverflows.Add(1)
	l.participant.log.Warn("receiver of reliable data is too slow, told to reconnect")
	l.participant.post(endCommand{reason: livekit.DisconnectReason_STATE_MISMATCH, action: livekit.LeaveRequest_RECONNECT})
}

// flushLocked writes what waited, in order, as far as senders were told of.
func (l *dataLink) flushLocked() {
	c := l.out[livekit.DataPacket_RELIABLE]
	if c == nil {
		return
	}
	kept := l.pending[:0]
	waits := make(map[string]bool)
	for _, d := range l.pending {
		if !l.toldOfLocked(d.sender) {
			waits[d.sender] = true
		}
		if waits[d.sender] || l.failed {
			kept = append(kept, d)
			continue
		}
		l.held -= len(d.packet)
		l.writeLocked(c, d.packet)
	}
	clear(l.pending[len(kept):])
	l.pending = kept
}

// know says that the client was told of a participant: its data may follow.
func (l *dataLink) know(sid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told[sid] || l.closed {
		return
	}
	l.told[sid] = true
	if len(l.pending) > 0 {
		l.flushLocked()
	}
}

// forget drops a participant that left, with what it sent and nobody could be told of.
func (l *dataLink) forget(sid string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.told, sid)
	kept := l.pending[:0]
	for _, d := range l.pending {
		if d.sender == sid {
			l.held -= len(d.packet)
			continue
		}
		kept = append(kept, d)
	}
	clear(l.pending[len(kept):])
	l.pending = kept
}

func (l *dataLink) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.pending, l.held = nil, 0
}
