package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"
)

const (
	viewersPerProcess = 50
	settle            = 2 * time.Second // for what starting or joining left behind, before memory is read and before viewers come
	joinLimit         = 2 * time.Minute
)

// result is one measurement of one server.
type result struct {
	Server     string `json:"server"`
	Scenario   string `json:"scenario"` // empty for idle participants
	Publishers int    `json:"publishers"`
	Viewers    int    `json:"viewers"`
	Idle       int    `json:"idle"`

	Seconds    float64 `json:"seconds"`     // length of the window
	CPU        float64 `json:"cpu"`         // seconds, the server in the window
	JoinCPU    float64 `json:"join_cpu"`    // seconds, the server while all joined
	MemoryBase int64   `json:"memory_base"` // bytes resident before anybody joined
	Memory     int64   `json:"memory"`      // bytes resident at the end of the window
	OtherLoad  float64 `json:"other_load"`  // CPUs that neither server nor clients used
	Window     window  `json:"window"`
}

// measure runs all measurements, servers taking turns, and prints the table.
func measure(ctx context.Context, o options) error {
	cpus := splitCPUs(o.pin)
	targets := targetsOf(o)
	var results []result
	for round := range o.rounds {
		for _, room := range o.scenarios() {
			for _, t := range targets {
				fmt.Fprintf(os.Stderr, "round %d of %d: %v, %s\n", round+1, o.rounds, room, t.name)
				r, err := fanOut(ctx, t, room, o, cpus)
				if err != nil {
					return fmt.Errorf("measure %s with %v: %w", t.name, room, err)
				}
				results = append(results, r)
			}
		}
		if o.idle == 0 {
			continue
		}
		for _, t := range targets {
			fmt.Fprintf(os.Stderr, "round %d of %d: %d idle, %s\n", round+1, o.rounds, o.idle, t.name)
			r, err := idle(ctx, t, o, cpus)
			if err != nil {
				return fmt.Errorf("measure %s with %d idle participants: %w", t.name, o.idle, err)
			}
			results = append(results, r)
		}
	}
	if o.json != "" {
		raw, err := json.MarshalIndent(results, "", "\t")
		if err != nil {
			return fmt.Errorf("encode results: %w", err)
		}
		if err := os.WriteFile(o.json, raw, 0o644); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	if o.rounds > 0 {
		printTables(os.Stdout, o, targets, results)
	}
	if o.broadcast > 0 {
		return broadcast(ctx, o, cpus)
	}
	return nil
}

// fanOut measures publishers and their viewers.
func fanOut(ctx context.Context, t target, room scenario, o options, cpus cpuSplit) (result, error) {
	return onServer(ctx, t, cpus, func(s *server) (result, error) {
		r := result{Server: t.name, Scenario: room.String(), Publishers: room.publishers, Viewers: room.viewers}
		var clients []*clientProcess
		defer func() { stopClients(clients) }()
		var err error
		if r.MemoryBase, err = residentAfter(ctx, s.pid, settle); err != nil {
			return r, err
		}
		sender, err := startClients(ctx, t, o, cpus, rolePublish, 0, room.publishers, "-kind", room.kindFor(t))
		if err != nil {
			return r, fmt.Errorf("start publishers: %w", err)
		}
		clients = append(clients, sender)
		// All tracks are to be in the first answer: pion may never report one whose packets overtake an answer.
		if err := sleep(ctx, settle); err != nil {
			return r, err
		}
		before, err := cpuTime(s.pid)
		if err != nil {
			return r, err
		}
		var watching []*clientProcess
		want := room.sections()
		for first := 0; first < room.viewers; first += viewersPerProcess {
			c, err := startClients(ctx, t, o, cpus, roleView, first, min(viewersPerProcess, room.viewers-first),
				"-video", strconv.Itoa(want.video), "-audio", strconv.Itoa(want.audio))
			if err != nil {
				return r, fmt.Errorf("start viewers: %w", err)
			}
			clients, watching = append(clients, c), append(watching, c)
		}
		after, err := cpuTime(s.pid)
		if err != nil {
			return r, err
		}
		r.JoinCPU = (after - before).Seconds()
		if err := sleep(ctx, o.warmUp); err != nil {
			return r, err
		}
		if err := r.watch(ctx, s, clients, watching, o.window); err != nil {
			return r, err
		}
		if r.Window.Received == 0 {
			return r, fmt.Errorf("no viewer received a packet")
		}
		return r, nil
	})
}

// idle measures participants that only stay connected.
func idle(ctx context.Context, t target, o options, cpus cpuSplit) (result, error) {
	return onServer(ctx, t, cpus, func(s *server) (result, error) {
		r := result{Server: t.name, Idle: o.idle}
		var clients []*clientProcess
		defer func() { stopClients(clients) }()
		var err error
		if r.MemoryBase, err = residentAfter(ctx, s.pid, settle); err != nil {
			return r, err
		}
		before, err := cpuTime(s.pid)
		if err != nil {
			return r, err
		}
		for first := 0; first < o.idle; first += viewersPerProcess {
			c, err := startClients(ctx, t, o, cpus, roleView, first, min(viewersPerProcess, o.idle-first), "-idle")
			if err != nil {
				return r, fmt.Errorf("start idle participants: %w", err)
			}
			clients = append(clients, c)
		}
		after, err := cpuTime(s.pid)
		if err != nil {
			return r, err
		}
		r.JoinCPU = (after - before).Seconds()
		if err := sleep(ctx, settle); err != nil {
			return r, err
		}
		return r, r.watch(ctx, s, clients, clients, o.window)
	})
}

// watch measures one window.
func (r *result) watch(ctx context.Context, s *server, clients, watching []*clientProcess, length time.Duration) error {
	for _, c := range watching {
		if err := c.start(); err != nil {
			return err
		}
	}
	load, err := startLoad(s, clients)
	if err != nil {
		return err
	}
	if err := sleep(ctx, length); err != nil {
		return err
	}
	if err := load.stop(r); err != nil {
		return err
	}
	for _, c := range watching {
		w, err := c.stop()
		if err != nil {
			return err
		}
		r.Window.add(w)
	}
	r.Memory, err = resident(s.pid)
	return err
}

// load is CPU use since a moment.
type load struct {
	server  *server
	clients []*clientProcess
	began   time.Time
	cpu     time.Duration // the server's
	known   time.Duration // the server's, the clients' and this process's
	machine time.Duration // everybody's
}

func startLoad(s *server, clients []*clientProcess) (load, error) {
	l := load{server: s, clients: clients, began: time.Now()}
	var err error
	l.cpu, l.known, l.machine, err = l.read()
	return l, err
}

func (l load) read() (cpu, known, machine time.Duration, err error) {
	if cpu, err = cpuTime(l.server.pid); err != nil {
		return
	}
	known = cpu
	for _, pid := range append(pidsOf(l.clients), os.Getpid()) {
		var more time.Duration
		if more, err = cpuTime(pid); err != nil {
			return
		}
		known += more
	}
	machine, err = machineTime()
	return
}

func (l load) stop(r *result) error {
	cpu, known, machine, err := l.read()
	if err != nil {
		return err
	}
	r.Seconds = time.Since(l.began).Seconds()
	r.CPU = (cpu - l.cpu).Seconds()
	r.OtherLoad = max(0, (machine-l.machine-(known-l.known)).Seconds()/r.Seconds)
	return nil
}

func residentAfter(ctx context.Context, pid int, wait time.Duration) (int64, error) {
	if err := sleep(ctx, wait); err != nil {
		return 0, err
	}
	return resident(pid)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
