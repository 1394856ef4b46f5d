package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// cpuSplit is which CPUs run what; without pinning it holds nothing.
type cpuSplit struct {
	pinned          bool
	server, clients unix.CPUSet
	all             unix.CPUSet
	n               int // CPUs of the server
}

// splitCPUs gives the server the first half of the CPUs that this process may use.
func splitCPUs(pin bool) cpuSplit {
	var c cpuSplit
	if !pin || unix.SchedGetaffinity(0, &c.all) != nil || c.all.Count() < 2 {
		return c
	}
	c.pinned, c.n = true, c.all.Count()/2
	left := c.n
	for cpu := range 64 * len(c.all) {
		switch {
		case !c.all.IsSet(cpu):
		case left > 0:
			c.server.Set(cpu)
			left--
		default:
			c.clients.Set(cpu)
		}
	}
	return c
}

// startOn starts a process on a set of CPUs, which it takes from the thread that starts it; Go programs set
// GOMAXPROCS by it. The process ends with this one.
func (c cpuSplit) startOn(cmd *exec.Cmd, cpus unix.CPUSet) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if c.pinned {
		if err := unix.SchedSetaffinity(0, &cpus); err != nil {
			return fmt.Errorf("choose CPUs: %w", err)
		}
		defer func() { _ = unix.SchedSetaffinity(0, &c.all) }()
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return nil
}
