//go:build !linux

package systemd

import "time"

// monotonic is for a service manager that this system does not have.
func monotonic() (time.Duration, error) { return 0, nil }
