package turn

import (
	"slices"
	"time"
)

// permit adds or renews permissions, all or none. It returns 0 or an error
// code.
func (a *allocation) permit(peers []peerAddress, now time.Time) int {
	return a.change(func(b *bindings) int {
		for _, peer := range peers {
			if !b.permit(peer, now, a.server.cfg.Limits.Permissions) {
				return codeInsufficientCapacity
			}
		}
		return 0
	})
}

// bind adds or renews a channel, and the permission that goes with it.
func (a *allocation) bind(number uint16, peer peerAddress, now time.Time) int {
	to, _ := a.server.peers.Load().Route(peer.AddrPort)
	return a.change(func(b *bindings) int {
		byNumber, byPeer := b.byNumber(number), b.byPeer(peer.AddrPort)
		switch {
		case byNumber != byPeer:
			return codeBadRequest // either is bound to another one
		case byNumber != nil:
			byNumber.expires = now.Add(channelLife)
		case len(b.channels) >= a.server.cfg.Limits.Permissions:
			return codeInsufficientCapacity
		default:
			b.channels = append(b.channels, channel{number: number, peer: peer.AddrPort, to: to, expires: now.Add(channelLife)})
		}
		if !b.permit(peer, now, a.server.cfg.Limits.Permissions) {
			return codeInsufficientCapacity
		}
		return 0
	})
}

func (b *bindings) permit(peer peerAddress, now time.Time, most int) bool {
	expires := now.Add(permissionLife)
	for i := range b.permissions {
		if b.permissions[i].peer == peer.Addr() {
			b.permissions[i].expires = expires
			return true
		}
	}
	if len(b.permissions) >= most {
		return false
	}
	b.permissions = append(b.permissions, permission{peer: peer.Addr(), expires: expires})
	return true
}

// expire drops what has expired.
func (a *allocation) expire(now time.Time) {
	old := a.bindings.Load()
	if !slices.ContainsFunc(old.permissions, func(p permission) bool { return !now.Before(p.expires) }) &&
		!slices.ContainsFunc(old.channels, func(c channel) bool { return !now.Before(c.expires) }) {
		return
	}
	a.change(func(b *bindings) int {
		b.permissions = slices.DeleteFunc(b.permissions, func(p permission) bool { return !now.Before(p.expires) })
		b.channels = slices.DeleteFunc(b.channels, func(c channel) bool { return !now.Before(c.expires) })
		return 0
	})
}

// change replaces the table by a copy that f has worked on, unless f returns an
// error code.
func (a *allocation) change(f func(b *bindings) int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.bindings.Load()
	b := &bindings{slices.Clone(old.permissions), slices.Clone(old.channels)}
	code := f(b)
	if code == 0 {
		a.bindings.Store(b)
	}
	return code
}
