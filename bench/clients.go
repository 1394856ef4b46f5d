package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"careline/bench/naive"
)

// Roles of the processes that the bench starts of itself.
const (
	roleNaive   = "naive"
	rolePublish = "publish"
	roleView    = "view"
)

const joinsAtOnce = 8

// Words on a client process's standard input; it answers each with one line, stop with a window. The end of
// its input ends it.
const (
	wordStart = "start"
	wordStop  = "stop"
)

// clientProcess is a process with publishers or viewers.
type clientProcess struct {
	cmd    *exec.Cmd
	input  io.WriteCloser
	output *bufio.Reader
}

// startClients starts a process and waits until all its clients are connected and, viewers, receive.
func startClients(ctx context.Context, t target, o options, cpus cpuSplit, role string, first, n int, more ...string) (*clientProcess, error) {
	args := append([]string{role, "-protocol", t.protocol, "-url", t.url, "-key", t.key, "-secret", t.secret, "-room", t.room,
		"-browser=" + strconv.FormatBool(o.browser), "-first", strconv.Itoa(first), "-n", strconv.Itoa(n)}, more...)
	cmd := exec.Command(self(), args...)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	if err := cpus.startOn(cmd, cpus.clients); err != nil {
		return nil, err
	}
	c := &clientProcess{cmd: cmd, input: input, output: bufio.NewReader(output)}
	stop := context.AfterFunc(ctx, func() { _ = input.Close() })
	defer stop()
	if _, err := c.output.ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the clients: %w", err), c.close())
	}
	return c, nil
}

func (c *clientProcess) start() error {
	_, err := c.ask(wordStart)
	return err
}

func (c *clientProcess) stop() (window, error) {
	var w window
	line, err := c.ask(wordStop)
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal([]byte(line), &w); err != nil {
		return w, fmt.Errorf("read the clients' answer: %w", err)
	}
	return w, nil
}

func (c *clientProcess) ask(word string) (string, error) {
	if _, err := fmt.Fprintln(c.input, word); err != nil {
		return "", fmt.Errorf("ask the clients: %w", err)
	}
	line, err := c.output.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("read the clients' answer: %w", err)
	}
	return line, nil
}

func (c *clientProcess) close() error {
	_ = c.input.Close()
	kill := time.AfterFunc(stopLimit, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	return c.cmd.Wait()
}

func stopClients(clients []*clientProcess) {
	var group sync.WaitGroup
	for _, c := range clients {
		group.Go(func() { _ = c.close() })
	}
	group.Wait()
}

func pidsOf(clients []*clientProcess) []int {
	var out []int
	for _, c := range clients {
		out = append(out, c.cmd.Process.Pid)
	}
	return out
}

// runClients is the client process.
func runClients(ctx context.Context, role string, args []string) error {
	flags := flag.NewFlagSet(role, flag.ContinueOnError)
	protocol := flags.String("protocol", protocolNaive, "naive or livekit")
	url := flags.String("url", "", "of the server")
	key := flags.String("key", "", "API key")
	secret := flags.String("secret", "", "API secret")
	room := flags.String("room", usualRoom, "room to join")
	browser := flags.Bool("browser", false, "SRTP profiles in Chromium's order")
	first := flags.Int("first", 0, "number of the first client")
	n := flags.Int("n", 1, "clients")
	kind := flags.String("kind", kindCamera, "what publishers send")
	var want sections
	flags.IntVar(&want.video, "video", 1, "video sections of a viewer")
	flags.IntVar(&want.audio, "audio", 0, "audio sections of a viewer")
	idle := flags.Bool("idle", false, "do not wait for packets")
	if err := flags.Parse(args); err != nil {
		return err
	}
	join := joinNaive(*url)
	if *protocol == protocolLiveKit {
		join = joinLiveKit(*url, *key, *secret, *room)
	}
	api, err := clientAPI(*browser)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	joining, joined := context.WithTimeout(ctx, joinLimit)
	defer joined()
	if role == rolePublish {
		return runPublishers(ctx, joining, func(ctx context.Context, i int) (*publisher, error) {
			return publish(ctx, api, join, "publisher-"+strconv.Itoa(*first+i), *kind)
		}, *n)
	}
	viewers, err := watchAll(joining, func(ctx context.Context, i int) (*viewer, error) {
		v, err := watch(ctx, api, join, "viewer-"+strconv.Itoa(*first+i), want)
		if err == nil && !*idle {
			err = await(ctx, v.first, "the first packets")
		}
		return v, err
	}, *n)
	defer func() {
		for _, v := range viewers {
			v.close()
		}
	}()
	if err != nil {
		return fmt.Errorf("view: %w", err)
	}
	fmt.Println("ready")
	listen(func() {
		for _, v := range viewers {
			v.start()
		}
	}, func() (all window) {
		for _, v := range viewers {
			all.add(v.stop())
		}
		return all
	})
	return nil
}

// runPublishers joins n publishers and sends until the process's input ends.
func runPublishers(ctx, joining context.Context, publish func(context.Context, int) (*publisher, error), n int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var publishers []*publisher
	defer func() {
		for _, p := range publishers {
			p.close()
		}
	}()
	failed := make(chan error, n)
	for i := range n {
		p, err := publish(joining, i)
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		publishers = append(publishers, p)
		go func() { failed <- p.run(ctx) }()
	}
	fmt.Println("ready")
	listen(func() {}, func() (w window) {
		for _, p := range publishers {
			w.Received += p.sent.Load()
		}
		return w
	})
	cancel()
	var errs []error
	for range publishers {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

// watchAll joins n viewers, a few at once. It returns those that there are, also with an error.
func watchAll(ctx context.Context, watch func(context.Context, int) (*viewer, error), n int) ([]*viewer, error) {
	var (
		group   sync.WaitGroup
		mu      sync.Mutex
		viewers []*viewer
		errs    []error
	)
	slots := make(chan struct{}, joinsAtOnce)
	for i := range n {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			v, err := watch(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			if v != nil {
				viewers = append(viewers, v)
			}
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	group.Wait()
	if len(errs) > 0 {
		return viewers, fmt.Errorf("%d of %d failed, the first: %w", len(errs), n, errs[0])
	}
	return viewers, nil
}

// listen obeys the words on standard input until it ends.
func listen(start func(), stop func() window) {
	words := bufio.NewScanner(os.Stdin)
	for words.Scan() {
		switch words.Text() {
		case wordStart:
			start()
			fmt.Println("started")
		case wordStop:
			_ = json.NewEncoder(os.Stdout).Encode(stop())
		}
	}
}

// runNaive is the naive server's process.
func runNaive(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(roleNaive, flag.ContinueOnError)
	address := flags.String("listen", "127.0.0.1:0", "address")
	if err := flags.Parse(args); err != nil {
		return err
	}
	sfu, err := naive.New()
	if err != nil {
		return err
	}
	defer sfu.Close()
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	web := &http.Server{Handler: sfu, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = web.Close() })
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
