package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"careline/internal/notices"
)

// version is set by the linker.
var version string

// currentVersion returns the linker's version, else the commit that the Go
// tool recorded, else "devel".
func currentVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "devel-" + s.Value[:12]
			}
		}
	}
	return "devel"
}

type versionCommand struct {
	Notices bool `help:"Print the licences of the software of others that is in the binary."`
}

// Run prints the version or the notices.
func (c versionCommand) Run(p *process) error {
	if c.Notices {
		return notices.Write(p.stdout)
	}
	_, err := fmt.Fprintf(p.stdout, "careline %s %s %s/%s\n", currentVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
