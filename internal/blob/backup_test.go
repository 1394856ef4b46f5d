package blob

import (
	"slices"
	"testing"

	"careline/internal/store"
)

// Who copies files finds each that Kept returned, until the pause ends; what is only held is not among them.
func TestNothingIsRemovedDuringAPause(t *testing.T) {
	b := open(t)
	h, held := b.put("a", []byte("kept by one")), b.put("a", []byte("only held"))
	b.keep(h, "owner")
	kept := func() (list []ID) {
		t.Helper()
		if err := b.db.View(t.Context(), func(tx *store.Tx) error { list = Kept(tx); return nil }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if got := kept(); !slices.Equal(got, []ID{h.ID}) || slices.Contains(got, held.ID) {
		t.Errorf("kept are %v, expected %v", got, h.ID)
	}
	at, err := h.ID.Path()
	if err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		t.Helper()
		_, err := b.root.Stat(at)
		return err == nil
	}
	resume := b.Pause()
	b.unref(h.ID, "owner")
	b.collect()
	if !there() {
		t.Error("it was removed during the pause")
	}
	resume()
	b.collect()
	if there() {
		t.Error("it was not removed after the pause")
	}
}
