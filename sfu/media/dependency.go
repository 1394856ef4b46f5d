package media

// maxTemplates is how many templates a dependency descriptor can number.
const maxTemplates = 64

// templates is what the newest template structure of a stream says of its layers (AV1 RTP payload format, appendix A). What frames depend on
// is not kept: the structures that encoders send in calls can be cut above any layer.
type templates struct {
	offset uint8
	count  int
	layer  [maxTemplates]struct{ spatial, temporal uint8 }
}

// dependency is what a dependency descriptor says of its packet.
type dependency struct {
	start, end        bool // of its frame
	structure         bool // a template structure comes with it, which is so at keyframes
	layers            bool // the frame's template is known
	spatial, temporal uint8
}

// read reads a descriptor and keeps its template structure, if it has one. ok is false when there is no whole descriptor.
func (t *templates) read(b []byte) (d dependency, ok bool) {
	if len(b) < 3 {
		return d, false
	}
	d.start, d.end = b[0]&0x80 != 0, b[0]&0x40 != 0
	template := b[0] & 0x3f
	if len(b) > 3 && b[3]&0x80 != 0 {
		d.structure = true
		if !t.readStructure(b[3:]) {
			t.count = 0 // the frame's bounds are known all the same
		}
	}
	if index := int((template - t.offset) & (maxTemplates - 1)); index < t.count {
		d.layers, d.spatial, d.temporal = true, t.layer[index].spatial, t.layer[index].temporal
	}
	return d, true
}

// readStructure reads the layers of a structure: five flags, template_id_offset(6), dt_cnt_minus_one(5), then for each template
// next_layer_idc(2): 0 the same layer again, 1 the next temporal, 2 the next spatial, 3 the end.
func (t *templates) readStructure(b []byte) bool {
	var read templates
	at := 5
	bits := func(n int) (v uint8, ok bool) {
		if at+n > 8*len(b) {
			return 0, false
		}
		for range n {
			v = v<<1 | b[at/8]>>(7-at%8)&1
			at++
		}
		return v, true
	}
	offset, ok := bits(6)
	if _, more := bits(5); !ok || !more {
		return false
	}
	read.offset = offset
	spatial, temporal := uint8(0), uint8(0)
	for {
		if read.count == maxTemplates {
			return false
		}
		read.layer[read.count].spatial, read.layer[read.count].temporal = spatial, temporal
		read.count++
		next, ok := bits(2)
		if !ok {
			return false
		}
		switch next {
		case 1:
			temporal++
		case 2:
			spatial, temporal = spatial+1, 0
		case 3:
			*t = read
			return true
		}
		if spatial >= spatialLayers || temporal >= temporalLayers {
			return false
		}
	}
}
