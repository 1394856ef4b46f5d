// Command relay measures what relaying costs: CPU per relayed packet of Careline's relay (package turn) of coturn and of a plain relay of pion's, in turns, each on one
// CPU, with coturn's own client as the load. It needs Linux and the tools of the coturn package.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// options are the flags of a run.
type options struct {
	rounds, clients, messages, size, interval int
	send, tcp                                 bool
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench/relay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == roleServe {
		return serve(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == rolePion {
		return servePion(ctx)
	}
	var o options
	flags := flag.NewFlagSet("relay", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", 5, "measurements of each server")
	flags.IntVar(&o.clients, "clients", 10, "clients")
	flags.IntVar(&o.messages, "messages", 8000, "messages of each client, each of which comes back")
	flags.IntVar(&o.size, "size", 1000, "bytes of a message")
	flags.IntVar(&o.interval, "interval", 1, "milliseconds between a client's messages")
	flags.BoolVar(&o.send, "send", false, "indications, not channels")
	flags.BoolVar(&o.tcp, "tcp", false, "clients come by TCP")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	for _, tool := range []string{"turnserver", "turnutils_uclient", "turnutils_peer"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("coturn is needed (Debian: apt-get install coturn): %w", err)
		}
	}
	return measure(ctx, o)
}

// figure is one measurement.
type figure struct {
	perPacket float64 // microseconds of CPU
	rate      float64 // packets a second
	lost      float64 // percent
}

func measure(ctx context.Context, o options) error {
	figures := make(map[string][]figure)
	for round := range o.rounds {
		for _, s := range servers {
			f, err := one(ctx, s, o)
			if err != nil {
				return fmt.Errorf("round %d of %s: %w", round+1, s.name, err)
			}
			figures[s.name] = append(figures[s.name], f)
			fmt.Fprintf(os.Stderr, "round %d  %-10s %6.2f us per packet, %.0f packets/s, %.3f %% lost\n", round+1, s.name, f.perPacket, f.rate, f.lost)
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "server\tus CPU per packet\tpackets/s\tlost %")
	for _, s := range servers {
		f := figures[s.name]
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%.3f\n", s.name, spread(f), middle(f, func(f figure) float64 { return f.rate }), middle(f, func(f figure) float64 { return f.lost }))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	cost := func(f figure) float64 { return f.perPacket }
	for _, s := range servers[1:] {
		fmt.Printf("careline / %s: %.2f\n", s.name, middle(figures["careline"], cost)/middle(figures[s.name], cost))
	}
	return nil
}

func middle(list []figure, of func(figure) float64) float64 {
	var values []float64
	for _, f := range list {
		values = append(values, of(f))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func spread(list []figure) string {
	cost := func(f figure) float64 { return f.perPacket }
	least, most := list[0].perPacket, list[0].perPacket
	for _, f := range list {
		least, most = min(least, f.perPacket), max(most, f.perPacket)
	}
	return fmt.Sprintf("%.2f (%.2f-%.2f)", middle(list, cost), least, most)
}

// one starts a server, sends the load through it and reads what it cost.
func one(ctx context.Context, s server, o options) (figure, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	peer := exec.CommandContext(ctx, "turnutils_peer", "-p", strconv.Itoa(peerPort), "-L", "127.0.0.1")
	if err := startOn(peer, clientCPUs); err != nil {
		return figure{}, err
	}
	r, err := s.start(ctx)
	if err != nil {
		return figure{}, err
	}
	defer func() {
		cancel()
		_ = r.cmd.Wait()
		_ = peer.Wait()
	}()
	args := []string{"-c", "-e", "127.0.0.1", "-r", strconv.Itoa(peerPort), "-u", r.username, "-w", r.password, "-p", strconv.Itoa(r.port),
		"-m", strconv.Itoa(o.clients), "-n", strconv.Itoa(o.messages), "-l", strconv.Itoa(o.size), "-z", strconv.Itoa(o.interval)}
	if o.send {
		args = append(args, "-s")
	}
	if o.tcp {
		args = append(args, "-t")
	}
	client := exec.CommandContext(ctx, "turnutils_uclient", append(args, "127.0.0.1")...)
	var out strings.Builder
	client.Stdout, client.Stderr = &out, &out
	before, err := cpuTime(r.cmd.Process.Pid)
	if err != nil {
		return figure{}, err
	}
	begin := time.Now()
	if err := startOn(client, clientCPUs); err != nil {
		return figure{}, err
	}
	if err := client.Wait(); err != nil {
		return figure{}, fmt.Errorf("%s: %w\n%s", client, err, out.String())
	}
	took := time.Since(begin)
	after, err := cpuTime(r.cmd.Process.Pid)
	if err != nil {
		return figure{}, err
	}
	sent, received, err := counts(out.String())
	if err != nil {
		return figure{}, err
	}
	packets := sent + received
	return figure{
		perPacket: float64((after - before).Microseconds()) / packets,
		rate:      packets / took.Seconds(),
		lost:      100 * (sent - received) / sent,
	}, nil
}

var totals = regexp.MustCompile(`tot_send_msgs=(\d+), tot_recv_msgs=(\d+)`)

// counts reads how many messages the client sent and got back.
func counts(output string) (sent, received float64, err error) {
	all := totals.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		return 0, 0, fmt.Errorf("the client counted nothing:\n%s", output)
	}
	last := all[len(all)-1]
	sent, _ = strconv.ParseFloat(last[1], 64)
	received, _ = strconv.ParseFloat(last[2], 64)
	if received == 0 {
		return 0, 0, fmt.Errorf("nothing came back:\n%s", output)
	}
	return sent, received, nil
}
