package media

import (
	"sync/atomic"
	"time"
)

// Report is what a sender report (RFC 3550 section 6.4.1) says of its sender's clocks.
type Report struct {
	NTP     uint64 // 32.32 fixed point seconds since 1900
	RTP     uint32 // the same instant in the stream's RTP clock
	Arrival int64  // ns, monotonic
}

// SenderClock holds the newest sender report of a layer: set by its RTCP reader, read by workers. The zero value is empty.
type SenderClock struct {
	report atomic.Pointer[Report]
}

// Set publishes a report.
func (c *SenderClock) Set(ntp uint64, rtp uint32, arrival int64) {
	c.report.Store(&Report{NTP: ntp, RTP: rtp, Arrival: arrival})
}

// Get returns the newest report; ok is false before the first one.
func (c *SenderClock) Get() (r Report, ok bool) {
	if p := c.report.Load(); p != nil {
		return *p, true
	}
	return Report{}, false
}

// Translate returns the timestamp in to's RTP clock of the instant that ts names in from's. Both reports must come from
// one sender, whose NTP clock they share; clockRate in Hz. Rounded to the nearest tick, right over wraps of both clocks.
func Translate(from, to Report, clockRate, ts uint32) uint32 {
	apart := int64(from.NTP - to.NTP)
	return to.RTP + (ts - from.RTP) + uint32(ticks(apart, clockRate))
}

// ticks converts 32.32 fixed point seconds into ticks of clockRate.
func ticks(fixed int64, clockRate uint32) int64 {
	whole, fraction := fixed>>32, uint64(uint32(fixed))
	return whole*int64(clockRate) + int64((fraction*uint64(clockRate)+1<<31)>>32)
}

// ntpEpoch is 1900-01-01 in Unix seconds; an NTP era lasts 2^32 s, the second one begins in February 2036.
const ntpEpoch = -2208988800

// NTPNow returns t as an NTP timestamp: 32.32 fixed point seconds since 1900, modulo the era.
func NTPNow(t time.Time) uint64 {
	seconds := uint64(t.Unix() - ntpEpoch)
	fraction := (uint64(t.Nanosecond())<<32 + 5e8) / 1e9
	return seconds<<32 + fraction
}

// NTPTime returns the time that an NTP timestamp names, taken to lie between 1968 and 2104 (RFC 4330 section 3).
func NTPTime(ntp uint64) time.Time {
	seconds := int64(ntp >> 32)
	if seconds < 1<<31 {
		seconds += 1 << 32
	}
	nanoseconds := ((ntp&0xffffffff)*1e9 + 1<<31) >> 32
	return time.Unix(seconds+ntpEpoch, int64(nanoseconds)).UTC()
}
