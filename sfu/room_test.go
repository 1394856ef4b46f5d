package sfu

import (
	"testing"
	"time"

	"careline/internal/clock"
)

// TestEmptyRoomEnds makes a room that nobody enters.
func TestEmptyRoomEnds(t *testing.T) {
	fake := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s := startServer(t, func(c *Config) {
		c.Clock = fake
		c.Room.EmptyTimeout = 5 * time.Minute
	})
	if _, err := s.openRoom(request("nobody")); err != nil {
		t.Fatal(err)
	}
	if s.closeIdleRooms(fake.Now().Add(5*time.Minute - time.Second)); len(s.allRooms()) != 1 {
		t.Fatal("the room ended before its time")
	}
	eventually(t, "the end of the room", func() bool {
		fake.Advance(time.Minute)
		return len(s.allRooms()) == 0
	})
	if d := fake.Now().Sub(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)); d < 5*time.Minute {
		t.Errorf("it ended after %v", d)
	}
	if _, err := s.openRoom(request("somebody")); err != nil || len(s.allRooms()) != 1 {
		t.Errorf("the room cannot be made again: %v", err)
	}
}
