package signal

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/utils/guid"

	"careline/sfu"
)

const (
	registerTimeout   = 10 * time.Second
	workerQueue       = 1024 // messages for a worker that reads slowly; full: it is disconnected
	maxWorkerMessage  = 256 << 10
	workerPongTimeout = 25 * time.Second
)

// agentWorker is the WebSocket of one agent worker.
type agentWorker struct {
	// immutable
	agents *agents
	id     string
	apiKey string
	conn   *websocket.Conn
	queue  chan *livekit.ServerMessage
	done   chan struct{}
	once   sync.Once

	// set before the worker is registered
	info *livekit.RegisterWorkerRequest

	// guarded by agents.mu
	asked map[string]chan *livekit.AvailabilityResponse // by job
	load  float32
	full  bool

	text atomic.Bool // the worker last spoke JSON
}

// weight is how likely a worker gets a job, against the others.
func (w *agentWorker) weight() float64 { return max(1-float64(w.load), 0.01) }

// serveAgent upgrades an agent worker and serves it until it leaves.
func (h *Handler) serveAgent(rw http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		rw.WriteHeader(http.StatusNotFound)
		return
	}
	claims, err := h.authenticate(r)
	if err == nil && !claims.Video.Agent {
		err = errDenied
	}
	if err != nil {
		h.refuse(rw, err)
		return
	}
	if !h.enter() {
		h.refuse(rw, sfu.ErrStopping)
		return
	}
	defer h.requests.Done()
	conn, err := h.upgrader.Upgrade(rw, r, nil)
	if err != nil {
		return // answered by the upgrader
	}
	conn.SetReadLimit(maxBeforeMedia) // until it has registered
	w := &agentWorker{
		agents: h.agents, id: guid.New("AW_"), apiKey: claims.APIKey, conn: conn,
		queue: make(chan *livekit.ServerMessage, workerQueue), done: make(chan struct{}),
		asked: make(map[string]chan *livekit.AvailabilityResponse),
	}
	w.run(h.serverInfo())
}

// run serves the worker: it has to register first, in time.
func (w *agentWorker) run(server *livekit.ServerInfo) {
	defer func() { _ = w.conn.Close() }()
	_ = w.conn.SetReadDeadline(time.Now().Add(registerTimeout))
	first, err := w.next()
	if err != nil || first.GetRegister() == nil {
		_ = w.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseProtocolError, "a worker has to register first"), time.Now().Add(pingTimeout))
		return
	}
	w.info = first.GetRegister()
	w.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_Register{Register: &livekit.RegisterWorkerResponse{WorkerId: w.id, ServerInfo: server}}})
	if !w.agents.register(w) {
		_ = w.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseTryAgainLater, "no room for another worker"), time.Now().Add(pingTimeout))
		return
	}
	defer w.agents.unregister(w)
	w.conn.SetReadLimit(maxWorkerMessage)
	var writer sync.WaitGroup
	writer.Go(w.write)
	w.read()
	w.end()
	writer.Wait()
}

func (w *agentWorker) read() {
	alive := func() { _ = w.conn.SetReadDeadline(time.Now().Add(workerPongTimeout)) }
	w.conn.SetPongHandler(func(string) error {
		alive()
		return nil
	})
	alive()
	for {
		m, err := w.next()
		if err != nil {
			return
		}
		alive()
		switch m := m.Message.(type) {
		case *livekit.WorkerMessage_Availability:
			w.agents.answered(w, m.Availability)
		case *livekit.WorkerMessage_UpdateWorker:
			w.agents.status(w, m.UpdateWorker)
		case *livekit.WorkerMessage_UpdateJob:
			w.agents.reported(w, m.UpdateJob)
		case *livekit.WorkerMessage_MigrateJob:
			w.agents.migrated(w, m.MigrateJob.GetJobIds())
		case *livekit.WorkerMessage_Ping:
			w.send(&livekit.ServerMessage{Message: &livekit.ServerMessage_Pong{
				Pong: &livekit.WorkerPong{LastTimestamp: m.Ping.GetTimestamp(), Timestamp: w.agents.clock.Now().UnixMilli()}}})
		}
	}
}

// next reads one message. Unknown ones are read as empty, so that newer workers work.
func (w *agentWorker) next() (*livekit.WorkerMessage, error) {
	kind, data, err := w.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	w.text.Store(kind == websocket.TextMessage)
	return decodeWorker(kind, data)
}

func decodeWorker(kind int, data []byte) (*livekit.WorkerMessage, error) {
	m := &livekit.WorkerMessage{}
	if kind == websocket.TextMessage {
		return m, textDecoding.Unmarshal(data, m)
	}
	return m, binaryDecoding.Unmarshal(data, m)
}

// send queues a message. It never blocks; a worker that does not read is disconnected.
func (w *agentWorker) send(m *livekit.ServerMessage) {
	select {
	case w.queue <- m:
	default:
		w.end()
	}
}

// end makes both goroutines stop.
func (w *agentWorker) end() {
	w.once.Do(func() {
		close(w.done)
		_ = w.conn.NetConn().SetReadDeadline(time.Unix(1, 0))
	})
}

func (w *agentWorker) write() {
	ping := w.agents.clock.NewTicker(pingInterval)
	defer ping.Stop()
	for {
		var err error
		select {
		case m := <-w.queue:
			var kind int
			var data []byte
			if kind, data, err = frameOf(m, w.text.Load()); err == nil {
				_ = w.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
				err = w.conn.WriteMessage(kind, data)
			}
		case <-ping.C():
			err = w.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(pingTimeout))
		case <-w.done:
			_ = w.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseGoingAway, ""), time.Now().Add(pingTimeout))
			return
		}
		if err != nil {
			w.end()
			return
		}
	}
}
