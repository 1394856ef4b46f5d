package sfu

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/livekit/protocol/livekit"
)

// testServer is a Manager on a port of its own at 127.0.0.1.
type testServer struct {
	*Manager
	address netip.AddrPort
	stop    func() // ends the manager and waits for it; repeated calls do nothing
}

func startServer(t *testing.T, edit func(*Config)) *testServer {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		UDPConns: []*net.UDPConn{conn},
		Loopback: true,
		Room:     RoomDefaults{AutoCreate: true},
		Workers:  2,
	}
	if os.Getenv("SFU_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if edit != nil {
		edit(&cfg)
	}
	m, err := NewManager(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{Manager: m, address: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	}()
	s.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(s.stop)
	return s
}

// mayAll is the permission of an ordinary participant.
func mayAll() *livekit.ParticipantPermission {
	return &livekit.ParticipantPermission{CanSubscribe: true, CanPublish: true, CanPublishData: true}
}

func request(identity string) JoinRequest {
	return JoinRequest{
		Room: "room", Identity: identity, Permission: mayAll(), AutoSubscribe: true,
		Client: &livekit.ClientInfo{Protocol: 16},
	}
}
