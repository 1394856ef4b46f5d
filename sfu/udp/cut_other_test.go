//go:build !linux

package udp

// cut turns kernel segmentation on or off and says whether that can be had.
func cut(_ *Port, on bool) bool { return !on }
