package chat

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// powerFailures is how often the power fails.
const powerFailures = 50

// TestPowerFailure has 128 writers on a disk of their own, stops them at random moments, and copies the disk as it is then: what the kernel still
// held in memory is not on it. From each copy no acknowledged message may be missing; the next round goes on from it. It takes minutes and is
// part of make soak.
func TestPowerFailure(t *testing.T) {
	if os.Getenv("CARELINE_SOAK") == "" {
		t.Skip("it is part of make soak")
	}
	if os.Getuid() != 0 {
		t.Skip("loop devices can be mounted by root only")
	}
	for _, tool := range []string{"mkfs.ext4", "mount", "umount", "cp"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("missing: " + tool)
		}
	}
	home, dir := t.TempDir(), t.TempDir()
	image := filepath.Join(home, "0.img")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 512<<20)); err != nil {
		t.Fatal(err)
	}
	do(t, "mkfs.ext4", "-q", image)
	acked := make(map[string]string)
	for round := range powerFailures {
		do(t, "mount", "-o", "loop", image, dir)
		next := filepath.Join(home, fmt.Sprint(round+1, ".img"))
		crash(t, filepath.Join(dir, "data"), round, 1+rand.IntN(800), acked, func(cmd *exec.Cmd) error {
			return errors.Join(freeze(cmd), exec.Command("cp", "--sparse=always", image, next).Run(), cmd.Process.Kill())
		})
		do(t, "umount", dir)
		if err := os.Remove(image); err != nil {
			t.Fatal(err)
		}
		image = next
	}
	do(t, "mount", "-o", "loop", image, dir)
	t.Cleanup(func() { do(t, "umount", dir) })
	survived(t, filepath.Join(dir, "data"), acked)
}

func do(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v, %s", name, args, err, out)
	}
}

// freeze stops all threads of a process and returns when none runs any more.
func freeze(cmd *exec.Cmd) error {
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var state syscall.WaitStatus
	if _, err := syscall.Wait4(cmd.Process.Pid, &state, syscall.WUNTRACED, nil); err != nil {
		return err
	}
	if !state.Stopped() {
		return fmt.Errorf("the process ended by itself: %v", state)
	}
	return nil
}
