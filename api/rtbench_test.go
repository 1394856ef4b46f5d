package api

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkTold writes over HTTP into a conversation of 200 people who hear it over WebSockets, and measures until the last of them has it.
func BenchmarkTold(b *testing.B) {
	const clients = 200
	r := newRig(b)
	people := []string{"writer"}
	for i := range clients {
		people = append(people, fmt.Sprint("client-", i))
	}
	id := r.startChat(people...)
	told := make(chan time.Time, clients)
	for _, who := range people[1:] {
		e, _ := r.listen(r.chatter(who), "")
		go func() {
			for {
				h, err := e.read()
				if err != nil {
					return
				}
				if h.Type == "message.created" {
					told <- time.Now()
				}
			}
		}()
	}
	token := r.chatter("writer")
	var each []time.Duration
	for b.Loop() {
		begin := time.Now()
		if a := r.ask(http.MethodPost, "/v1/conversations/"+id+"/messages", token, NewMessage{Text: "hello"}, idempotencyKey, begin.String()); a.status != http.StatusCreated {
			b.Fatalf("%d %s", a.status, a.body)
		}
		for range clients {
			each = append(each, (<-told).Sub(begin))
		}
	}
	slices.Sort(each)
	b.ReportMetric(float64(each[len(each)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(each[len(each)*99/100].Microseconds())/1000, "p99-ms")
}
