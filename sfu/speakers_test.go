package sfu

import "testing"

func TestLoudness(t *testing.T) {
	var l loudness
	interval := func(packets int, level uint8) float64 {
		for range packets {
			l.add(level)
		}
		return l.take()
	}
	if got := interval(20, 60); got != 0 {
		t.Errorf("background noise speaks at %v", got)
	}
	if got := interval(5, 10); got != 0 {
		t.Errorf("a click speaks at %v", got)
	}
	speech := 0.0
	for range 4 {
		speech = interval(20, 15)
	}
	if speech <= 0 || speech > 1 || speech*levelSteps != float64(int(speech*levelSteps)) {
		t.Errorf("speech is told as %v", speech)
	}
	if loud := interval(20, 0); loud <= speech {
		t.Errorf("louder speech is told as %v after %v", loud, speech)
	}
	// Nothing comes any more, as with DTX: it ends all the same, soon.
	for range 6 {
		speech = l.take()
	}
	if speech != 0 {
		t.Errorf("silence is told as %v", speech)
	}
}
