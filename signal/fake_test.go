package signal

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"careline/internal/auth"
	"careline/internal/clock"
	"careline/internal/errs"
	"careline/sfu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testKey    = "key"
	testSecret = "0123456789abcdef0123456789abcdef"
	testWait   = 40 * time.Second // how long a test waits for what must happen
)

// fakeRooms is an engine whose participants record what they are asked.
type fakeRooms struct {
	mu sync.Mutex

	// guarded by mu
	err      error // what Check and Join answer
	joins    []sfu.JoinRequest
	resumes  []sfu.ResumeRequest
	sessions map[string]*fakeParticipant // by sid
	panics   bool                        // AddTrack of new participants panics
}

func (r *fakeRooms) Check(sfu.JoinRequest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *fakeRooms) Join(_ context.Context, j sfu.JoinRequest) (participant, *sfu.JoinResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return nil, nil, r.err
	}
	r.joins = append(r.joins, j)
	sid := "PA_" + j.Identity
	p := &fakeParticipant{calls: make(chan any, 4096), panics: r.panics}
	p.may.Store(j.Permission)
	if r.sessions == nil {
		r.sessions = map[string]*fakeParticipant{}
	}
	r.sessions[sid] = p
	return p, &sfu.JoinResult{
		Room:       &livekit.Room{Name: j.Room, Sid: "RM_1"},
		Self:       &livekit.ParticipantInfo{Sid: sid, Identity: j.Identity},
		SIFTrailer: []byte("trailer"),
	}, nil
}

func (r *fakeRooms) Resume(q sfu.ResumeRequest) (participant, *sfu.ResumeResult, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resumes = append(r.resumes, q)
	p := r.sessions[q.ParticipantSID]
	if p == nil {
		return nil, nil, errs.New(errs.NotFound, "no such session")
	}
	return p, &sfu.ResumeResult{LastMessageSeq: 7}, nil
}

func (r *fakeRooms) RemoveRevoked(holds func(sfu.Credential) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range r.joins {
		if !holds(j.Credential) {
			r.sessions["PA_"+j.Identity].record(left{livekit.DisconnectReason_PARTICIPANT_REMOVED})
		}
	}
}

func (r *fakeRooms) session(sid string) *fakeParticipant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions[sid]
}

type (
	attached struct{ peer sfu.Peer }
	detached struct{ peer sfu.Peer }
	left     struct{ reason livekit.DisconnectReason }
	offered  struct {
		sdp string
		id  uint32
	}
	answered struct {
		sdp string
		id  uint32
	}
	trickled struct {
		target    livekit.SignalTarget
		candidate string
	}
	muted struct {
		sid   string
		muted bool
	}
)

// fakeParticipant puts each call into calls and drops what does not fit.
type fakeParticipant struct {
	calls  chan any
	panics bool
	may    atomic.Pointer[livekit.ParticipantPermission]

	sections atomic.Int32
	active   atomic.Bool
}

func (p *fakeParticipant) record(call any) {
	select {
	case p.calls <- call:
	default:
	}
}

func (p *fakeParticipant) AddTrack(r *livekit.AddTrackRequest) {
	if p.panics {
		panic("poison")
	}
	p.record(r)
}
func (p *fakeParticipant) Offer(sdp string, id uint32)  { p.record(offered{sdp, id}) }
func (p *fakeParticipant) Answer(sdp string, id uint32) { p.record(answered{sdp, id}) }
func (p *fakeParticipant) Trickle(t livekit.SignalTarget, c webrtc.ICECandidateInit) {
	p.record(trickled{t, c.Candidate})
}
func (p *fakeParticipant) MuteTrack(sid string, m bool)                                { p.record(muted{sid, m}) }
func (p *fakeParticipant) UpdateSubscription(u *livekit.UpdateSubscription)            { p.record(u) }
func (p *fakeParticipant) UpdateTrackSettings(u *livekit.UpdateTrackSettings)          { p.record(u) }
func (p *fakeParticipant) UpdateMetadata(r *livekit.UpdateParticipantMetadata)         { p.record(r) }
func (p *fakeParticipant) UpdateAudioTrack(r *livekit.UpdateLocalAudioTrack)           { p.record(r) }
func (p *fakeParticipant) UpdateVideoTrack(r *livekit.UpdateLocalVideoTrack)           { p.record(r) }
func (p *fakeParticipant) SetSubscriptionPermission(r *livekit.SubscriptionPermission) { p.record(r) }
func (p *fakeParticipant) Permission() *livekit.ParticipantPermission                  { return p.may.Load() }
func (p *fakeParticipant) SyncState(s *livekit.SyncState)                              { p.record(s) }
func (p *fakeParticipant) MediaSections() int                                          { return int(p.sections.Load()) }
func (p *fakeParticipant) Active() bool                                                { return p.active.Load() }
func (p *fakeParticipant) Attach(peer sfu.Peer)                                        { p.record(attached{peer}) }
func (p *fakeParticipant) Detach(peer sfu.Peer)                                        { p.record(detached{peer}) }
func (p *fakeParticipant) Leave(reason livekit.DisconnectReason)                       { p.record(left{reason}) }

