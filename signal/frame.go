package signal

import (
	"fmt"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Clients newer than this server send fields that it does not know, in either form; they are ignored. No message of the protocol nests deeper
// than a few levels.
const maxDepth = 32

var (
	binaryDecoding = proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxDepth}
	textDecoding   = protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxDepth}
)

// decode reads one frame of a client: protobuf when binary, JSON when text.
func decode(frameType int, data []byte) (*livekit.SignalRequest, error) {
	var request livekit.SignalRequest
	var err error
	if frameType == websocket.TextMessage {
		err = textDecoding.Unmarshal(data, &request)
	} else {
		err = binaryDecoding.Unmarshal(data, &request)
	}
	if err != nil {
		return nil, fmt.Errorf("decode a request: %w", err)
	}
	return &request, nil
}

// encode makes one frame for a client, in the form in which it last spoke.
func encode(response *livekit.SignalResponse, text bool) (frameType int, data []byte, err error) {
	return frameOf(response, text)
}

func frameOf(response proto.Message, text bool) (frameType int, data []byte, err error) {
	if text {
		frameType = websocket.TextMessage
		data, err = protojson.Marshal(response)
	} else {
		frameType = websocket.BinaryMessage
		data, err = proto.Marshal(response)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("encode a response: %w", err)
	}
	return frameType, data, nil
}
