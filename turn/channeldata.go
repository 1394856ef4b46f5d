package turn

import (
	"encoding/binary"
	"net/netip"
)

const (
	channelHeader = 4
	firstChannel  = 0x4000
	lastChannel   = 0x4FFF // RFC 8656 section 12
	lastOld       = 0x7FFF // RFC 5766 section 11

	// headroom is left in front of what a peer sent, for the largest frame:
	// STUN header, an IPv6 XOR-PEER-ADDRESS, the header of DATA.
	headroom = headerSize + 24 + 4
	maxPad   = 3
)

// channelData takes a ChannelData message apart. Over UDP it may be padded;
// what is missing makes it invalid. Which channels exist is known from who
// bound them.
func channelData(b []byte) (channel uint16, data []byte, ok bool) {
	if len(b) < channelHeader {
		return 0, nil, false
	}
	channel = binary.BigEndian.Uint16(b)
	n := int(binary.BigEndian.Uint16(b[2:]))
	if channel < firstChannel || channel > lastOld || n > len(b)-channelHeader {
		return 0, nil, false
	}
	return channel, b[channelHeader : channelHeader+n], true
}

// frameChannelData puts the header of ChannelData in front of n bytes at
// b[headroom:]. padded: for streams, where the next message begins at a
// multiple of four.
func frameChannelData(b []byte, n int, channel uint16, padded bool) []byte {
	frame := b[headroom-channelHeader:]
	binary.BigEndian.PutUint16(frame, channel)
	binary.BigEndian.PutUint16(frame[2:], uint16(n))
	end := channelHeader + n
	if padded {
		end = pad(frame, end)
	}
	return frame[:end]
}

// frameData makes a Data indication of n bytes at b[headroom:].
func frameData(b []byte, n int, peer netip.AddrPort, transaction [12]byte) []byte {
	addressSize := 8
	if peer.Addr().Is6() {
		addressSize = 20
	}
	frame := b[headroom-headerSize-4-addressSize-4:]
	binary.BigEndian.PutUint16(frame, methodData|classIndication)
	binary.BigEndian.PutUint32(frame[4:], magicCookie)
	copy(frame[8:], transaction[:])
	binary.BigEndian.PutUint16(frame[headerSize:], attrXORPeerAddress)
	binary.BigEndian.PutUint16(frame[headerSize+2:], uint16(addressSize))
	putXORAddress(frame[headerSize+4:], peer, frame[4:headerSize])
	data := headerSize + 4 + addressSize
	binary.BigEndian.PutUint16(frame[data:], attrData)
	binary.BigEndian.PutUint16(frame[data+2:], uint16(n))
	end := pad(frame, data+4+n)
	binary.BigEndian.PutUint16(frame[2:], uint16(end-headerSize))
	return frame[:end]
}

func pad(b []byte, n int) int {
	for n%4 != 0 {
		b[n] = 0
		n++
	}
	return n
}
