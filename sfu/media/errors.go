package media

// DropReason says why Intake.Put refused a packet. It is the closed set of Put's errors (compare with == or errors.Is)
// and the index of IntakeStats.Dropped.
type DropReason uint8

// The reasons, in the order in which Put checks them.
const (
	ErrTooShort    DropReason = iota // shorter than its RTP header says
	ErrVersion                       // not RTP version 2
	ErrExtension                     // header extension runs past its end
	ErrPadding                       // padding count is zero or larger than the packet
	ErrPayloadType                   // payload type that SetCodec never named
	ErrDuplicate                     // this number is in the ring already
	ErrTooOld                        // number behind the window of the ring
	ErrJump                          // number far ahead or behind; accepted once the sender stays there
	ErrTooLarge                      // would not fit a datagram after rewriting
	ErrPayload                       // the codec's own header is malformed
	dropReasons
)

var dropTexts = [dropReasons]string{
	"rtp packet too short", "rtp version is not 2", "rtp header extension malformed", "rtp padding malformed",
	"rtp payload type unknown", "rtp packet is a duplicate", "rtp packet too old", "rtp sequence number jumped",
	"rtp packet too large to forward", "rtp payload malformed",
}

// Error returns a constant text.
func (r DropReason) Error() string {
	if r < dropReasons {
		return dropTexts[r]
	}
	return "rtp packet dropped"
}

// Malformed reports whether the sender broke a format, as opposed to the network repeating or delaying a sound packet.
func (r DropReason) Malformed() bool {
	return r <= ErrPadding || r == ErrPayload
}
