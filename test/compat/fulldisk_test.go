//go:build linux

package compat

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

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
	// The store's file has room in itself for a while.
	n := 1
	for lost := false; !lost; {
		n++
		ann.write(inline("after", "after"))
		a := ann.answered(n)
		if lost = a["problem"] == "unavailable"; lost && a["detail"] != "not stored" {
			t.Errorf("answered %v", a)
		}
		if !lost {
			t.Skip("the store found room")
		}
	}
	eventually(t, "the text at ben", func() bool { return len(streamsOf(ben.media.received())) == 2 })
	heard.flowing(t, track.SID(), 20)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message to be kept", func() bool {
		ann.write(inline("after", "after"))
		n++
		return ann.answered(n)["problem"] == nil
	})
	if got := r.thread(&c, tokens["ben"]); len(got) != 2 || got[1].Text != "after" {
		t.Errorf("kept %+v", got)
	}
	if got := streamsOf(ben.media.received()); len(got) != 2 {
		t.Errorf("ben received %+v", got)
	}
}
