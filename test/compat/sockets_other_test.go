//go:build !linux

package compat

import "testing"

func deepening(*testing.T) (stop func()) { return func() {} }

func overflowed(*testing.T) int { return 0 }
