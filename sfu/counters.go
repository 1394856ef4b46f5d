package sfu

import "sync/atomic"

// counters sit next to nothing in particular: each is added to where the thing happens and read from outside.
type counters struct {
	packetsIn, packetsOut, bytesOut      atomic.Uint64
	packetsRefused                       atomic.Uint64 // malformed, unknown payload type, too large
	retransmitted, retransmitRefused     atomic.Uint64
	keyframesAsked, nacksSent            atomic.Uint64
	ringOverruns                         atomic.Uint64 // a viewer fell behind the ring and waits for a keyframe
	noPayloadType                        atomic.Uint64 // the viewer negotiated no payload type for the packet's codec
	feedbackDropped                      atomic.Uint64 // worker mailbox full
	blanksSent                           atomic.Uint64 // black pictures, silence
	congestions                          atomic.Uint64 // a connection carried less than was sent
	inboxOverflows                       atomic.Uint64 // participants closed because their inbox was full
	lossyDropped, reliableOverflows      atomic.Uint64
	dataMalformed, dataRefused           atomic.Uint64
	candidatesRefused                    atomic.Uint64
	joins, resumes, duplicates, timeouts atomic.Uint64
}

// Stats is a reading of what the engine counted since it started.
type Stats struct {
	PacketsIn, PacketsOut, BytesOut  uint64
	PacketsRefused                   uint64
	Retransmitted, RetransmitRefused uint64
	KeyframesAsked, NacksSent        uint64
	RingOverruns, NoPayloadType      uint64
	FeedbackDropped, InboxOverflows  uint64
	LossyDropped, ReliableOverflows  uint64
	DataMalformed, DataRefused       uint64
	CandidatesRefused, Congestions   uint64
	BlanksSent                       uint64
	Joins, Resumes, Duplicates       uint64
	Timeouts                         uint64
}

// Stats reads the counters; it may be called at any time from anywhere.
func (m *Manager) Stats() Stats {
	c := &m.counters
	return Stats{
		PacketsIn: c.packetsIn.Load(), PacketsOut: c.packetsOut.Load(), BytesOut: c.bytesOut.Load(),
		PacketsRefused: c.packetsRefused.Load(),
		Retransmitted:  c.retransmitted.Load(), RetransmitRefused: c.retransmitRefused.Load(),
		KeyframesAsked: c.keyframesAsked.Load(), NacksSent: c.nacksSent.Load(),
		RingOverruns: c.ringOverruns.Load(), NoPayloadType: c.noPayloadType.Load(),
		FeedbackDropped: c.feedbackDropped.Load(), InboxOverflows: c.inboxOverflows.Load(),
		LossyDropped: c.lossyDropped.Load(), ReliableOverflows: c.reliableOverflows.Load(),
		DataMalformed: c.dataMalformed.Load(), DataRefused: c.dataRefused.Load(),
		CandidatesRefused: c.candidatesRefused.Load(), Congestions: c.congestions.Load(),
		BlanksSent: c.blanksSent.Load(),
		Joins:      c.joins.Load(), Resumes: c.resumes.Load(), Duplicates: c.duplicates.Load(),
		Timeouts: c.timeouts.Load(),
	}
}
