//go:build !linux

package main

import (
	"fmt"
	"os/exec"
)

// cpuSplit is Linux's; elsewhere the system places processes. (So are CPU time and memory, which come from
// /proc: the bench runs on Linux.)
type cpuSplit struct {
	pinned          bool
	server, clients struct{}
	n               int
}

func splitCPUs(bool) cpuSplit { return cpuSplit{} }

func (cpuSplit) startOn(cmd *exec.Cmd, _ struct{}) error {
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return nil
}
