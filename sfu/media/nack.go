package media

// Bounds of the NACKs towards a publisher.
const (
	nackTriesAudio, nackTriesVideo     = 5, 10
	nackAgeAudio, nackAgeVideo         = int64(5e8), int64(1e9) // ns
	nackReorderAudio, nackReorderVideo = 1, 2                   // newer packets before a gap counts as loss
	nackTableAudio, nackTableVideo     = 64, 256

	nackReorderAge = int64(20e6) // ns after which a gap at the end of a burst counts as loss all the same

	nackPaceMin, nackPaceUnknown, nackPaceMax = int64(20e6), int64(100e6), int64(400e6) // ns between repeats
)

// missing is the bounded list of numbers that did not come, oldest first. When it is full the oldest is given up: the
// viewers' decoders will ask for a keyframe.
type missing struct {
	entries []gapEntry // ascending, at most limit
	limit   int
	tries   uint8
	age     int64
	reorder uint64
}

type gapEntry struct {
	seq   uint64
	since int64 // ns, when the gap was seen
	asked int64 // ns, when last asked for
	tries uint8
}

func (m *missing) init(kind Kind) {
	if kind == KindVideo {
		m.tries, m.age, m.reorder = nackTriesVideo, nackAgeVideo, nackReorderVideo
		m.limit = nackTableVideo
		return
	}
	m.tries, m.age, m.reorder = nackTriesAudio, nackAgeAudio, nackReorderAudio
	m.limit = nackTableAudio
}

// gap notes the numbers from first up to and without end, all newer than what the list holds.
func (m *missing) gap(first, end uint64, now int64) {
	room := uint64(m.limit)
	if end-first > room {
		first = end - room
	}
	if over := len(m.entries) + int(end-first) - m.limit; over > 0 {
		m.entries = m.entries[:copy(m.entries, m.entries[over:])]
	}
	for ; first < end; first++ {
		m.entries = append(m.entries, gapEntry{seq: first, since: now})
	}
}

// arrived takes seq off the list and reports whether it was asked for.
func (m *missing) arrived(seq uint64) (asked bool) {
	for i := len(m.entries) - 1; i >= 0 && m.entries[i].seq >= seq; i-- {
		if m.entries[i].seq == seq {
			asked = m.entries[i].tries > 0
			m.entries = append(m.entries[:i], m.entries[i+1:]...)
			return asked
		}
	}
	return false
}

func (m *missing) clear() { m.entries = m.entries[:0] }

// due appends what is to be asked for at now and forgets what is too old or was asked for often enough.
func (m *missing) due(dst []uint16, highest uint64, now, rtt int64) []uint16 {
	if len(m.entries) == 0 {
		return dst
	}
	pace := nackPaceUnknown
	if rtt > 0 {
		pace = min(max(rtt, nackPaceMin), nackPaceMax)
	}
	kept := m.entries[:0]
	for _, e := range m.entries {
		if now-e.since > m.age || e.tries == m.tries && now-e.asked >= pace {
			continue
		}
		settled := highest-e.seq >= m.reorder || now-e.since >= nackReorderAge
		if settled && e.tries < m.tries && (e.tries == 0 || now-e.asked >= pace) {
			dst = append(dst, uint16(e.seq))
			e.asked, e.tries = now, e.tries+1
		}
		kept = append(kept, e)
	}
	m.entries = kept
	return dst
}
