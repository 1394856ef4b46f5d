package configs

import (
	"net"
	"strings"
)

// Attachments says which files people may send one another, and what is done to them.
type Attachments struct {
	MaxSize  Size   `yaml:"max_size"`
	Metadata string `yaml:"metadata"`
	Clamd    string `yaml:"clamd"`
}

// Validate reports what is wrong.
func (a Attachments) Validate() error {
	var p problems
	if a.MaxSize < 1<<10 || a.MaxSize > 1<<30 {
		p.add("attachments.max_size", a.MaxSize, "1KiB to 1024MiB")
	}
	p.oneOf("attachments.metadata", a.Metadata, "strip", "keep", "keep_sealed")
	if _, _, err := net.SplitHostPort(a.Clamd); err != nil && a.Clamd != "" && !strings.HasPrefix(a.Clamd, "/") {
		p.add("attachments.clamd", a.Clamd, "a path that begins with / or host:port")
	}
	return p.err()
}
