package media

// Layers that one stream can have; what is above is not told apart.
const (
	spatialLayers  = 4
	temporalLayers = 8
)

// AllLayers, given to Selector.Limit, takes nothing out.
const AllLayers = 255

// Selector cuts one viewer's part out of a stream with layers (SVC): all up to a spatial and a temporal one. Less begins with the next
// picture; more quality begins where a decoder can follow: a higher spatial layer at a keyframe, a higher temporal one at a picture of the lowest
// one, after which nothing refers to what was left out, or for VP8 at a frame that says so. A stream without layers passes as it is.
//
// It is owned by one worker. What it refuses has to be given to Rewriter.Skip.
type Selector struct {
	wantSpatial, wantTemporal uint8
	spatial, temporal         uint8
	started                   bool
	newest                    uint64 // source number
}

// NewSelector returns a selector that takes nothing out.
func NewSelector() Selector { return Selector{wantSpatial: AllLayers, wantTemporal: AllLayers} }

// Limit sets the layers that are wanted at most.
func (s *Selector) Limit(spatial, temporal uint8) { s.wantSpatial, s.wantTemporal = spatial, temporal }

// Restart forgets what is flowing: the next packet is the first after a switch, a keyframe.
func (s *Selector) Restart() { s.started, s.newest = false, 0 }

// Select tells whether a packet is for the viewer.
func (s *Selector) Select(p *Packet) bool {
	late := p.Seq < s.newest
	s.newest = max(s.newest, p.Seq)
	switch {
	case late: // decides nothing
	case p.Keyframe && p.Spatial == 0 || !s.started:
		s.spatial, s.temporal, s.started = s.wantSpatial, s.wantTemporal, true
	case p.FrameStart && p.Spatial == 0:
		s.spatial = min(s.spatial, s.wantSpatial)
		s.temporal = min(s.temporal, s.wantTemporal)
		if s.temporal < s.wantTemporal && s.canRise(p) {
			s.temporal = s.wantTemporal
		}
	}
	return p.Spatial <= s.spatial && p.Temporal <= s.temporal
}

// Marker tells whether a packet that is sent is the last of its picture for the viewer.
func (s *Selector) Marker(p *Packet) bool {
	return p.Marker || p.FrameEnd && p.Spatial == s.spatial
}

// canRise tells whether higher temporal layers can be followed from this frame on.
func (s *Selector) canRise(p *Packet) bool {
	if p.Codec == CodecVP8 {
		return p.VP8.LayerSync && p.Temporal > s.temporal && p.Temporal <= s.wantTemporal
	}
	return p.Temporal == 0
}

// NeedsKeyframe tells whether more is wanted than can begin without one, of a stream whose highest spatial layer is top.
func (s *Selector) NeedsKeyframe(top uint8) bool {
	return s.started && s.spatial < min(s.wantSpatial, top)
}

// layersSeen finds out how many layers a stream has.
type layersSeen struct {
	spatial, temporal uint8 // highest since the last look
	frames            int
}

// lookAfter is how many packets are looked at before a layer that did not come any more counts as gone.
const lookAfter = 256

// noteLayer measures layers. Only the writer calls it.
func (r *Ring) noteLayer(p *Packet) {
	spatial, temporal := min(p.Spatial, spatialLayers-1), min(p.Temporal, temporalLayers-1)
	if r.spatial == nil {
		if spatial == 0 {
			r.noteTop(spatial, temporal)
			return
		}
		r.spatial = new([spatialLayers]rate)
	}
	r.layers[spatial].Store(r.spatial[spatial].add(p.Arrival, len(p.Payload)))
	r.noteTop(spatial, temporal)
}

func (r *Ring) noteTop(spatial, temporal uint8) {
	l := &r.seen
	l.spatial, l.temporal = max(l.spatial, spatial), max(l.temporal, temporal)
	old := r.top.Load()
	top := max(uint32(l.spatial), old&0xff) | max(uint32(l.temporal), old>>8)<<8
	if l.frames++; l.frames >= lookAfter {
		top = uint32(l.spatial) | uint32(l.temporal)<<8
		*l = layersSeen{}
	}
	if top != old {
		r.top.Store(top)
	}
}

// Layers returns the highest spatial and temporal layer that came lately.
func (r *Ring) Layers() (spatial, temporal uint8) {
	top := r.top.Load()
	return uint8(top), uint8(top >> 8)
}

// BitRateUpTo returns payload bits per second of the spatial layers up to this one, all if the stream has no layers.
func (r *Ring) BitRateUpTo(spatial uint8) uint64 {
	top, _ := r.Layers()
	if spatial >= top {
		return r.BitRate()
	}
	var sum uint64
	for i := range spatial + 1 {
		sum += r.layers[i].Load()
	}
	return sum
}
