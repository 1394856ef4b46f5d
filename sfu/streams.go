package sfu

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/transport/v4/packetio"
)

const (
	rtpBuffer  = 1 << 20 // bytes per stream until its reader takes them; more is dropped
	rtcpBuffer = 100 << 10
	// streamsPerSection bounds what a client can make pion keep: it opens a stream for every source that a packet names, RTCP included.
	streamsPerSection = 4
)

// streamGuard counts the SRTP and SRTCP streams of one connection. A client that names sources without end is sent away.
type streamGuard struct {
	participant *Participant // immutable
	limit       int64        // immutable
	reports     reportReader // used by pion's RTCP reader only
	open        atomic.Int64
	ended       atomic.Bool
}

// buffer is pion's SettingEngine.BufferFactory.
func (g *streamGuard) buffer(kind packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
	b := &guardedBuffer{Buffer: packetio.NewBuffer(), guard: g, rtcp: kind == packetio.RTCPBufferPacket}
	b.SetLimitSize(rtpBuffer)
	if b.rtcp {
		b.SetLimitSize(rtcpBuffer)
	}
	if g.open.Add(1) > g.limit && !g.ended.Swap(true) {
		g.participant.log.Warn("client opened too many media streams, ended", "limit", g.limit)
		g.participant.post(endCommand{reason: livekit.DisconnectReason_STATE_MISMATCH, action: livekit.LeaveRequest_DISCONNECT})
	}
	return b
}

type guardedBuffer struct {
	*packetio.Buffer
	guard *streamGuard
	rtcp  bool
	once  sync.Once
}

// Write takes a packet that pion read. Transport-wide reports go to the worker from here.
func (b *guardedBuffer) Write(packet []byte) (int, error) {
	if b.rtcp && b.guard.reports.read(packet) {
		return len(packet), nil
	}
	return b.Buffer.Write(packet)
}

func (b *guardedBuffer) Close() error {
	b.once.Do(func() { b.guard.open.Add(-1) })
	return b.Buffer.Close()
}
