package blob

import (
	"strings"

	"careline/internal/store"
)

// Kept returns the files that somebody refers to, those not counted that Put is only just holding.
func Kept(tx *store.Tx) []ID {
	var list []ID
	for key := range refs.Scan(tx, store.Range[reference]{}) {
		if strings.HasPrefix(key.Second, holdOwner) || len(list) > 0 && list[len(list)-1] == key.First {
			continue
		}
		list = append(list, key.First)
	}
	return list
}

// Path returns where a file is below the folder, with slashes.
func (id ID) Path() (string, error) {
	_, path, err := id.path()
	return path, err
}

// Pause keeps files from being removed until resume is called: what Kept returns can be copied meanwhile.
func (s *Store) Pause() (resume func()) {
	s.removing.RLock()
	return s.removing.RUnlock
}
