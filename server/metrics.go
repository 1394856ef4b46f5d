package server

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// reading is a struct of numbers that a part of the server counts. Each of its
// fields becomes a metric by itself, so that no counter can be forgotten here.
type reading struct {
	prefix string
	levels map[string]bool // fields that can fall
	read   func() any
}

// metric is one field of a reading.
type metric struct {
	field int
	desc  *prometheus.Desc
	kind  prometheus.ValueType
}

// metrics reads all parts when it is asked; nothing on the packet path knows
// of it. Labels come from closed sets.
type metrics struct {
	// immutable
	server   *Server
	readings []reading
	metrics  [][]metric // by reading

	requests, build, ready, certificate, rooms, participants, tracks, panics *prometheus.Desc
	version                                                                  string
}

// newMetrics returns a registry with everything that the server can tell.
func (s *Server) newMetrics(version string) *prometheus.Registry {
	m := &metrics{
		server:  s,
		version: version,
		readings: []reading{
			{prefix: "media", read: func() any { return s.rooms.Stats() }},
			{prefix: "udp", read: func() any { return s.rooms.SocketStats() }},
			{prefix: "signal", read: func() any { return s.signal.Stats() }, levels: map[string]bool{"Sessions": true, "AgentWorkers": true, "AgentJobs": true}},
			{prefix: "store", read: func() any { return s.storage.db.Stats() }, levels: map[string]bool{"Waiting": true, "FileBytes": true, "Damaged": true}},
			{prefix: "search", read: func() any { return s.searchStats() }, levels: map[string]bool{"Documents": true, "Behind": true, "Rebuilding": true, "Unwritten": true, "Failing": true}},
			{prefix: "turn", read: func() any { return s.TURN() }, levels: map[string]bool{"Allocations": true, "Connections": true}},
			{prefix: "calls", read: func() any { return s.calls.Stats() }, levels: map[string]bool{"Waiting": true}},
			{prefix: "webhooks", read: func() any { return s.hooks.outbox.Stats() }, levels: map[string]bool{"Waiting": true}},
			{prefix: "feeds", read: func() any { return s.calls.api.FeedStats() }, levels: map[string]bool{"Sockets": true, "Streams": true, "Lagging": true}},
			{prefix: "call_chat", read: func() any { return s.bridge.Stats() }, levels: map[string]bool{"FilesSpooled": true}},
			{prefix: "webhook_receivers", read: func() any { return s.hooks.hooks.Stats() }},
		},
		requests:     desc("http_requests_total", "HTTP requests answered, by the class of their status; 1xx are WebSockets that ended.", "class"),
		panics:       desc("http_panics_total", "Requests that ended by a mistake of ours."),
		build:        desc("build_info", "1, with the version of the binary and of Go.", "version", "go"),
		ready:        desc("ready", "1 while /readyz answers 200."),
		certificate:  desc("tls_certificate_expiry_timestamp_seconds", "When the TLS certificate ends, the first if there are several, in seconds since 1970."),
		rooms:        desc("rooms", "Rooms that exist now."),
		participants: desc("participants", "Participants in rooms now."),
		tracks:       desc("tracks", "Tracks published now.", "kind"),
	}
	for _, r := range m.readings {
		m.metrics = append(m.metrics, describe(r))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("careline_"+name, help, labels, nil)
}

func describe(r reading) []metric {
	t := reflect.TypeOf(r.read())
	var list []metric
	for i := range t.NumField() {
		name, kind := r.prefix+"_"+snake(t.Field(i).Name), prometheus.GaugeValue
		if !r.levels[t.Field(i).Name] {
			name, kind = name+"_total", prometheus.CounterValue
		}
		list = append(list, metric{i, desc(name, meanings[name]), kind})
	}
	return list
}

// snake turns PacketsIn into packets_in and GSOMessages into gso_messages.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, c := range runes {
		if unicode.IsUpper(c) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, list := range m.metrics {
		for _, one := range list {
			to <- one.desc
		}
	}
	for _, d := range []*prometheus.Desc{m.requests, m.panics, m.build, m.ready, m.certificate, m.rooms, m.participants, m.tracks} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	for i, r := range m.readings {
		v := reflect.ValueOf(r.read())
		for _, one := range m.metrics[i] {
			to <- prometheus.MustNewConstMetric(one.desc, one.kind, number(v.Field(one.field)))
		}
	}
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	s := m.server
	for class := 1; class < len(s.requests.classes); class++ {
		tell(m.requests, prometheus.CounterValue, float64(s.requests.classes[class].Load()), fmt.Sprintf("%dxx", class))
	}
	tell(m.panics, prometheus.CounterValue, float64(s.panics.Load()))
	tell(m.build, prometheus.GaugeValue, 1, m.version, runtime.Version())
	census := s.rooms.Census()
	tell(m.rooms, prometheus.GaugeValue, float64(census.Rooms))
	tell(m.participants, prometheus.GaugeValue, float64(census.Participants))
	tell(m.tracks, prometheus.GaugeValue, float64(census.AudioTracks), "audio")
	tell(m.tracks, prometheus.GaugeValue, float64(census.VideoTracks), "video")
	ready := 0.0
	if len(s.NotReady()) == 0 {
		ready = 1
	}
	tell(m.ready, prometheus.GaugeValue, ready)
	if expiry := s.certificates.expiry(); !expiry.IsZero() {
		tell(m.certificate, prometheus.GaugeValue, float64(expiry.Unix()))
	}
}

func number(v reflect.Value) float64 {
	if v.CanUint() {
		return float64(v.Uint())
	}
	return float64(v.Int())
}
