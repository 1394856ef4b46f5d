package configs

import "net"

// Admin is the listener for those who run the server: metrics, profiles,
// backup.
type Admin struct {
	Address string `yaml:"address"` // empty: none
}

// Validate says which keys are wrong.
func (a Admin) Validate() error {
	var p problems
	if a.Address == "" {
		return nil
	}
	if host, port, err := net.SplitHostPort(a.Address); err != nil || !isPort(port) || host == "" {
		p.add("admin.address", a.Address, "host:port such as 127.0.0.1:7889, or nothing")
	}
	return p.err()
}
