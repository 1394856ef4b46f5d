package compat

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	lklogger "github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"go.uber.org/goleak"

	"careline/configs"
	"careline/internal/clock"
	"careline/server"
)

func TestMain(m *testing.M) {
	quiet, err := lklogger.NewZapLogger(&lklogger.Config{Level: "error"}) // the other loggers format what pion says at debug level: a race inside the SDK
	if err != nil {
		panic(err)
	}
	lksdk.SetLogger(quiet)
	goleak.VerifyTestMain(m)
}

const (
	devKey    = "devkey"
	devSecret = "secret"

	// patience is how long a test waits for what must happen. It only ends tests that have failed.
	patience = 20 * time.Second
	// quiet is how long a test listens for what must not happen.
	quiet = 500 * time.Millisecond
)

// rig is a server of its own for one test.
type rig struct {
	t      *testing.T
	server *server.Server
	clock  *clock.Fake // nil: the server runs on the real clock
	stop   func()      // ends the server and waits for it
}

type setup struct {
	clock  *clock.Fake
	change func(*configs.Config)
	log    io.Writer    // nil: logOutput
	tcp    net.Listener // for ICE over TCP; nil: there is none
}

// start runs a server on free ports of the loopback until the test ends.
func start(t *testing.T, s setup) *rig {
	t.Helper()
	cfg, err := configs.Load(configs.LoadOptions{Dev: true, Environ: []string{
		"CARELINE_HTTP_ADDRESS=127.0.0.1:0", "CARELINE_RTC_UDP_PORT=0", "CARELINE_RTC_TCP_PORT=0",
		"CARELINE_TURN_UDP_PORT=0", "CARELINE_TURN_TCP_PORT=0", "CARELINE_TURN_TLS_PORT=0", "CARELINE_RTC_IPV6=false",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s.change != nil {
		s.change(cfg)
	}
	if s.log == nil {
		s.log = logOutput()
	}
	options := server.Options{TCP: s.tcp, Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if s.clock != nil {
		options.Clock = s.clock
	}
	srv, err := server.New(cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	stopped := false
	r := &rig{t: t, server: srv, clock: s.clock}
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if n := srv.Panics(); n != 0 {
			t.Errorf("%d requests panicked", n)
		}
	}
	t.Cleanup(r.stop)
	return r
}

// logOutput shows the server's log when a person asks for it.
func logOutput() io.Writer {
	if os.Getenv("COMPAT_LOG") != "" {
		return os.Stderr
	}
	return io.Discard
}

func (r *rig) http() string { return "http://" + r.server.HTTPAddr().String() }

func (r *rig) ws() string { return strings.Replace(r.http(), "http", "ws", 1) }

// grant is what a token of this package allows unless a test changes it.
func grant(room string) *lkauth.VideoGrant { return &lkauth.VideoGrant{RoomJoin: true, Room: room} }

// token mints as an application would, by LiveKit's own library.
func token(t testing.TB, identity string, g *lkauth.VideoGrant) string {
	t.Helper()
	token, err := lkauth.NewAccessToken(devKey, devSecret).SetIdentity(identity).SetName("The " + identity).
		SetVideoGrant(g).SetValidFor(time.Hour).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// eventually waits for a condition that nothing announces.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("in vain: " + what)
		}
	}
}
