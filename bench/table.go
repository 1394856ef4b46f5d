package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"
)

// printTables prints the medians of all rounds, with the least and the largest, and how other servers compare
// with the first one.
func printTables(w io.Writer, o options, targets []target, results []result) {
	fmt.Fprintf(w, "\n%d rounds, windows of %v, %d CPUs%s; median (least-largest)\n\n", o.rounds, o.window, runtime.NumCPU(), pinning(o))
	fmt.Fprintln(w, "| room | server | packets/s | µs CPU per packet | server CPUs | KB per participant | ms CPU per join | loss % | ms on the way p50 / p99 | other load |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|---|---|---|")
	for _, room := range o.scenarios() {
		for _, t := range targets {
			runs := choose(results, t.name, room.String(), 0)
			fmt.Fprintf(w, "| %v | %s | %s | **%s** | %s | %s | %s | %s | %s / %s | %s |\n", room, t.name,
				spread(runs, packetRate, 0), spread(runs, perPacket, 2), spread(runs, cpuShare, 3),
				spread(runs, memoryEach, 0), spread(runs, joinEach, 2), spread(runs, loss, 3),
				spread(runs, func(r result) float64 { return r.quantile(0.5) }, 1),
				spread(runs, func(r result) float64 { return r.quantile(0.99) }, 1),
				spread(runs, func(r result) float64 { return r.OtherLoad }, 2))
		}
	}
	if o.idle > 0 {
		fmt.Fprintln(w, "\n| idle | server | KB per participant | ms CPU per join | ms CPU per participant and second | other load |")
		fmt.Fprintln(w, "|---|---|---|---|---|---|")
		for _, t := range targets {
			runs := choose(results, t.name, "", o.idle)
			fmt.Fprintf(w, "| %d | %s | %s | %s | %s | %s |\n", o.idle, t.name, spread(runs, memoryEach, 0), spread(runs, joinEach, 2),
				spread(runs, idleCPU, 3), spread(runs, func(r result) float64 { return r.OtherLoad }, 2))
		}
	}
	fmt.Fprintf(w, "\n| ratio to %s | µs CPU per packet | KB per participant |\n|---|---|---|\n", targets[0].name)
	for _, room := range o.scenarios() {
		own := choose(results, targets[0].name, room.String(), 0)
		for _, t := range targets[1:] {
			runs := choose(results, t.name, room.String(), 0)
			fmt.Fprintf(w, "| %s, %v | %s | %s |\n", t.name, room, ratio(runs, own, perPacket), ratio(runs, own, memoryEach))
		}
	}
	if o.idle > 0 {
		own := choose(results, targets[0].name, "", o.idle)
		for _, t := range targets[1:] {
			fmt.Fprintf(w, "| %s, %d idle | - | %s |\n", t.name, o.idle, ratio(choose(results, t.name, "", o.idle), own, memoryEach))
		}
	}
}

func pinning(o options) string {
	if cpus := splitCPUs(o.pin); cpus.pinned {
		return fmt.Sprintf(", server on %d of them, clients on the others", cpus.n)
	}
	return ", not pinned"
}

func choose(results []result, server, room string, idle int) []result {
	var out []result
	for _, r := range results {
		if r.Server == server && r.Scenario == room && r.Idle == idle {
			out = append(out, r)
		}
	}
	return out
}

func packetRate(r result) float64 { return float64(r.Window.Received) / r.Seconds }

// perPacket is in microseconds of the server's CPU for each packet that reached a viewer.
func perPacket(r result) float64 { return r.CPU * 1e6 / float64(r.Window.Received) }

func cpuShare(r result) float64 { return r.CPU / r.Seconds }

// memoryEach is in KB of resident memory for each participant.
func memoryEach(r result) float64 {
	return float64(r.Memory-r.MemoryBase) / 1024 / float64(r.Publishers+r.Viewers+r.Idle)
}

// joinEach is in milliseconds of the server's CPU.
func joinEach(r result) float64 { return r.JoinCPU * 1e3 / float64(r.Viewers+r.Idle) }

// idleCPU is in milliseconds of the server's CPU for each participant and second.
func idleCPU(r result) float64 { return r.CPU * 1e3 / r.Seconds / float64(r.Idle) }

// loss is in percent of the packets that sequence numbers promised.
func loss(r result) float64 {
	if r.Window.Expected == 0 {
		return 0
	}
	return max(0, 100*float64(r.Window.Expected-r.Window.Received)/float64(r.Window.Expected))
}

// quantile is a packet's time from the publisher's write to the viewer's read, in milliseconds.
func (r result) quantile(q float64) float64 {
	total := 0
	for _, n := range r.Window.Latency {
		total += n
	}
	left := int(q * float64(total))
	for bucket := range latencyBuckets {
		if left -= r.Window.Latency[bucket]; left < 0 {
			return float64(time.Duration(bucket+1)*latencyStep) / float64(time.Millisecond)
		}
	}
	return float64(latencyBuckets*latencyStep) / float64(time.Millisecond)
}

// median of the runs' values; 0 of none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	values = slices.Sorted(slices.Values(values))
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

func valuesOf(runs []result, value func(result) float64) []float64 {
	var out []float64
	for _, r := range runs {
		out = append(out, value(r))
	}
	return out
}

func spread(runs []result, value func(result) float64, digits int) string {
	values := valuesOf(runs, value)
	if len(values) == 0 {
		return "-"
	}
	text := func(v float64) string { return fmt.Sprintf("%.*f", digits, v) }
	least, largest := text(slices.Min(values)), text(slices.Max(values))
	if least == largest {
		return least
	}
	return strings.Join([]string{text(median(values)), " (", least, "-", largest, ")"}, "")
}

// ratio of the medians.
func ratio(runs, own []result, value func(result) float64) string {
	base := median(valuesOf(own, value))
	if base <= 0 || len(runs) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1fx", median(valuesOf(runs, value))/base)
}
