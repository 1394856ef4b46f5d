package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/gorilla/websocket"
	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"careline/configs"
	"careline/internal/auth"
	"careline/internal/clock"
)

// mounted mounts something in a folder until the test ends.
func mounted(t *testing.T, args ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("file systems can be mounted by root only")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", append(args, dir)...).CombinedOutput(); err != nil {
		t.Skipf("mount %v is not possible here: %s", args, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// inCall is somebody in a room.
type inCall struct {
	t      *testing.T
	socket *websocket.Conn
}

// enter lets somebody into a room, by LiveKit's protocol.
func (d *desk) enter(who, room string) *inCall {
	d.t.Helper()
	keys, err := auth.NewKeys(map[string]string{"devkey": configs.DevelopmentSecret})
	if err != nil {
		d.t.Fatal(err)
	}
	token, err := auth.NewMinter(keys, clock.Real{}).Mint("devkey", &lkauth.ClaimGrants{Identity: who, Video: &lkauth.VideoGrant{RoomJoin: true, Room: room}}, time.Hour)
	if err != nil {
		d.t.Fatal(err)
	}
	socket, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(d.url, "http")+"/rtc?protocol=17&access_token="+token, nil)
	if err != nil {
		d.t.Fatalf("%s does not get into the room: %v", who, err)
	}
	d.t.Cleanup(func() { _ = socket.Close() })
	c := &inCall{d.t, socket}
	if c.hear().GetJoin() == nil {
		d.t.Fatal("the first message is no join answer")
	}
	return c
}

func (c *inCall) hear() *livekit.SignalResponse {
	c.t.Helper()
	if err := c.socket.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	_, data, err := c.socket.ReadMessage()
	if err != nil {
		c.t.Fatalf("the call ended: %v", err)
	}
	m := new(livekit.SignalResponse)
	if err := proto.Unmarshal(data, m); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// goesOn asks the server something that it answers in every call.
func (c *inCall) goesOn() {
	c.t.Helper()
	data, err := proto.Marshal(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: 1}}})
	if err == nil {
		err = c.socket.WriteMessage(websocket.BinaryMessage, data)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	for c.hear().GetPongResp() == nil {
		continue
	}
}

// unstored sends messages until one is refused, and returns those that were kept.
func (d *desk) unstored(conversation, who string) (kept []string) {
	d.t.Helper()
	for n := 0; n < 1000; n++ {
		text := fmt.Sprint("message ", n)
		var problem struct{ Detail, Code string }
		switch status := d.ask(who, http.MethodPost, "/v1/conversations/"+conversation+"/messages", map[string]string{"text": text, "client_key": text}, &problem); status {
		case http.StatusCreated:
			kept = append(kept, text)
		case http.StatusServiceUnavailable:
			if problem.Code != "unavailable" || !strings.Contains(problem.Detail, "not stored") {
				d.t.Errorf("the problem is %+v", problem)
			}
			return kept
		default:
			d.t.Fatalf("status %d, %+v", status, problem)
		}
	}
	d.t.Fatal("every message was stored")
	return nil
}

// TestFullDisk: where there is no space chat says that it did not store, the call goes on and takes people, and once there is space again chat
// stores by itself. What was acknowledged is there.
func TestFullDisk(t *testing.T) {
	disk := mounted(t, "-t", "tmpfs", "-o", "size=24m", "none")
	d := newDesk(t, filepath.Join(disk, "data"))
	id := d.conversation("ann", "bob")
	d.say(id, "ann", "before")
	call := d.enter("ann", "room")
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk takes too much: %v", err)
	}
	kept := d.unstored(id, "ann")
	call.goesOn()
	d.enter("bob", "room").goesOn()
	call.goesOn()
	if got := d.texts(id, "bob"); strings.Join(got, "|") != strings.Join(append([]string{"before"}, kept...), "|") {
		t.Errorf("on the full disk the thread is %q", got)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		if d.ask("bob", http.MethodPost, "/v1/conversations/"+id+"/messages", map[string]string{"text": "after", "client_key": "after"}, nil) == http.StatusCreated {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing is stored although there is space: %s", d.log)
		}
	}
	d.finds("ann", "after", "after")
	if got := d.texts(id, "bob"); strings.Join(got, "|") != strings.Join(append(append([]string{"before"}, kept...), "after"), "|") {
		t.Errorf("afterwards the thread is %q", got)
	}
	call.goesOn()
	d.stop()
	run(t, []string{"CARELINE_DATA_DIR=" + d.dir}, "verify", "audit")
}

// shutDown makes a file system answer every write with an error from now on, as a disk does that has failed.
func shutDown(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	const shutdown, withoutLog = 0x8004587d, uint32(2) // FS_IOC_SHUTDOWN of Linux
	how := withoutLog
	_, _, number := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how)))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if number != 0 {
		t.Skipf("this kernel shuts no file system down: %v", number)
	}
}

// TestFailedDisk: after a commit that failed nothing is acknowledged any more and the server is not ready, while calls go on. What was
// acknowledged before is on the disk.
func TestFailedDisk(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 64<<20)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", image).CombinedOutput(); err != nil {
		t.Skipf("mkfs.ext4 is not possible here: %v %s", err, out)
	}
	disk := mounted(t, "-o", "loop", image)
	d := newDesk(t, filepath.Join(disk, "data"))
	id := d.conversation("ann", "bob")
	d.say(id, "ann", "before")
	call := d.enter("ann", "room")
	shutDown(t, disk)
	if kept := d.unstored(id, "ann"); len(kept) > 0 {
		t.Errorf("%q was acknowledged by a disk that failed", kept)
	}
	if d.unstored(id, "ann"); d.metric("careline_ready") != "0" {
		t.Error("the server is ready")
	}
	call.goesOn()
	d.enter("bob", "room").goesOn()
	d.kill()
	if err := syscall.Unmount(disk, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "loop", image, disk).CombinedOutput(); err != nil {
		t.Fatalf("mount again: %s", out)
	}
	d.start()
	if got := d.texts(id, "bob"); strings.Join(got, "|") != "before" {
		t.Errorf("the thread is %q", got)
	}
	d.say(id, "bob", "after")
	d.stop()
	run(t, []string{"CARELINE_DATA_DIR=" + d.dir}, "verify", "audit")
}
