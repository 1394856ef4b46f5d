// Package systemd tells the service manager how far a service is, by the
// protocol of sd_notify(3): datagrams to the socket that NOTIFY_SOCKET names.
package systemd

import (
	"fmt"
	"net"
	"strings"
)

// Notifier reaches the service manager. It is immutable.
type Notifier struct {
	socket string // empty: nobody wants to know
}

// New takes the socket from the environment, as os.Environ returns it. Without
// one the notifier's methods do nothing.
func New(environ []string) *Notifier {
	n := new(Notifier)
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, "NOTIFY_SOCKET="); ok {
			n.socket = value
		}
	}
	return n
}

// Ready says that the service serves, for the first time or after a reload.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Reloading says that a reload has begun; Ready ends it.
func (n *Notifier) Reloading() error {
	now, err := monotonic()
	if err != nil {
		return fmt.Errorf("read the monotonic clock: %w", err)
	}
	return n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Microseconds()))
}

// Stopping says that the service ends.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

func (n *Notifier) send(state string) error {
	if n.socket == "" {
		return nil
	}
	name := n.socket
	if strings.HasPrefix(name, "@") { // the abstract namespace
		name = "\x00" + name[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("reach the service manager: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager %q: %w", state, err)
	}
	return nil
}
