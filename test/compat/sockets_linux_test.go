package compat

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// receiveBuffer holds a second and more of what one subscriber gets in a test, for a process that does not get to run meanwhile.
const receiveBuffer = 4 << 20

// deepening gives this process's UDP sockets larger receive buffers, new ones soon after they are made, until it is stopped. The Go SDK leaves
// them at the system's 208 KiB.
func deepening(t *testing.T) (stop func()) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		known := make(map[string]bool)
		for {
			for inode, fd := range udpSockets(t) {
				if !known[inode] {
					known[inode] = true
					_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer) // it may be closed by now
				}
			}
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// overflowed is how many datagrams this process's UDP sockets had no room for.
func overflowed(t *testing.T) (n int) {
	t.Helper()
	own := make(map[string]bool)
	for inode := range udpSockets(t) {
		own[inode] = true
	}
	for _, file := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		table, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(table)) {
			const inode, drops = 9, 12
			if fields := strings.Fields(line); len(fields) > drops && own[fields[inode]] {
				lost, err := strconv.Atoi(fields[drops])
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				n += lost
			}
		}
	}
	return n
}

// udpSockets are the descriptors of this process's UDP sockets by inode.
func udpSockets(t *testing.T) map[string]int {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Error(err)
	}
	sockets := make(map[string]int)
	for _, link := range links {
		target, err := os.Readlink(link)
		inode, isSocket := strings.CutPrefix(target, "socket:[")
		if err != nil || !isSocket { // it was closed meanwhile, or is a file
			continue
		}
		fd, err := strconv.Atoi(filepath.Base(link))
		if err != nil {
			continue
		}
		if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_DGRAM {
			continue
		}
		sockets[strings.TrimSuffix(inode, "]")] = fd
	}
	return sockets
}
