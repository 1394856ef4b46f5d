package turn

import (
	"encoding/binary"
	"time"
)

// Lifetimes (RFC 8656 sections 3.2, 9 and 12).
const (
	defaultLife    = 10 * time.Minute
	longestLife    = time.Hour
	permissionLife = 5 * time.Minute
	channelLife    = 10 * time.Minute

	transportUDP = 17
)

// receive handles one whole message of a client that has the allocation a, nil
// for none.
func (s *Server) receive(c client, a *allocation, b []byte) {
	if len(b) >= channelHeader && b[0]>>6 == 1 {
		number, data, ok := channelData(b)
		if a == nil || !ok {
			s.counters.malformed.Add(1)
			return
		}
		a.relay(number, data)
		return
	}
	var m message
	if m.parse(b) != nil {
		s.counters.malformed.Add(1)
		return
	}
	switch {
	case m.kind == methodSend|classIndication:
		if a == nil {
			s.counters.unpermitted.Add(1)
			return
		}
		a.indicate(&m)
	case m.kind == methodBinding|classIndication: // a keep-alive (RFC 8445 section 11)
	case m.class() != classRequest:
		s.counters.malformed.Add(1)
	case m.method() == methodBinding:
		s.binding(c, &m)
	default:
		s.request(c, a, &m)
	}
}

// binding tells a client its address as we see it.
func (s *Server) binding(c client, m *message) {
	if m.unknownCount > 0 {
		s.refuse(c, m, codeUnknownAttribute)
		return
	}
	a := answerTo(m, classSuccess).address(attrXORMappedAddress, c.address())
	s.answerStranger(c, m, a)
}

// request authenticates and carries out what concerns an allocation.
func (s *Server) request(c client, a *allocation, m *message) {
	switch m.method() {
	case methodAllocate, methodRefresh, methodCreatePermission, methodChannelBind:
	default:
		s.refuse(c, m, codeBadRequest)
		return
	}
	if m.unknownCount > 0 {
		s.refuse(c, m, codeUnknownAttribute)
		return
	}
	key, session, code := s.authenticate(c, a, m)
	if code != 0 {
		s.refuse(c, m, code)
		return
	}
	switch {
	case m.malformed:
		s.reply(c, errorTo(m, codeBadRequest).signed(key))
	case m.method() == methodAllocate:
		s.allocate(c, a, m, key, session)
	case a == nil:
		s.reply(c, errorTo(m, codeAllocationMismatch).signed(key))
	case a.username != string(m.username):
		s.reply(c, errorTo(m, codeWrongCredentials).signed(key))
	case m.method() == methodRefresh:
		s.refresh(c, a, m, key)
	case m.method() == methodCreatePermission:
		s.createPermission(c, a, m, key)
	default:
		s.channelBind(c, a, m, key)
	}
}

// authenticate checks the long-term credentials of a request (RFC 8489 section
// 9.2.4). The owner of an allocation goes on with the credentials that made it,
// also after they have expired, as long as the session lives.
func (s *Server) authenticate(c client, a *allocation, m *message) (key []byte, session string, code int) {
	now := s.cfg.Clock.Now()
	switch {
	case m.integrity == 0:
		return nil, "", codeUnauthenticated
	case m.username == nil || m.realm == nil || m.nonce == nil:
		return nil, "", codeBadRequest
	case !s.nonces.valid(m.nonce, c.address(), now):
		return nil, "", codeStaleNonce
	case string(m.realm) != s.cfg.Realm:
		return nil, "", codeUnauthenticated
	}
	if a != nil && a.username == string(m.username) {
		if s.cfg.Credentials.live(a.session) && m.signedBy(a.key) {
			return a.key, a.session, 0
		}
	} else if key, session, ok := s.cfg.Credentials.key(m, s.cfg.Realm, now); ok {
		return key, session, 0
	}
	s.counters.badCredentials.Add(1)
	return nil, "", codeUnauthenticated
}

