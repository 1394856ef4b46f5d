// Package compat holds no code: its tests show that clients of LiveKit's protocol work with this server as they are. Tests and specs are
// named after the numbered checks of the protocol guide; those here run against a server in this process, the specs beside them in Chromium
// against the built binary.
package compat
