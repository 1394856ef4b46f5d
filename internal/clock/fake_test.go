package clock_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"careline/internal/clock"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func taken(c <-chan time.Time) (time.Time, bool) {
	select {
	case t := <-c:
		return t, true
	default:
		return time.Time{}, false
	}
}

func TestAdvanceFiresInOrder(t *testing.T) {
	f := clock.NewFake(epoch)
	var order []int
	f.AfterFunc(3*time.Second, func() { order = append(order, 3) })
	f.AfterFunc(time.Second, func() {
		order = append(order, 1)
		if got := f.Now(); !got.Equal(epoch.Add(time.Second)) {
			t.Errorf("the clock shows %v while the first fires", got)
		}
		f.AfterFunc(time.Second, func() { order = append(order, 2) })
	})
	f.AfterFunc(3*time.Second, func() { order = append(order, 4) })
	f.AfterFunc(time.Minute, func() { order = append(order, 5) })
	f.Advance(3 * time.Second)
	if !slices.Equal(order, []int{1, 2, 3, 4}) {
		t.Errorf("order %v", order)
	}
	if got := f.Now(); !got.Equal(epoch.Add(3 * time.Second)) {
		t.Errorf("the clock shows %v", got)
	}
	if f.Armed() != 1 {
		t.Errorf("%d armed, want 1", f.Armed())
	}
}

func TestTimerStopAndResetLeaveNoOldValue(t *testing.T) {
	f := clock.NewFake(epoch)
	timer := f.NewTimer(time.Second)
	f.Advance(time.Second)
	if timer.Reset(time.Second) {
		t.Error("Reset of a fired timer says that it was armed")
	}
	if _, ok := taken(timer.C()); ok {
		t.Error("a value of the earlier firing is left")
	}
	f.Advance(time.Second)
	if at, ok := taken(timer.C()); !ok || !at.Equal(epoch.Add(2*time.Second)) {
		t.Errorf("got %v, %v", at, ok)
	}
	timer.Reset(time.Second)
	if !timer.Stop() || timer.Stop() {
		t.Error("Stop must report an armed timer once")
	}
	f.Advance(time.Hour)
	if _, ok := taken(timer.C()); ok {
		t.Error("a stopped timer fired")
	}
	if _, ok := taken(f.NewTimer(0).C()); !ok {
		t.Error("a timer of no duration did not fire")
	}
}

func TestTickerDropsTicksNobodyTakes(t *testing.T) {
	f := clock.NewFake(epoch)
	ticker := f.NewTicker(time.Second)
	f.Advance(3500 * time.Millisecond)
	if at, ok := taken(ticker.C()); !ok || !at.Equal(epoch.Add(time.Second)) {
		t.Errorf("got %v, %v", at, ok)
	}
	if _, ok := taken(ticker.C()); ok {
		t.Error("more than one tick was kept")
	}
	ticker.Reset(2 * time.Second)
	f.Advance(time.Second)
	if _, ok := taken(ticker.C()); ok {
		t.Error("ticked before its new period")
	}
	f.Advance(time.Second)
	if _, ok := taken(ticker.C()); !ok {
		t.Error("did not tick after its new period")
	}
	ticker.Stop()
	if f.Armed() != 0 {
		t.Error("a stopped ticker is still armed")
	}
}

func TestWaitArmed(t *testing.T) {
	f := clock.NewFake(epoch)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { <-f.NewTimer(time.Second).C() })
	}
	if err := f.WaitArmed(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	f.Advance(time.Second)
	wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.WaitArmed(ctx, 1); err == nil {
		t.Error("no error although the context ended")
	}
}

func TestRealTimers(t *testing.T) {
	var c clock.Clock = clock.Real{}
	before := c.Now()
	<-c.NewTimer(time.Millisecond).C()
	ticker := c.NewTicker(time.Millisecond)
	<-ticker.C()
	ticker.Stop()
	done := make(chan struct{})
	c.AfterFunc(time.Millisecond, func() { close(done) })
	<-done
	if !c.Now().After(before) {
		t.Error("time did not pass")
	}
}
