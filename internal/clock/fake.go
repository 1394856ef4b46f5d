package clock

import (
	"context"
	"sync"
	"time"
)

// Fake is a clock that stands still until Advance moves it. Its zero value is
// not usable; see NewFake. All methods may be called from any goroutine.
type Fake struct {
	mu sync.Mutex

	// guarded by mu
	now     time.Time
	armed   []*alarm      // in the order they were armed
	changed chan struct{} // closed and replaced whenever armed grows
}

// alarm is a timer, a ticker or a function to call, of a Fake.
type alarm struct {
	clock  *Fake
	c      chan time.Time // nil for a function
	f      func()
	period time.Duration // 0 unless a ticker
	at     time.Time     // guarded by clock.mu
}

// NewFake returns a clock that shows start.
func NewFake(start time.Time) *Fake {
	return &Fake{now: start, changed: make(chan struct{})}
}

// Now returns the time that the clock shows.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// NewTimer arms a timer; one that is due at once fires at once.
func (f *Fake) NewTimer(d time.Duration) Timer {
	a := &alarm{clock: f, c: make(chan time.Time, 1)}
	a.arm(d)
	return a
}

// NewTicker starts a ticker.
func (f *Fake) NewTicker(d time.Duration) Ticker {
	if d <= 0 {
		panic("clock: ticker period is not positive")
	}
	a := &alarm{clock: f, c: make(chan time.Time, 1), period: d}
	a.arm(d)
	return ticker{a}
}

// AfterFunc calls fn from Advance, on the goroutine that called Advance: when
// Advance returns, fn has run. A function that is due at once runs on a
// goroutine of its own, since the caller may hold locks that fn needs.
func (f *Fake) AfterFunc(d time.Duration, fn func()) Timer {
	a := &alarm{clock: f, f: fn}
	a.arm(d)
	return a
}

// Advance moves the clock by d and fires whatever becomes due on the way, in
// order of time, and of arming where times are equal. While a timer fires the
// clock shows that timer's time, so what is armed by it is relative to it.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	target := f.now.Add(d)
	for {
		a := f.due(target)
		if a == nil {
			break
		}
		if a.at.After(f.now) {
			f.now = a.at
		}
		if a.period > 0 {
			a.at = a.at.Add(a.period)
		} else {
			f.disarm(a)
		}
		if a.c != nil {
			a.send(f.now)
			continue
		}
		f.mu.Unlock()
		a.f()
		f.mu.Lock()
	}
	if target.After(f.now) {
		f.now = target
	}
	f.mu.Unlock()
}

// Armed returns how many timers, tickers and functions wait.
func (f *Fake) Armed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.armed)
}

// WaitArmed waits until at least n timers, tickers and functions wait, so that
// a test moves the clock only after the code under test has armed its own. It
// returns the context's error if that ends first.
func (f *Fake) WaitArmed(ctx context.Context, n int) error {
	for {
		f.mu.Lock()
		enough, changed := len(f.armed) >= n, f.changed
		f.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// due returns the next alarm at or before t. The caller holds mu.
func (f *Fake) due(t time.Time) *alarm {
	var next *alarm
	for _, a := range f.armed {
		if !a.at.After(t) && (next == nil || a.at.Before(next.at)) {
			next = a
		}
	}
	return next
}

// disarm reports whether a was armed. The caller holds mu.
func (f *Fake) disarm(a *alarm) bool {
	for i, b := range f.armed {
		if a == b {
			f.armed = append(f.armed[:i], f.armed[i+1:]...)
			return true
		}
	}
	return false
}

func (a *alarm) C() <-chan time.Time { return a.c }

func (a *alarm) Stop() bool {
	a.clock.mu.Lock()
	defer a.clock.mu.Unlock()
	a.drain()
	return a.clock.disarm(a)
}

func (a *alarm) Reset(d time.Duration) bool { return a.arm(d) }

// arm sets the alarm d from now and reports whether it was armed before.
func (a *alarm) arm(d time.Duration) bool {
	f := a.clock
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.disarm(a)
	a.drain()
	if d <= 0 && a.period == 0 {
		if a.c != nil {
			a.send(f.now)
		} else {
			go a.f()
		}
		return was
	}
	a.at = f.now.Add(d)
	f.armed = append(f.armed, a)
	close(f.changed)
	f.changed = make(chan struct{})
	return was
}

// send drops the value when the last one was not taken, as package time does.
func (a *alarm) send(t time.Time) {
	select {
	case a.c <- t:
	default:
	}
}

// drain keeps the promise that Stop and Reset leave no old value in C.
func (a *alarm) drain() {
	select {
	case <-a.c:
	default:
	}
}

type ticker struct{ a *alarm }

func (t ticker) C() <-chan time.Time { return t.a.c }

func (t ticker) Stop() { t.a.Stop() }

func (t ticker) Reset(d time.Duration) {
	if d <= 0 {
		panic("clock: ticker period is not positive")
	}
	t.a.clock.mu.Lock()
	t.a.period = d
	t.a.clock.mu.Unlock()
	t.a.arm(d)
}