// refuse answers somebody who has not shown who he is.
func (s *Server) refuse(c client, m *message, code int) {
	a := errorTo(m, code)
	switch code {
	case codeUnauthenticated, codeStaleNonce:
		a.attribute(attrRealm, []byte(s.cfg.Realm))
		a.attribute(attrNonce, s.nonces.make(c.address(), s.cfg.Clock.Now()))
		if len(a.b) > maxFactor*len(m.raw) {
			// Nobody who means it sends a request without any attribute.
			a = errorTo(m, codeBadRequest)
		}
	case codeUnknownAttribute:
		var list []byte
		for _, kind := range m.unknown[:m.unknownCount] {
			list = binary.BigEndian.AppendUint16(list, kind)
		}
		a.attribute(attrUnknownAttributes, list)
	}
	s.answerStranger(c, m, a)
}

// answerStranger sends an answer that anybody can cause, if not too many were
// sent to that address already.
func (s *Server) answerStranger(c client, m *message, a *answer) {
	if !c.stream() && !s.replies.allow(c.address().Addr(), s.cfg.Clock.Now()) {
		s.counters.repliesHeld.Add(1)
		return
	}
	if m.fingerprint {
		s.reply(c, a.fingerprinted())
		return
	}
	s.reply(c, a.finish())
}

func (s *Server) reply(c client, b []byte) {
	if c.send(b) != nil {
		s.counters.sendFailed.Add(1)
	}
}

func (s *Server) refresh(c client, a *allocation, m *message, key []byte) {
	if m.hasFamily && m.family != familyOf(a.relayed.Addr()) {
		s.reply(c, errorTo(m, codePeerFamilyMismatch).signed(key))
		return
	}
	var life time.Duration
	if m.hasLifetime && m.lifetime == 0 {
		s.remove(a)
	} else {
		life = lifeOf(m)
		a.mu.Lock()
		a.expires = s.cfg.Clock.Now().Add(life)
		a.mu.Unlock()
	}
	s.reply(c, answerTo(m, classSuccess).number(attrLifetime, uint32(life/time.Second)).signed(key))
}

// lifeOf returns the lifetime that a request gets.
func lifeOf(m *message) time.Duration {
	if !m.hasLifetime {
		return defaultLife
	}
	return min(max(time.Duration(m.lifetime)*time.Second, defaultLife), longestLife)
}

func (s *Server) createPermission(c client, a *allocation, m *message, key []byte) {
	peers := m.peers[:m.peerCount]
	code := 0
	if len(peers) == 0 {
		code = codeBadRequest
	}
	for _, peer := range peers {
		switch {
		case !a.takes(peer):
			code = codePeerFamilyMismatch
		case !s.peers.Load().Permits(peer.Addr()):
			code = codeForbidden
		}
	}
	if code == 0 {
		code = a.permit(peers, s.cfg.Clock.Now())
	}
	s.conclude(c, m, key, code)
}

func (s *Server) channelBind(c client, a *allocation, m *message, key []byte) {
	code := 0
	last := uint16(lastChannel)
	if s.cfg.OldChannels {
		last = lastOld
	}
	if !m.hasChannel || m.channel < firstChannel || m.channel > last || m.peerCount != 1 {
		code = codeBadRequest
	} else if peer := m.peers[0]; !a.takes(peer) {
		code = codePeerFamilyMismatch
	} else if _, ok := s.peers.Load().Route(peer.AddrPort); !ok {
		code = codeForbidden
	} else {
		code = a.bind(m.channel, peer, s.cfg.Clock.Now())
	}
	s.conclude(c, m, key, code)
}

// conclude answers a request that either succeeded or got an error code.
func (s *Server) conclude(c client, m *message, key []byte, code int) {
	if code == 0 {
		s.reply(c, answerTo(m, classSuccess).signed(key))
		return
	}
	if code == codeForbidden {
		s.counters.peersRefused.Add(1)
	}
	s.reply(c, errorTo(m, code).signed(key))
}
