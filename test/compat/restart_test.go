package compat

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"careline/configs"
)

// Who is in a call when the server is stopped and started again is back in it
// without doing anything. The client is a program of its own, because the SDK
// leaves connections behind when it joins anew.
func TestClientsComeBackAfterARestart(t *testing.T) {
	program := filepath.Join(t.TempDir(), "goclient")
	if out, err := exec.Command("go", "build", "-o", program, "./goclient").CombinedOutput(); err != nil {
		t.Fatalf("build the client: %v\n%s", err, out)
	}
	first := start(t, setup{})
	client := exec.Command(program, first.ws(), token(t, "ann", grant("ward")))
	client.Stderr = logOutput()
	stdout, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = client.Process.Kill()
		_ = client.Wait()
	}()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "joined\n" {
		t.Fatalf("the client says %q, %v", line, err)
	}
	address := first.server.HTTPAddr().String()
	first.stop()
	second := start(t, setup{change: func(c *configs.Config) { c.HTTP.Address = address }})
	eventually(t, "the client is back", func() bool { return second.server.Census().Participants == 1 })
	if err := client.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client leaves", func() bool { return second.server.Census().Participants == 0 })
}
