// Command bench measures what forwarding video and sound costs a server: CPU per forwarded packet, memory per
// participant. It runs Careline and a plain pion SFU in turns on the same machine and
// prints a table with ratios. README.md says how to read it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the flags of a run.
type options struct {
	careline string
	command  string // another LiveKit-compatible server
	url      string
	key      string
	secret   string

	viewers    []int
	conference int
	audio      int
	broadcast  int
	idle       int
	rounds     int
	warmUp     time.Duration
	window     time.Duration
	browser    bool
	pin        bool
	json       string
}

func main() {
	// The first thread stays this goroutine's, so that a child started from it inherits its CPU set and dies
	// with it.
	runtime.LockOSThread()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is the bench, or one of the processes that it starts.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case roleNaive:
			return runNaive(ctx, args[1:])
		case rolePublish, roleView:
			return runClients(ctx, args[0], args[1:])
		}
	}
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return measure(ctx, o)
}

func parse(args []string) (options, error) {
	var o options
	var viewers string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.careline, "careline", "bin/careline", "the Careline `binary`")
	flags.StringVar(&o.command, "server", "", "shell `command` of a third, LiveKit-compatible server to measure")
	flags.StringVar(&o.url, "server-url", "http://127.0.0.1:7880", "where that server listens")
	flags.StringVar(&o.key, "server-key", "devkey", "API key of that server")
	flags.StringVar(&o.secret, "server-secret", "secret", "API secret of that server")
	flags.StringVar(&viewers, "viewers", "50,100", "numbers of viewers of one publisher, each its own measurement")
	flags.IntVar(&o.conference, "conference", 12, "viewers of six publishers with simulcast, 0 for none")
	flags.IntVar(&o.audio, "audio", 50, "viewers of ten who send sound, 0 for none")
	flags.IntVar(&o.broadcast, "broadcast", 1000, "viewers of a broadcast whose joins are measured, 0 for none")
	flags.IntVar(&o.idle, "idle", 100, "idle participants in the memory measurement, 0 for none")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each measurement is repeated, servers taking turns; 0: the broadcast only")
	flags.DurationVar(&o.warmUp, "warm-up", 6*time.Second, "time between the last join and the measured window")
	flags.DurationVar(&o.window, "window", 10*time.Second, "length of the measured window")
	flags.BoolVar(&o.browser, "browser", false, "clients choose the SRTP profile as Chromium does, where the server lets them")
	flags.BoolVar(&o.pin, "pin", runtime.NumCPU() >= 4, "server on the first half of the CPUs, clients on the second")
	flags.StringVar(&o.json, "json", "", "write all runs to this `file`")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	for _, field := range strings.Split(viewers, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 {
			return o, fmt.Errorf("-viewers: %q is not a positive number", field)
		}
		o.viewers = append(o.viewers, n)
	}
	if o.rounds < 0 || o.window <= 0 || o.warmUp < 0 || o.idle < 0 || o.conference < 0 || o.audio < 0 || o.broadcast < 0 {
		return o, errors.New("-window must be positive, -rounds, -warm-up, -conference, -audio, -broadcast and -idle not negative")
	}
	return o, nil
}
