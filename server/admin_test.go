package server_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"careline/internal/store"
	"careline/server"
)

func metric(t *testing.T, s *instance, name string) float64 {
	t.Helper()
	status, text := get(t, "http://"+s.AdminAddr().String()+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("metrics: status %d", status)
	}
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no metric %s in\n%s", name, text)
	}
	value, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestMetrics(t *testing.T) {
	s := start(t, development(t, "CARELINE_ADMIN_ADDRESS=127.0.0.1:0", "CARELINE_HTTP_TLS_MODE=self"))
	for name, want := range map[string]float64{
		"careline_rooms": 0, "careline_participants": 0, "careline_ready": 1, "careline_media_joins_total": 0,
		`careline_tracks{kind="video"}`: 0, "careline_webhooks_waiting": 0, "careline_calls_rung_total": 0, "careline_calls_lost_total": 0, "careline_calls_waiting": 0, "careline_signal_refusals_total": 0,
		`careline_http_requests_total{class="4xx"}`: 0,
	} {
		if got := metric(t, s, name); got != want {
			t.Errorf("%s is %v at the start, want %v", name, got, want)
		}
	}
	expiry := time.Unix(int64(metric(t, s, "careline_tls_certificate_expiry_timestamp_seconds")), 0)
	if left := time.Until(expiry); left < 80*24*time.Hour || left > 100*24*time.Hour {
		t.Errorf("the certificate ends in %v", left)
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if metric(t, s, name) <= 0 {
			t.Errorf("%s is nothing", name)
		}
	}

	if status, _ := get(t, s.URL()+"/rtc/validate?access_token=bad"); status != http.StatusUnauthorized {
		t.Fatalf("status %d", status)
	}
	if metric(t, s, `careline_http_requests_total{class="4xx"}`) != 1 || metric(t, s, "careline_signal_refusals_total") != 1 {
		t.Error("a refusal is not counted")
	}
	if status, _ := get(t, s.URL()+"/metrics"); status != http.StatusNotFound {
		t.Errorf("everybody can read the metrics: %d", status)
	}
	_, text := get(t, "http://"+s.AdminAddr().String()+"/metrics")
	for _, bare := range regexp.MustCompile(`(?m)^# HELP (\S+) *$`).FindAllStringSubmatch(text, -1) {
		t.Errorf("%s does not say what it is", bare[1])
	}
}

func TestMetricsOfACall(t *testing.T) {
	s := start(t, development(t, "CARELINE_ADMIN_ADDRESS=127.0.0.1:0"))
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s, call.Links[0].Token)
	for name, want := range map[string]float64{
		"careline_rooms": 1, "careline_participants": 1, "careline_media_joins_total": 1, "careline_signal_sessions": 1,
	} {
		for deadline := time.Now().Add(10 * time.Second); metric(t, s, name) != want; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s never became %v", name, want)
			}
		}
	}
	_ = c.Close()
	name := `careline_http_requests_total{class="1xx"}`
	for deadline := time.Now().Add(10 * time.Second); metric(t, s, name) != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the WebSocket is not counted")
		}
	}
}

