package media

import (
	"sync"
	"testing"
	"time"
)

func TestSenderClock(t *testing.T) {
	var c SenderClock
	if _, ok := c.Get(); ok {
		t.Error("an empty clock has a report")
	}
	var both sync.WaitGroup
	both.Go(func() {
		for i := range 1000 {
			c.Set(uint64(i), uint32(i), int64(i))
		}
	})
	both.Go(func() {
		for range 1000 {
			if r, _ := c.Get(); r.NTP != uint64(r.RTP) || r.NTP != uint64(r.Arrival) {
				t.Errorf("torn report %+v", r)
				return
			}
		}
	})
	both.Wait()
	if r, ok := c.Get(); !ok || r.NTP != 999 {
		t.Errorf("%+v, %v", r, ok)
	}
}

func TestTranslate(t *testing.T) {
	second := uint64(1) << 32
	for _, tc := range []struct {
		name     string
		from, to Report
		rate, ts uint32
		want     uint32
	}{
		{"one clock", Report{NTP: 100 * second, RTP: 5000}, Report{NTP: 100 * second, RTP: 5000}, 90000, 8000, 8000},
		{"two layers, reports of one instant", Report{NTP: 100 * second, RTP: 5000}, Report{NTP: 100 * second, RTP: 700000}, 90000, 8000, 703000},
		{"reports 2.5 s apart", Report{NTP: 100*second + second/2, RTP: 5000}, Report{NTP: 98 * second, RTP: 1000}, 90000, 5000, 1000 + 225000},
		{"reports apart the other way", Report{NTP: 98 * second, RTP: 1000}, Report{NTP: 100*second + second/2, RTP: 500000}, 90000, 1000, 500000 - 225000},
		{"before the report", Report{NTP: 10 * second, RTP: 5000}, Report{NTP: 10 * second, RTP: 9000}, 48000, 4000, 8000},
		{"over the turn of both", Report{NTP: 10 * second, RTP: 0xffffff00}, Report{NTP: 10 * second, RTP: 0xfffffff0}, 48000, 0x100, 0x1f0},
		{"over the turn of the NTP era", Report{NTP: second / 4, RTP: 10}, Report{NTP: -(second / 4), RTP: 20}, 90000, 10, 20 + 45000},
		{"rounded to the nearest tick", Report{NTP: second / 90000 * 2 / 3, RTP: 10}, Report{RTP: 10}, 90000, 10, 11},
	} {
		if got := Translate(tc.from, tc.to, tc.rate, tc.ts); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestNTP(t *testing.T) {
	for _, tc := range []struct {
		at   string
		want uint64
	}{
		{"1970-01-01T00:00:00Z", 2208988800 << 32},
		{"2026-07-28T12:00:00.5Z", 3994228800<<32 | 1<<31},
		{"2036-02-07T06:28:16Z", 0}, // the second era begins
		{"2040-01-01T00:00:00.25Z", (4417977600-1<<32)<<32 | 1<<30},
	} {
		at, err := time.Parse(time.RFC3339Nano, tc.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := NTPNow(at); got != tc.want {
			t.Errorf("NTPNow(%s) = %#x, want %#x", tc.at, got, tc.want)
		}
	}
	for _, at := range []time.Time{time.Unix(0, 1), time.Unix(1785240000, 999999999), time.Unix(2300000000, 123456789)} {
		if got := NTPTime(NTPNow(at)); !got.Equal(at) {
			t.Errorf("%v comes back as %v", at, got)
		}
	}
}