// call waits for the next call of type T and skips others.
func call[T any](t *testing.T, p *fakeParticipant) T {
	t.Helper()
	deadline := time.After(testWait)
	for {
		select {
		case c := <-p.calls:
			if c, ok := c.(T); ok {
				return c
			}
		case <-deadline:
			var want T
			t.Fatalf("no call of type %T", want)
		}
	}
}

// rig is a handler with fakes below and a real HTTP server above.
type rig struct {
	t       *testing.T
	rooms   *fakeRooms
	handler *Handler
	server  *httptest.Server
	clock   *clock.Fake
	minter  *auth.Minter
	log     *lockedBuffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	keys, err := auth.NewKeys(map[string]string{testKey: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewFake(time.Now())
	r := &rig{t: t, rooms: &fakeRooms{}, clock: c, minter: auth.NewMinter(keys, c), log: new(lockedBuffer)}
	r.handler = newHandler(Config{
		Auth:    auth.NewAuthenticator(auth.AuthenticatorConfig{Verifier: auth.NewVerifier(keys, c), Clock: c}),
		Keys:    keys,
		Logger:  slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Clock:   c,
		Version: "0.1",
		Region:  "here",

		MessagesPerSecond: 200,
	}, r.rooms)
	r.server = httptest.NewServer(r.handler)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.handler.Close(ctx)
		r.server.Close()
	})
	return r
}

func (r *rig) token(change func(*lkauth.ClaimGrants)) string {
	r.t.Helper()
	grants := &lkauth.ClaimGrants{Identity: "ann", Video: &lkauth.VideoGrant{RoomJoin: true, Room: "ward"}}
	if change != nil {
		change(grants)
	}
	token, err := r.minter.Mint(testKey, grants, time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// dial opens a WebSocket; the response is that of the handshake, whatever came of it.
func (r *rig) dial(path string, query url.Values) (*client, *http.Response, error) {
	r.t.Helper()
	u := "ws" + strings.TrimPrefix(r.server.URL, "http") + path + "?" + query.Encode()
	conn, response, err := websocket.DefaultDialer.Dial(u, nil)
	if err != nil {
		return nil, response, err
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	return &client{t: r.t, conn: conn}, response, nil
}

// join is a client on /rtc that has read join and refresh_token, and its participant.
func (r *rig) join() (*client, *fakeParticipant) {
	r.t.Helper()
	c, _, err := r.dial("/rtc", url.Values{"access_token": {r.token(nil)}, "protocol": {"17"}})
	if err != nil {
		r.t.Fatal(err)
	}
	sid := c.read().GetJoin().GetParticipant().GetSid()
	c.read()
	return c, r.rooms.session(sid)
}

// client is a WebSocket client that fails its test by itself.
type client struct {
	t         *testing.T
	conn      *websocket.Conn
	fragments int // sent so far
}

func (c *client) send(m *livekit.SignalRequest) {
	c.t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		c.t.Fatal(err)
	}
	c.sendRaw(websocket.BinaryMessage, data)
}

func (c *client) sendRaw(frameType int, data []byte) {
	c.t.Helper()
	if err := c.conn.WriteMessage(frameType, data); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) readRaw() (int, []byte, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(testWait))
	return c.conn.ReadMessage()
}

func (c *client) read() *livekit.SignalResponse {
	c.t.Helper()
	frameType, data, err := c.readRaw()
	if err != nil {
		c.t.Fatal(err)
	}
	if frameType != websocket.BinaryMessage {
		c.t.Fatalf("frame of type %d", frameType)
	}
	var r livekit.SignalResponse
	if err := proto.Unmarshal(data, &r); err != nil {
		c.t.Fatal(err)
	}
	return &r
}

// closed reads until the end and checks the code of the server's close frame.
func (c *client) closed(code int) {
	c.t.Helper()
	for {
		if _, _, err := c.readRaw(); err != nil {
			if !websocket.IsCloseError(err, code) {
				c.t.Fatalf("ended with %v, want code %d", err, code)
			}
			_ = c.conn.Close()
			return
		}
	}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// eventually waits for a condition that nothing announces.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testWait); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain: " + what)
		}
	}
}
