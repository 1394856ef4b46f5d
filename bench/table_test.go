package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadingProc(t *testing.T) {
	stat := "4242 (a (strange) name) S 1 4242 4242 0 -1 4194560 100 0 0 0 1234 66 0 0 20 0 9 0 100 1 1\n"
	if got, err := parseStat([]byte(stat)); err != nil || got != 13*time.Second {
		t.Errorf("CPU time %v, %v", got, err)
	}
	machine := "cpu  100 20 30 9999 50 6 4 77 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
	if got, err := parseMachine(machine); err != nil || got != 1600*time.Millisecond {
		t.Errorf("machine's time %v, %v", got, err)
	}
	status := "Name:\tx\nVmPeak:\t  900 kB\nVmRSS:\t     512 kB\nThreads:\t3\n"
	if got, err := parseResident(status); err != nil || got != 512<<10 {
		t.Errorf("resident %d, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x) S", "cpu a b c d e f g h"} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("CPU time out of %q", bad)
		}
		if _, err := parseMachine(bad); err == nil {
			t.Errorf("machine's time out of %q", bad)
		}
		if _, err := parseResident(bad); err == nil {
			t.Errorf("resident memory out of %q", bad)
		}
	}
}

func TestFiguresOfARun(t *testing.T) {
	r := result{
		Viewers: 50, Seconds: 10, CPU: 2, JoinCPU: 0.1, MemoryBase: 10 << 20, Memory: 60 << 20,
		Window: window{Received: 99_000, Expected: 100_000, Latency: map[int]int{9: 98_000, 199: 1000}},
	}
	for name, c := range map[string]struct{ got, want float64 }{
		"packets/s":      {packetRate(r), 9900},
		"µs per packet":  {perPacket(r), 2e6 / 99_000},
		"CPUs":           {cpuShare(r), 0.2},
		"KB each":        {memoryEach(r), 1024},
		"ms per join":    {joinEach(r), 2},
		"loss":           {loss(r), 1},
		"median latency": {r.quantile(0.5), 0.5},
		"p99.9 latency":  {r.quantile(0.999), 10},
		"latency of no":  {result{}.quantile(0.5), 200},
		"loss of none":   {loss(result{}), 0},
		"odd median":     {median([]float64{5, 1, 3}), 3},
		"even median":    {median([]float64{4, 1, 3, 2}), 2.5},
		"median of none": {median(nil), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
}

func TestTables(t *testing.T) {
	o := options{viewers: []int{50}, idle: 100, rounds: 2, window: time.Second}
	var results []result
	for _, cost := range []float64{1, 1.2} {
		for server, factor := range map[string]float64{"careline": 1, "naive pion": 3} {
			w := window{Received: 1000, Expected: 1000}
			results = append(results,
				result{Server: server, Scenario: "1 -> 50", Viewers: 50, Seconds: 1, CPU: cost * factor / 100, Memory: 50 << 10, Window: w},
				result{Server: server, Idle: 100, Seconds: 1, CPU: 0.1, Memory: int64(factor * 100 * (1 << 20))})
		}
	}
	var out strings.Builder
	printTables(&out, o, []target{{name: "careline"}, {name: "naive pion"}}, results)
	for _, want := range []string{
		"| 1 -> 50 | careline | 1000 | **11.00 (10.00-12.00)** |",
		"| 1 -> 50 | naive pion | 1000 | **33.00 (30.00-36.00)** |",
		"| 100 | naive pion | 3072 |",
		"| naive pion, 1 -> 50 | 3.0x | 1.0x |",
		"| naive pion, 100 idle | - | 3.0x |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestFlags(t *testing.T) {
	o, err := parse([]string{"-viewers", "5, 10", "-idle", "0"})
	if err != nil || !slices.Equal(o.viewers, []int{5, 10}) || o.idle != 0 || o.rounds != 3 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-viewers", ""}, {"-viewers", "0"}, {"-rounds", "-1"}, {"-window", "0"}, {"-idle", "-1"}, {"more"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
	if n := len(targetsOf(options{command: "x"})); n != 3 {
		t.Errorf("%d servers", n)
	}
}
