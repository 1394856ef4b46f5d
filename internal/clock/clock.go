// Package clock is time as the rest of Careline sees it: the wall clock in the
// binary, a clock that a test moves by hand in tests.
package clock

import "time"

// Clock tells the time and arms timers. Real and *Fake implement it.
type Clock interface {
	Now() time.Time
	NewTimer(d time.Duration) Timer
	// NewTicker panics when d is not positive, as time.NewTicker does.
	NewTicker(d time.Duration) Ticker
	// AfterFunc calls f once d has passed. C of the timer returned is nil.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer fires once. After Stop or Reset no value of an earlier firing is left
// in C.
type Timer interface {
	C() <-chan time.Time
	// Stop reports whether it kept the timer from firing.
	Stop() bool
	// Reset arms the timer again and reports whether it was still armed.
	Reset(d time.Duration) bool
}

// Ticker fires again and again; ticks that nobody takes are dropped.
type Ticker interface {
	C() <-chan time.Time
	Stop()
	Reset(d time.Duration)
}

// Real is the machine's clock. Differences between its times are monotonic.
type Real struct{}

// Now returns the current time with its monotonic reading.
func (Real) Now() time.Time { return time.Now() }

// NewTimer arms a timer of the runtime.
func (Real) NewTimer(d time.Duration) Timer { return realTimer{time.NewTimer(d)} }

// NewTicker starts a ticker of the runtime.
func (Real) NewTicker(d time.Duration) Ticker { return realTicker{time.NewTicker(d)} }

// AfterFunc calls f on a goroutine of its own.
func (Real) AfterFunc(d time.Duration, f func()) Timer { return realTimer{time.AfterFunc(d, f)} }

type realTimer struct{ *time.Timer }

func (t realTimer) C() <-chan time.Time { return t.Timer.C }

type realTicker struct{ *time.Ticker }

func (t realTicker) C() <-chan time.Time { return t.Ticker.C }
