package sfu

import "careline/sfu/udp"

// Census is who and what is there at one moment.
type Census struct {
	Rooms        int
	Participants int // replaced sessions that still end are not counted
	AudioTracks  int // published
	VideoTracks  int
}

// SocketStats reads the counters of the media port.
func (m *Manager) SocketStats() udp.Stats { return m.port.Stats() }

// Census counts; it takes the lock of one room after the other.
func (m *Manager) Census() Census {
	rooms := m.allRooms()
	c := Census{Rooms: len(rooms)}
	for _, r := range rooms {
		r.mu.Lock()
		c.Participants += len(r.inside)
		for _, pub := range r.publications {
			if pub.isAudio() {
				c.AudioTracks++
			} else {
				c.VideoTracks++
			}
		}
		r.mu.Unlock()
	}
	return c
}