func TestAdminListener(t *testing.T) {
	s := start(t, development(t, "CARELINE_ADMIN_ADDRESS=localhost:0"))
	base := "http://" + s.AdminAddr().String()
	for path, want := range map[string]int{
		"/": 200, "/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/goroutine?debug=1": 200, "/debug/pprof/cmdline": 200, "/nothing": 404,
	} {
		if got, _ := get(t, base+path); got != want {
			t.Errorf("%s: status %d, want %d", path, got, want)
		}
	}
	for name, set := range map[string]func(*http.Request){
		"a name of the attacker's": func(r *http.Request) { r.Host = "evil.example" },
		"another site's post":      func(r *http.Request) { r.Method = http.MethodPost; r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		r, err := http.NewRequest(http.MethodGet, base+"/debug/pprof/", nil)
		if err != nil {
			t.Fatal(err)
		}
		set(r)
		res, err := client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusForbidden || strings.Contains(string(body), "goroutine") {
			t.Errorf("%s: status %d, %v", name, res.StatusCode, err)
		}
	}
}

// A backup of a server that runs holds what was written until then, and opens.
func TestBackup(t *testing.T) {
	cfg := development(t, "CARELINE_ADMIN_ADDRESS=127.0.0.1:0", "CARELINE_DATA_DIR="+t.TempDir())
	s := start(t, cfg)
	notes := store.NewTable("notes", store.String[string](), store.JSON[string]())
	if err := s.Store().Update(t.Context(), func(tx *store.Tx) error { return notes.Put(tx, "a", "kept") }); err != nil {
		t.Fatal(err)
	}
	res, err := client(t).Post("http://"+s.AdminAddr().String()+"/backup", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the secret: status %d", res.StatusCode)
	}
	cfg.Admin.Address = s.AdminAddr().String()
	var saved bytes.Buffer
	if err := server.Backup(t.Context(), cfg, &saved); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "store.db")
	f, err := os.Create(filepath.Join(t.TempDir(), "saved"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := saved.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := server.Restore(filepath.Dir(path), f); err != nil {
		t.Fatal(err)
	}
	restored, err := server.OpenStore(filepath.Dir(path), server.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = restored.Close() }()
	if err := restored.View(t.Context(), func(tx *store.Tx) error {
		note, err := notes.Get(tx, "a")
		if note != "kept" {
			t.Errorf("restored %q", note)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if status, _ := get(t, "http://"+s.AdminAddr().String()+"/backup"); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
}

// What reaches into the process is for this machine only.
func TestAdminListenerForOthers(t *testing.T) {
	s := start(t, development(t, "CARELINE_ADMIN_ADDRESS=0.0.0.0:0"))
	_, port, err := net.SplitHostPort(s.AdminAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + net.JoinHostPort("127.0.0.1", port)
	for path, want := range map[string]int{"/metrics": 200, "/": 404, "/debug/pprof/": 404, "/debug/pprof/heap": 404, "/debug/pprof/profile": 404, "/backup": 404} {
		if got, _ := get(t, base+path); got != want {
			t.Errorf("%s: status %d, want %d", path, got, want)
		}
	}
}

func TestAdminListenerIsOptional(t *testing.T) {
	s := start(t, development(t))
	if a := s.AdminAddr(); a != nil {
		t.Errorf("development listens on %v", a)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, err = server.New(development(t, "CARELINE_ADMIN_ADDRESS="+l.Addr().String()), server.Options{Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.HasPrefix(err.Error(), "admin.address: ") {
		t.Errorf("a taken port: %v", err)
	}
}

func TestRequestLog(t *testing.T) {
	s := start(t, development(t, "CARELINE_LOG_REQUESTS=true", "CARELINE_LOG_LEVEL=info"))
	call, err := s.NewCall("")
	if err != nil {
		t.Fatal(err)
	}
	get(t, s.URL()+"/rtc/validate?access_token="+call.Links[0].Token)
	get(t, s.URL()+"/+491712345678?x=hunter2")
	_ = join(t, s, call.Links[0].Token).Close()
	s.end()
	log := s.log.String()
	for _, want := range []string{
		"msg=request method=GET path=/rtc/validate status=200 bytes=7", "path=/[redacted] status=404", "path=/rtc status=101", "from=127.0.0.1\n",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log:\n%s", want, log)
		}
	}
	for _, secret := range []string{"hunter2", "access_token", "1712345678", strings.Split(call.Links[0].Token, ".")[1]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	quiet := start(t, development(t))
	get(t, quiet.URL()+"/")
	quiet.end()
	if strings.Contains(quiet.log.String(), "msg=request") {
		t.Error("requests are logged though nobody asked for it")
	}
}
