package main

import "fmt"

// What a publisher sends, the -kind of a publishing process.
const (
	kindCamera     = "camera"     // 720p in one encoding
	kindSimulcast  = "simulcast"  // the same in three
	kindMicrophone = "microphone" // Opus
	kindSilence    = "silence"    // the same while nobody speaks: one packet in a while
)

const (
	conferencePublishers = 6
	audioPublishers      = 10
)

// scenario is a room to measure.
type scenario struct {
	kind       string
	publishers int
	viewers    int // each receives all
}

func (s scenario) String() string {
	switch s.kind {
	case kindSimulcast:
		return fmt.Sprintf("%d x simulcast -> %d", s.publishers, s.viewers)
	case kindMicrophone:
		return fmt.Sprintf("audio %d -> %d", s.publishers, s.viewers)
	}
	return fmt.Sprintf("%d -> %d", s.publishers, s.viewers)
}

// scenarios are those that the flags ask for.
func (o options) scenarios() []scenario {
	var all []scenario
	for _, n := range o.viewers {
		all = append(all, scenario{kindCamera, 1, n})
	}
	if o.conference > 0 {
		all = append(all, scenario{kindSimulcast, conferencePublishers, o.conference})
	}
	if o.audio > 0 {
		all = append(all, scenario{kindMicrophone, audioPublishers, o.audio})
	}
	return all
}

// kindFor is what publishers send to a server: the naive one has no simulcast and gets the largest encoding only, which is what reaches
// the viewers of the others.
func (s scenario) kindFor(t target) string {
	if s.kind == kindSimulcast && t.protocol == protocolNaive {
		return kindCamera
	}
	return s.kind
}

// sections are the media sections that a viewer receives in.
type sections struct{ video, audio int }

func (s scenario) sections() sections {
	if s.kind == kindMicrophone {
		return sections{audio: s.publishers}
	}
	return sections{video: s.publishers}
}
