package turn

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tool returns a program of coturn, which `make test` installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("coturn's programs are not on this machine: %v", err)
	}
	return path
}

// pairOfPeers are echoing peers on two ports that follow one another, as
// coturn's client expects.
func pairOfPeers(t *testing.T, ip string) (peers []netip.AddrPort) {
	t.Helper()
	for {
		probe, err := net.ListenPacket("udp", net.JoinHostPort(ip, "0"))
		if err != nil {
			t.Fatal(err)
		}
		port := probe.LocalAddr().(*net.UDPAddr).Port
		next, err := net.ListenPacket("udp", net.JoinHostPort(ip, strconv.Itoa(port+1)))
		_ = probe.Close()
		if err != nil {
			continue
		}
		_ = next.Close()
		for i := range 2 {
			peers = append(peers, echo(t, net.JoinHostPort(ip, strconv.Itoa(port+i))))
		}
		return peers
	}
}

var received = regexp.MustCompile(`tot_send_msgs=(\d+), tot_recv_msgs=(\d+)`)

// Coturn's client gets back all that it sends, in the ways in which it can send.
func TestCoturnClient(t *testing.T) {
	uclient := tool(t, "turnutils_uclient")
	peers4, peers6 := pairOfPeers(t, "127.0.0.1"), pairOfPeers(t, "::1")
	r := start(t, setup{change: func(c *Config) {
		c.Peers = media(append(peers4, peers6...)...)
		c.OldChannels = true
		c.Limits = Limits{AllocationsPerSession: 1000, AllocationsPerAddress: 1000, ConnectionsPerAddress: 1000}
	}})
	username, password := r.credentials.Issue("PA_coturn")
	port := func(a net.Addr) string { return strconv.Itoa(int(netip.MustParseAddrPort(a.String()).Port())) }
	udp, tcp, tls := port(r.server.cfg.UDP[0].LocalAddr()), port(r.server.cfg.TCP[0].Addr()), port(r.server.cfg.TLS[0].Addr())
	for name, args := range map[string]string{
		"channels":                   "-c -p " + udp,
		"channels, pairs of ports":   "-p " + udp,
		"indications":                "-c -s -p " + udp,
		"extra requests":             "-c -G -p " + udp,
		"odd sizes":                  "-c -l 171 -p " + udp,
		"TCP":                        "-c -t -p " + tcp,
		"TCP, indications":           "-c -t -s -p " + tcp,
		"TLS":                        "-c -t -S -p " + tls,
		"TLS, pairs of ports":        "-t -S -p " + tls,
		"TCP, odd sizes":             "-c -t -l 171 -p " + tcp,
		"relayed addresses of IPv6":  "-c -x -p " + udp,
		"the other way round":        "-c -X -p " + udp,
		"padded channels over UDP":   "-c -D -l 171 -p " + udp,
		"many clients, many packets": "-c -m 20 -n 50 -p " + udp,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer, count := peers4[0], "10"
			if strings.Contains(args, "-x") {
				peer = peers6[0]
			}
			ctx, cancel := context.WithTimeout(t.Context(), 6*patience)
			defer cancel()
			list := append([]string{"-n", count, "-z", "5", "-e", peer.Addr().String(), "-r", fmt.Sprint(peer.Port()), "-u", username, "-w", password},
				strings.Fields(args)...)
			out, err := exec.CommandContext(ctx, uclient, append(list, "127.0.0.1")...).CombinedOutput()
			all := received.FindAllStringSubmatch(string(out), -1)
			if err != nil || len(all) == 0 {
				t.Fatalf("%v\n%s", err, out)
			}
			if last := all[len(all)-1]; last[1] != last[2] || last[1] == "0" {
				t.Errorf("of %s messages %s came back\n%s", last[1], last[2], out)
			}
		})
	}
}

func TestCoturnSTUNClient(t *testing.T) {
	stunclient := tool(t, "turnutils_stunclient")
	r := start(t, setup{})
	for i, ip := range []string{"127.0.0.1", "::1"} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		out, _ := exec.CommandContext(ctx, stunclient, "-p", fmt.Sprint(r.server.cfg.UDP[i].LocalAddr().(*net.UDPAddr).Port), ip).CombinedOutput()
		cancel()
		if !strings.Contains(string(out), "UDP reflexive addr: "+ip+":") && !strings.Contains(string(out), "UDP reflexive addr: ["+ip+"]:") {
			t.Errorf("%s: %s", ip, out)
		}
	}
}
