package signal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"careline/internal/attachment"
	"careline/internal/blob"
	"careline/internal/inspect"
	"careline/internal/scan"
)

const largestFake = 1 << 20

// fakeFiles keeps files in memory. gate, if there is one, holds up who writes until it is closed.
type fakeFiles struct {
	mu sync.Mutex
	// guarded by mu
	gate    chan struct{}
	uploads map[string]*fakeUpload
	begun   int
}

type fakeUpload struct {
	attachment.Offer
	content  []byte
	infected bool
}

func (f *fakeFiles) Begin(_ context.Context, o attachment.Offer) (attachment.Upload, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if o.Length > largestFake {
		return attachment.Upload{}, blob.ErrTooLarge
	}
	f.begun++
	id := fmt.Sprint("att_", f.begun)
	f.uploads[id] = &fakeUpload{Offer: o}
	return attachment.Upload{ID: id}, nil
}

func (f *fakeFiles) Append(_ context.Context, id, _ string, offset int64, content io.Reader) (attachment.Upload, error) {
	f.mu.Lock()
	gate, u := f.gate, f.uploads[id]
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	got, err := io.ReadAll(io.LimitReader(content, u.Length+1))
	if err == nil && int64(len(got)) > u.Length {
		err = blob.ErrTooLarge
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	u.content = got
	return attachment.Upload{ID: id, Offset: offset + int64(len(got))}, err
}

func (f *fakeFiles) Finish(_ context.Context, id, _ string) (attachment.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := f.uploads[id]
	switch {
	case strings.HasSuffix(u.Name, ".exe"):
		return attachment.File{}, inspect.ErrDenied
	case strings.HasSuffix(u.Name, ".png"):
		return attachment.File{ID: id, Type: "image/png"}, nil
	}
	return attachment.File{ID: id, Type: "text/plain"}, nil
}

func (f *fakeFiles) Cancel(_ context.Context, id, by string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u := f.uploads[id]; u == nil || u.By != by {
		return errors.New("cancelled what is somebody else's, or nobody's")
	}
	delete(f.uploads, id)
	return nil
}

func (f *fakeFiles) Describe(_ context.Context, id string) (attachment.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uploads[id].infected {
		return attachment.File{ID: id, Scan: scan.Infected}, nil
	}
	return attachment.File{ID: id, Scan: scan.Clean}, nil
}

func (f *fakeFiles) infected(ids []string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(ids, func(id string) bool { return f.uploads[id].infected })
}

func (f *fakeFiles) name(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.uploads[id].Name
}

// contents returns what is kept, by name.
func (f *fakeFiles) contents() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make(map[string]string)
	for _, u := range f.uploads {
		all[u.Name] = string(u.content)
	}
	return all
}

func (f *fakeFiles) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}
