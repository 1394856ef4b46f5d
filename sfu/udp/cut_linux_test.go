package udp

// cut turns kernel segmentation on or off and says whether that can be had.
func cut(p *Port, on bool) bool {
	for _, s := range p.sockets {
		if on && !s.segmentation.on() {
			return false
		}
		s.segmentation.enabled.Store(on)
	}
	return true
}
