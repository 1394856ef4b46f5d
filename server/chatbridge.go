package server

import (
	"context"
	"sync"

	"careline/api"
	"careline/chat"
	"careline/signal"
)

// bridge is the part of the server that joins the data channels of calls with conversations.
type bridge struct {
	*signal.ChatBridge

	cancel  context.CancelFunc // nil until run
	stop    func()             // hearing of conversations
	running sync.WaitGroup
}

// newBridge makes it. The engine asks and tells it from now on, conversations tell it.
func (s *Server) newBridge(opts Options) *bridge {
	b := &bridge{ChatBridge: signal.NewChatBridge(signal.ChatConfig{
		Chats: s.chats.Service, Files: s.chats.files, Calls: s.calls.Service, Rooms: s.rooms,
		History: s.cfg.Chat.CallHistory, HistoryToStock: s.cfg.Chat.HistoryToStock,
		Envelope: api.EnvelopeOf,
		Notice:   func(n chat.Notice) ([]byte, error) { return api.NoticeOf(n, opts.Clock.Now()) },
		Clock:    opts.Clock, Logger: opts.Logger,
	})}
	s.rooms.SetData(b.ChatBridge)
	s.rooms.Watch(b.ChatBridge)
	_, b.stop = s.chats.Listen(b.ChatBridge)
	s.chats.Watch(b.ChatBridge)
	return b
}

func (b *bridge) run() {
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	b.running.Go(func() { b.ChatBridge.Run(ctx) })
}

// close keeps what still waits.
func (b *bridge) close() error {
	b.stop()
	if b.cancel != nil {
		b.cancel()
		b.running.Wait()
	}
	return nil
}
