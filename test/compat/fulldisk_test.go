//go:build linux

package compat

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"careline/configs"
)

// TestCallChatOnAFullDisk fills the disk under a call: sound goes on, so does what people write, and who writes is told that it is not stored.
// When there is space again, sending it again keeps it.
func TestCallChatOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
			t.Skip("mounting is not allowed here")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	r := start(t, setup{change: func(c *configs.Config) { c.DataDir = dir }})
	c, tokens := r.chatCall(nil)
	heard := newInbox()
	sound := r.into(t, single, tokens["dora"], newInbox().callback())
	track := publish(t, sound, webrtc.MimeTypeOpus)
	r.into(t, single, token(t, "cleo", grant(c.ID)), heard.callback())
	ann := r.enterWith(single, "ann", grant(c.ID), [2]int{})
	ben := r.enterWith(single, "ben", grant(c.ID), [2]int{})
	ann.write(inline("before", "before"))
	ann.answered(1)

	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// The store's file has room in itself for some messages.
	written := 1
	n, lost := 1, ""
	for ; lost == "" && written < 200; time.Sleep(50 * time.Millisecond) { // faster would be refused for being too much
		written++
		text := fmt.Sprint("after ", written, strings.Repeat(" x", 3900))
		ann.write(inline(fmt.Sprint("after ", written), text))
		n++
		switch a := ann.answered(n); {
		case a["problem"] == nil:
		case a["problem"] != "unavailable" || a["detail"] != "not stored":
			t.Fatalf("answered %v", a)
		default:
			lost = text
		}
	}
	if lost == "" {
		t.Fatalf("the store found room for %d messages", written)
	}
	eventually(t, "the text at ben", func() bool { return len(streamsOf(ben.media.received())) == written })
	heard.flowing(t, track.SID(), 20)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message to be kept", func() bool {
		ann.write(inline(fmt.Sprint("after ", written), lost))
		n++
		return ann.answered(n)["problem"] == nil
	})
	if got := r.thread(&c, tokens["ben"]); len(got) == 0 || got[len(got)-1].Text != lost || written <= 100 && len(got) != written {
		t.Errorf("%d messages are kept of %d", len(got), written)
	}
	if got := streamsOf(ben.media.received()); len(got) != written {
		t.Errorf("ben received %d texts of %d", len(got), written)
	}
}
