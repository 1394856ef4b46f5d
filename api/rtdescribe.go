package api

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

const streamType = "text/event-stream"

// FeedQuery is the query of a feed's address.
type FeedQuery struct {
	Ticket string `query:"access_token" maxLength:"128" doc:"A ticket, where the client cannot send a header. A token is not taken here"`
}

// registerFeeds describes the feeds, which are no requests with an answer, and serves their tickets.
func (a *API) registerFeeds() {
	limited := []int{http.StatusTooManyRequests}
	register(a, operation{
		id: "makeFeedTicket", method: http.MethodPost, path: socketPath + "/ticket", tag: "Realtime", need: ChatList, private: true, status: http.StatusCreated,
		summary: "Make a ticket for one feed", errors: limited, response: FeedTicket{"rt-QX5LZ3NV7R2M4T6W8Y0A1C3E5G", exampleTime},
		about: "For browsers, which cannot send a token with a WebSocket. It is taken once, within 30 s, as access_token in the address of a feed.",
	}, a.makeTicket)
	register(a, operation{
		id: "openSocket", method: http.MethodGet, path: socketPath, tag: "Realtime", need: ChatList, elsewhere: true, status: http.StatusSwitchingProtocols,
		summary: "Hear what happens, and write, over a WebSocket", errors: append([]int{http.StatusUpgradeRequired}, limited...),
		about: "Subprotocol careline.v1, text frames of JSON, 64 KiB at most. The client's first frame is hello (HelloFrame); the server sends Envelope, Ack and Nack. " +
			"Close codes: 1012 with retry_in before it, 4001 the token ended, 4002 no hello.",
	}, nowhere[FeedQuery, empty])
	register(a, operation{
		id: "openStream", method: http.MethodGet, path: streamPath, tag: "Realtime", need: ChatList, elsewhere: true,
		summary: "Hear what happens, as server-sent events", errors: limited,
		about: "Each event's data is an Envelope, its id the cursor. It goes on for as long as the token is valid.",
	}, nowhere[struct {
		FeedQuery
		Resume string `query:"resume" maxLength:"64" doc:"The newest cursor that the client has; without, the feed begins now"`
		Last   string `header:"Last-Event-ID" maxLength:"64" doc:"The same, as an EventSource sends it. It counts more than resume"`
	}, empty])
	doc := a.huma.OpenAPI()
	schemas := doc.Components.Schemas
	for _, t := range []reflect.Type{
		reflect.TypeFor[Envelope](), reflect.TypeFor[Ack](), reflect.TypeFor[Nack](), reflect.TypeFor[HelloFrame](), reflect.TypeFor[SendFrame](), reflect.TypeFor[EditFrame](),
		reflect.TypeFor[DeleteFrame](), reflect.TypeFor[MarkFrame](), reflect.TypeFor[TypingFrame](), reflect.TypeFor[FocusFrame](),
	} {
		schemas.Schema(t, true, "")
	}
	stream := doc.Paths[streamPath].Get
	stream.Responses["204"].Description = ""
	stream.Responses["200"] = &huma.Response{Description: "A stream of envelopes", Content: map[string]*huma.MediaType{
		streamType: {Schema: schemas.Schema(reflect.TypeFor[Envelope](), true, ""), Example: Envelope{
			Version: 1, Type: "message.created", ConversationID: exampleMessage.ConversationID, Position: 41, Cursor: "AAAAAAAAACkAAAAA", At: exampleTime, Actor: "operator-7",
			Data: messageNews{Message: &exampleMessage},
		}},
	}}
	delete(stream.Responses, "204")
}
