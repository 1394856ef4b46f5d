package sfu

import (
	"net/netip"
	"strings"
)

// acceptable tells whether a remote candidate names an address that we send checks to. Host names, mDNS ones included, are never
// resolved: that would let a client make the server ask its resolver, and time the answers.
func (m *Manager) acceptable(candidate string) bool {
	fields := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(candidate, "a="), "candidate:"))
	if len(fields) < 6 {
		return false
	}
	addr, err := netip.ParseAddr(fields[4])
	if err != nil || addr.Zone() != "" { // a zone means nothing on another machine, and :: with one is not the unspecified address to netip
		return false
	}
	addr = addr.Unmap()
	switch {
	case addr.IsLoopback():
		return m.cfg.Loopback
	case addr.IsUnspecified(), addr.IsMulticast(), addr.IsLinkLocalUnicast():
		return false
	}
	return true
}

// withoutForeignCandidates drops from a client's description the candidate lines that are not acceptable, and says how many.
func (m *Manager) withoutForeignCandidates(description string) (string, int) {
	if !strings.Contains(description, "a=candidate") {
		return description, 0
	}
	var b strings.Builder
	dropped := 0
	for line := range strings.Lines(description) {
		if strings.HasPrefix(line, "a=candidate") && !m.acceptable(strings.TrimSpace(line)) {
			dropped++
			continue
		}
		b.WriteString(line)
	}
	return b.String(), dropped
}
