package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/livekit/protocol/auth"
)

const (
	broadcastBatch = 100 // viewers whose joins are measured together
	backgroundTime = 2 * time.Second
)

// broadcast measures what the joins of an audience cost a server, hundred by hundred: those of the last should cost what those of the first do.
func broadcast(ctx context.Context, o options, cpus cpuSplit) error {
	t := targetsOf(o)[0]
	var costs []float64 // ms of CPU per join
	_, err := onServer(ctx, t, cpus, func(s *server) (result, error) {
		var err error
		if t.room, err = newBroadcast(ctx, t); err != nil {
			return result{}, err
		}
		var clients []*clientProcess
		defer func() { stopClients(clients) }()
		speaker, err := startClients(ctx, t, o, cpus, rolePublish, 0, 1, "-kind", kindSilence)
		if err != nil {
			return result{}, fmt.Errorf("start speaker: %w", err)
		}
		clients = append(clients, speaker)
		for first := 0; first < o.broadcast; first += broadcastBatch {
			n := min(broadcastBatch, o.broadcast-first)
			fmt.Fprintf(os.Stderr, "broadcast: viewers %d to %d of %d\n", first+1, first+n, o.broadcast)
			before, err := background(ctx, s)
			if err != nil {
				return result{}, err
			}
			began := time.Now()
			spent, err := cpuTime(s.pid)
			if err != nil {
				return result{}, err
			}
			for at := 0; at < n; at += viewersPerProcess {
				c, err := startClients(ctx, t, o, cpus, roleView, first+at, min(viewersPerProcess, n-at), "-video", "0", "-audio", "1")
				if err != nil {
					return result{}, fmt.Errorf("start viewers: %w", err)
				}
				clients = append(clients, c)
			}
			now, err := cpuTime(s.pid)
			if err != nil {
				return result{}, err
			}
			took := time.Since(began)
			after, err := background(ctx, s)
			if err != nil {
				return result{}, err
			}
			forwarding := (before + after) / 2 * took.Seconds() // what those who were there already cost meanwhile
			costs = append(costs, ((now-spent).Seconds()-forwarding)/float64(n)*1000)
		}
		return result{}, nil
	})
	if err != nil {
		return fmt.Errorf("measure a broadcast: %w", err)
	}
	printBroadcast(os.Stdout, costs)
	return nil
}

// background is the CPU that a server uses while nobody joins, in CPUs.
func background(ctx context.Context, s *server) (float64, error) {
	if err := sleep(ctx, time.Second); err != nil { // what joining left behind
		return 0, err
	}
	begin, err := cpuTime(s.pid)
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, backgroundTime); err != nil {
		return 0, err
	}
	end, err := cpuTime(s.pid)
	return (end - begin).Seconds() / backgroundTime.Seconds(), err
}

// newBroadcast makes a call in which the publisher speaks and everybody else watches, and returns its room.
func newBroadcast(ctx context.Context, t target) (string, error) {
	token, err := auth.NewAccessToken(t.key, t.secret).SetVideoGrant(&auth.VideoGrant{RoomCreate: true}).SetValidFor(tokenLife).ToJWT()
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	body := []byte(`{"kind":"broadcast","participants":[{"identity":"publisher-0","role":"speaker"}]}`)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+"/v1/calls", bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("make a call: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var made struct {
		Call struct {
			ID string `json:"id"`
		} `json:"call"`
	}
	if err := json.NewDecoder(response.Body).Decode(&made); err != nil || made.Call.ID == "" {
		return "", fmt.Errorf("make a call: %s: %w", response.Status, err)
	}
	http.DefaultClient.CloseIdleConnections()
	return made.Call.ID, nil
}

func printBroadcast(w io.Writer, costs []float64) {
	fmt.Fprintln(w, "\n| viewers of a broadcast | ms CPU per join | to the first hundred |")
	fmt.Fprintln(w, "|---|---|---|")
	for i, cost := range costs {
		fmt.Fprintf(w, "| %d to %d | %.1f | %.2fx |\n", i*broadcastBatch+1, (i+1)*broadcastBatch, cost, cost/costs[0])
	}
}
