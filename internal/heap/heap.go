// Package heap says how much garbage a process may gather before it is collected.
package heap

import "os"

// Floor is how many bytes a process allocates between two collections at least, whatever it holds. By itself Go collects once what was allocated
// since is as much as what is held: a server that holds a few megabytes does so every few milliseconds while it is busy, and who waits for it
// waits longer then.
const Floor = 32 << 20

// ballast counts as held. Nobody writes to it, so it takes addresses and no memory.
var ballast []byte

// Raise raises the floor for the life of the process, unless the environment says by GOGC or GOMEMLIMIT when to collect.
func Raise() {
	if ballast == nil && os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		ballast = make([]byte, Floor)
	}
}
