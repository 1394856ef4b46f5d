package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = 20 * time.Second
	stopLimit  = 10 * time.Second
)

// Ways of joining, the -protocol of client processes.
const (
	protocolNaive   = "naive"
	protocolLiveKit = "livekit"
)

// target is a server to measure. A new process serves each measurement.
type target struct {
	name        string
	protocol    string
	command     []string
	environment []string
	url         string // of its HTTP
	key, secret string
	room        string
}

// targetsOf lists the servers; the first is what the others are compared with. Ports are free ones.
func targetsOf(o options) []target {
	address := freeAddress("tcp")
	_, udpPort, _ := net.SplitHostPort(freeAddress("udp"))
	targets := []target{{
		name:     "careline",
		protocol: protocolLiveKit,
		command:  []string{o.careline, "serve", "--dev"},
		environment: []string{
			"CARELINE_HTTP_ADDRESS=" + address,
			"CARELINE_RTC_UDP_PORT=" + udpPort,
			"CARELINE_RTC_TCP_PORT=0",
			"CARELINE_LOG_LEVEL=warn",
		},
		url: "http://" + address, key: "devkey", secret: "secret", room: usualRoom,
	}}
	address = freeAddress("tcp")
	targets = append(targets, target{
		name:     "naive pion",
		protocol: protocolNaive,
		command:  []string{self(), roleNaive, "-listen", address},
		url:      "http://" + address,
	})
	if o.command != "" {
		targets = append(targets, target{
			name:     "other",
			protocol: protocolLiveKit,
			command:  []string{"/bin/sh", "-c", "exec " + o.command},
			url:      o.url, key: o.key, secret: o.secret, room: usualRoom,
		})
	}
	return targets
}

// self is this program, for the processes it starts of itself.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// freeAddress is a loopback address whose port nobody uses right now.
func freeAddress(network string) string {
	if network == "udp" {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return "127.0.0.1:0"
		}
		defer func() { _ = conn.Close() }()
		return conn.LocalAddr().String()
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// server is a running target.
type server struct {
	pid    int
	cmd    *exec.Cmd
	exited chan struct{}
}

// onServer measures on a new process of the target.
func onServer(ctx context.Context, t target, cpus cpuSplit, do func(*server) (result, error)) (result, error) {
	log, err := os.CreateTemp("", "bench-*.log")
	if err != nil {
		return result{}, fmt.Errorf("make a file for the server's log: %w", err)
	}
	defer func() { _ = os.Remove(log.Name()); _ = log.Close() }()
	s, err := t.start(log, cpus)
	if err != nil {
		return result{}, fmt.Errorf("start server: %w", err)
	}
	defer s.stop()
	if err = s.ready(ctx, t.url); err == nil {
		var r result
		if r, err = do(s); err == nil {
			return r, nil
		}
	}
	return result{}, fmt.Errorf("%w\nthe server's last words:\n%s", err, tail(log.Name()))
}

func (t target) start(log *os.File, cpus cpuSplit) (*server, error) {
	cmd := exec.Command(t.command[0], t.command[1:]...)
	cmd.Env = append(os.Environ(), t.environment...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cpus.startOn(cmd, cpus.server); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w (make build makes bin/careline)", err)
		}
		return nil, err
	}
	s := &server{pid: cmd.Process.Pid, cmd: cmd, exited: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(s.exited)
	}()
	return s, nil
}

// ready waits until the server answers HTTP, whatever it says.
func (s *server) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("make request: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = response.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			return nil
		}
		select {
		case <-s.exited:
			return errors.New("the server ended before it answered")
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(stopLimit):
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
}

// tail is the end of a file.
func tail(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
