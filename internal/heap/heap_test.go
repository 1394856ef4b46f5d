package heap

import (
	"runtime"
	"runtime/debug"
	"testing"
)

var sink []byte

// TestFloor: a process that holds next to nothing collects once for what the floor allows, unless its environment says otherwise.
func TestFloor(t *testing.T) {
	collections := func() uint32 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range Floor / 2 >> 20 {
			sink = make([]byte, 1<<20)
		}
		runtime.ReadMemStats(&after)
		return after.NumGC - before.NumGC
	}
	defer func() { ballast = nil }()
	t.Setenv("GOGC", "100")
	defer debug.SetGCPercent(debug.SetGCPercent(100)) // whatever the tests run with
	Raise()
	if n := collections(); n < 4 {
		t.Errorf("%d collections: nothing holds them off, so there should be one every 4 MB", n)
	}
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	Raise()
	if n := collections(); n > 1 {
		t.Errorf("%d collections for half of the floor", n)
	}
}
