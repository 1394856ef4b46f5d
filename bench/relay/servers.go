package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	pion "github.com/pion/turn/v5"
	"golang.org/x/sys/unix"

	"careline/internal/clock"
	"careline/turn"
)

const (
	roleServe = "serve"
	rolePion  = "pion"
	peerPort  = 34800 // of turnutils_peer
	relayPort = 34780
	realm     = "care"
	serverCPU = 0 // of those that this process may use; the load gets the others
)

// server is one of those that are compared.
type server struct {
	name  string
	start func(ctx context.Context) (*running, error)
}

type running struct {
	cmd                *exec.Cmd
	port               int
	username, password string
}

var servers = []server{{"careline", startCareline}, {"plain pion", startPion}, {"coturn", startCoturn}}

// startCareline runs package turn in a process of its own.
func startCareline(ctx context.Context) (*running, error) { return startSelf(ctx, roleServe) }

// startPion runs pion's relay as its examples do, in a process of its own.
func startPion(ctx context.Context) (*running, error) { return startSelf(ctx, rolePion) }

func startSelf(ctx context.Context, role string) (*running, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, role)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := startOn(cmd, serverCPUs); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start the relay: %w", err)
	}
	fields := strings.Fields(line)
	return &running{cmd, relayPort, fields[0], fields[1]}, nil
}

// serve is that process: a relay that leads to turnutils_peer.
func serve(ctx context.Context, _ []string) error {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: relayPort})
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", relayPort))
	if err != nil {
		return err
	}
	credentials := turn.NewCredentials(turn.MaxLife, func(string) bool { return true }, clock.Real{})
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	peers := make(map[netip.AddrPort]netip.AddrPort)
	for port := range uint16(2) { // turnutils_peer has two
		peer := netip.AddrPortFrom(loopback, peerPort+port)
		peers[peer] = peer
	}
	relay := turn.New(turn.Config{
		Realm:       realm,
		Credentials: credentials,
		Peers:       turn.NewPeerFilter(turn.Peers{Media: peers}),
		Relayed:     []netip.Addr{loopback},
		UDP:         []*net.UDPConn{udp},
		TCP:         []net.Listener{tcp},
		Limits:      turn.Limits{AllocationsPerSession: 1000, AllocationsPerAddress: 1000},
		OldChannels: true,
		Clock:       clock.Real{},
	})
	fmt.Println(credentials.Issue("bench"))
	return relay.Run(ctx)
}

// servePion is that of pion.
func servePion(ctx context.Context) error {
	conn, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", relayPort))
	if err != nil {
		return err
	}
	loopback := net.IPv4(127, 0, 0, 1)
	key := pion.GenerateAuthKey("bench", realm, "bench")
	relay, err := pion.NewServer(pion.ServerConfig{
		Realm:       realm,
		AuthHandler: func(*pion.RequestAttributes) (string, []byte, bool) { return "bench", key, true },
		PacketConnConfigs: []pion.PacketConnConfig{{
			PacketConn:            conn,
			RelayAddressGenerator: &pion.RelayAddressGeneratorStatic{RelayAddress: loopback, Address: loopback.String()},
		}},
	})
	if err != nil {
		return fmt.Errorf("start pion's relay: %w", err)
	}
	fmt.Println("bench", "bench")
	<-ctx.Done()
	return relay.Close()
}

// startCoturn runs coturn the way its guides do, with one user, on one thread.
func startCoturn(ctx context.Context) (*running, error) {
	cmd := exec.CommandContext(ctx, "turnserver", "-n", "--log-file=stdout", "--no-stdout-log", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
		fmt.Sprintf("--listening-port=%d", relayPort), "--lt-cred-mech", "--user=bench:bench", "--realm="+realm, "--allow-loopback-peers",
		"--no-cli", "--no-tls", "--no-dtls", "--relay-threads=1", "--pidfile=", "--userdb=/dev/null")
	if err := startOn(cmd, serverCPUs); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", relayPort)); err == nil {
			return &running{cmd, relayPort, "bench", "bench"}, conn.Close()
		} else if time.Now().After(deadline) {
			return nil, fmt.Errorf("coturn does not come up: %w", err)
		}
	}
}

// serverCPUs is the one CPU of the server, clientCPUs the others.
func serverCPUs() (set unix.CPUSet) {
	set.Set(allowed()[serverCPU])
	return set
}

func clientCPUs() (set unix.CPUSet) {
	list := allowed()
	for _, cpu := range list[min(serverCPU+1, len(list)-1):] {
		set.Set(cpu)
	}
	return set
}

func allowed() (list []int) {
	var set unix.CPUSet
	_ = unix.SchedGetaffinity(os.Getpid(), &set)
	for cpu := range 64 * len(set) {
		if set.IsSet(cpu) {
			list = append(list, cpu)
		}
	}
	return list
}

// startOn starts a process on some CPUs, which it takes from the thread that
// starts it. It ends with this one.
func startOn(cmd *exec.Cmd, cpus func() unix.CPUSet) error {
	set := cpus()
	runtime.LockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("choose CPUs: %w", err)
	}
	defer func() {
		_ = unix.SchedSetaffinity(0, &before)
		runtime.UnlockOSThread()
	}()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return nil
}

// cpuTime is the user and system time of a process so far.
func cpuTime(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read CPU time: %w", err)
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	var sum time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum, nil
}
