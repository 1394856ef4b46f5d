package media

// Packet is one received RTP packet: parsed once by Intake.Put, immutable from the moment it is in a Ring.
type Packet struct {
	Seq       uint64 // extended sequence number; a stream starts at 1<<16 + its first 16-bit number, so earlier late packets stay positive
	Index     uint64 // arrival index in its ring: 0, 1, 2...
	Arrival   int64  // ns, monotonic, as given to Put
	Timestamp uint32 // RTP timestamp as received
	Codec     Codec

	Marker     bool
	Keyframe   bool // first packet of a frame at which a decoder can start; every audio packet is one
	FrameStart bool // first packet of a frame (of a layer frame with SVC)
	FrameEnd   bool // last packet of a frame (of a layer frame with SVC)
	Padding    bool // padding only: nothing to forward, Rewriter.Skip closes the gap
	Spatial    uint8
	Temporal   uint8

	AudioLevel    uint8 // RFC 6464: -dBov, 0 loudest, 127 silence
	HasAudioLevel bool
	Voice         bool // RFC 6464 V bit

	VP8     VP8Descriptor // valid when Codec is CodecVP8 and the packet is not padding
	Payload []byte        // without RTP padding

	DependencyDescriptor []byte // header extension as received, nil if absent
	AbsCaptureTime       []byte // header extension as received, nil if absent
}

// Extensions holds the negotiated header extension ids (RFC 8285) of the receiving side; 0 = not negotiated.
type Extensions struct {
	DependencyDescriptor uint8
	AbsCaptureTime       uint8
	AudioLevel           uint8
	TransportCC          uint8
}
