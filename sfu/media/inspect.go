package media

// inspect reads the codec's header and sets the flags of p, whose payload is still in.header. A malformed one is ErrPayload.
func (in *Intake) inspect(p *Packet) error {
	payload := in.header.payload
	switch p.Codec {
	case CodecVP8:
		return inspectVP8(p, payload)
	case CodecVP9:
		return inspectVP9(p, payload)
	case CodecH264:
		return in.inspectH264(p, payload)
	case CodecAV1:
		return in.inspectAV1(p, payload)
	case CodecRED:
		if _, err := REDPrimary(payload); err != nil {
			return err
		}
	}
	p.Keyframe, p.FrameStart, p.FrameEnd = true, true, true
	return nil
}

// inspectH264 marks the packet with the parameter set as the keyframe, since a decoder cannot start at an IDR slice
// without it. Only a stream that never sent one in band (they came by SDP) starts at the slice itself.
func (in *Intake) inspectH264(p *Packet, payload []byte) error {
	u, err := ParseH264(payload)
	if err != nil {
		return err
	}
	p.FrameStart = in.startsFrame(p, u.Start)
	p.FrameEnd = p.Marker
	switch {
	case u.SPS:
		again := in.parameters && in.parameterT == p.Timestamp
		p.Keyframe = !again
		in.parameters, in.parameterT = true, p.Timestamp
	case u.IDR:
		p.Keyframe = !in.parameters && p.FrameStart
	}
	return nil
}

// inspectAV1 takes frame boundaries from the dependency descriptor where there is one. A packet that only continues an
// OBU has the layers of the packet before it.
func (in *Intake) inspectAV1(p *Packet, payload []byte) error {
	u, err := ParseAV1(payload)
	if err != nil {
		return err
	}
	if d, ok := in.templates.read(in.header.dependency); ok {
		p.FrameStart, p.FrameEnd = d.start, d.end || p.Marker
		p.Keyframe = p.FrameStart && (u.NewSequence || u.SequenceHeader || d.structure)
		if d.layers {
			p.Spatial, p.Temporal = d.spatial, d.temporal
			return nil
		}
	} else {
		p.FrameStart = !u.Continues && in.startsFrame(p, u.NewSequence || u.SequenceHeader)
		p.FrameEnd = p.Marker
		p.Keyframe = p.FrameStart && (u.NewSequence || u.SequenceHeader)
	}
	p.Spatial, p.Temporal = u.Spatial, u.Temporal
	if before := in.ring.BySeq(p.Seq - 1); !u.HasLayers && u.Continues && before != nil && before.Timestamp == p.Timestamp {
		p.Spatial, p.Temporal = before.Spatial, before.Temporal
	}
	return nil
}

// startsFrame tells a frame's first packet in formats that do not mark it: by the packet before, or, when that has not
// come, by how the payload begins.
func (in *Intake) startsFrame(p *Packet, looksLikeStart bool) bool {
	if before := in.ring.BySeq(p.Seq - 1); before != nil {
		return before.Timestamp != p.Timestamp
	}
	return looksLikeStart
}
