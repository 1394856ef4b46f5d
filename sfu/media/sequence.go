package media

const (
	sequenceStart = 1 << 16
	maxDropout    = 3000       // numbers that a stream may skip without suspicion (RFC 3550 appendix A.1)
	restartRun    = 4          // packets in a row that make a jump believable,
	restartQuiet  = int64(2e8) // once nothing came from the old place for so long (ns)
)

// sequence extends 16-bit numbers and knows which of the newest ones came. It follows RFC 3550 appendix A.1, but a jump
// must be confirmed by several packets and by silence at the old place: publishers probe with retransmissions of old
// packets, which must not move the stream.
type sequence struct {
	highest  uint64   // 0 before the first packet
	seen     []uint64 // bit map of the newest 64*len(seen) numbers, by number
	accepted int64    // ns, when a number was last accepted

	expect uint16 // the number that would confirm a jump
	run    int    // packets in a row that did
}

func (s *sequence) init(kind Kind) {
	s.seen = make([]uint64, audioSlotsMax/64)
	if kind == KindVideo {
		s.seen = make([]uint64, videoSlotsMax/64)
	}
}

func (s *sequence) bit(seq uint64) (word *uint64, mask uint64) {
	return &s.seen[seq/64&uint64(len(s.seen)-1)], 1 << (seq % 64)
}

// place extends number without changing what is accepted. window is how far behind the newest number a late one may
// be, at most the span of seen. The error is ErrDuplicate, ErrTooOld or ErrJump.
func (s *sequence) place(number uint16, window uint64, now int64) (uint64, error) {
	if s.highest == 0 {
		return sequenceStart + uint64(number), nil
	}
	ahead := int64(int16(number - uint16(s.highest)))
	seq := uint64(int64(s.highest) + ahead)
	switch {
	case ahead > 0 && ahead <= maxDropout:
		return seq, nil
	case ahead <= 0 && uint64(-ahead) < window:
		if word, mask := s.bit(seq); *word&mask != 0 {
			return 0, ErrDuplicate
		}
		return seq, nil
	}
	if number != s.expect {
		s.run = 0
	}
	s.run++
	s.expect = number + 1
	if s.run >= restartRun && now-s.accepted >= restartQuiet {
		return s.highest + uint64(number-uint16(s.highest)), nil
	}
	if ahead < 0 {
		return 0, ErrTooOld
	}
	return 0, ErrJump
}

// accept notes that seq, a result of place, arrived. restarted tells that the stream went on at an unrelated number.
func (s *sequence) accept(seq uint64, now int64) (restarted bool) {
	restarted = s.highest != 0 && seq > s.highest+maxDropout
	switch {
	case s.highest == 0 || restarted || seq >= s.highest+64*uint64(len(s.seen)):
		clear(s.seen)
	default:
		for n := s.highest + 1; n <= seq; n++ {
			word, mask := s.bit(n)
			*word &^= mask
		}
	}
	word, mask := s.bit(seq)
	*word |= mask
	s.highest = max(s.highest, seq)
	s.accepted, s.run = now, 0
	return restarted
}
