package signal

import (
	"bufio"
	"compress/flate"
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"

	"github.com/livekit/protocol/livekit"

	"careline/internal/blob"
	"careline/internal/errs"
)

const (
	spoolBytes = 8 << 20  // of one file, that wait to be written
	spoolTotal = 64 << 20 // of all files
)

var (
	errFileLength = errs.New(errs.Invalid, "the header of the file does not say how long it is, or it is of another length")
	errFileForm   = errs.New(errs.Invalid, "the file could not be inflated")
	errFileFast   = errs.New(errs.Unavailable, "not stored: the file came faster than it could be written")
)

// spool is a file between a data stream and the disk. Who receives the stream puts its chunks in and never waits; who writes the file reads
// them out, and waits for more until the stream has ended.
type spool struct {
	// immutable
	name, declared string
	length         int64 // bytes of the file, as its header says
	most           int64 // bytes that it takes on its way at most
	deflated       bool
	total          *atomic.Int64 // bytes that wait in all spools

	mu      sync.Mutex
	changed *sync.Cond
	// guarded by mu
	next  uint64 // index of the next chunk
	came  int64  // bytes
	waits [][]byte
	held  int64 // bytes in waits
	end   error // io.EOF: all of it came
}

// newSpool begins with a header, which may have all of the file.
func newSpool(h *livekit.DataStream_Header, total *atomic.Int64) (*spool, error) {
	switch {
	case h.TotalLength == nil:
		return nil, errFileLength
	case *h.TotalLength > math.MaxInt64/2:
		return nil, blob.ErrTooLarge
	}
	s := &spool{name: h.GetByteHeader().GetName(), declared: h.MimeType, length: int64(*h.TotalLength), total: total}
	if s.name == "" {
		s.name = "file" // some clients give none
	}
	s.most = s.length
	switch h.Compression {
	case livekit.DataStream_NONE:
	case livekit.DataStream_DEFLATE_RAW:
		s.deflated = true
		s.most += s.length/100 + 64 // of what does not compress
	default:
		return nil, errStreamCompression
	}
	s.changed = sync.NewCond(&s.mu)
	if h.InlineContent == nil {
		return s, nil
	}
	err := s.put(h.InlineContent)
	s.finish(io.EOF)
	return s, err
}

// add takes the next chunk.
func (s *spool) add(c *livekit.DataStream_Chunk) error {
	s.mu.Lock()
	ordered := c.ChunkIndex == s.next && c.Version == 0
	s.next++
	s.mu.Unlock()
	if !ordered {
		return errStreamOrder
	}
	return s.put(c.Content)
}

// put queues content. It keeps it as it is.
func (s *spool) put(content []byte) error {
	size := int64(len(content))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came += size
	switch {
	case s.end != nil || size == 0:
		return nil
	case s.came > s.most:
		return errFileLength
	case s.held+size > spoolBytes:
		return errFileFast
	case s.total.Add(size) > spoolTotal:
		s.total.Add(-size)
		return errFileFast
	}
	s.held += size
	s.waits = append(s.waits, content)
	s.changed.Broadcast()
	return nil
}

// finish says that the stream has ended: in order, with io.EOF, or that nothing will become of it. What was said first counts.
func (s *spool) finish(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return
	}
	s.end = err
	if !errors.Is(err, io.EOF) {
		s.total.Add(-s.held)
		s.waits, s.held = nil, 0
	}
	s.changed.Broadcast()
}

// Read implements io.Reader.
func (s *spool) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.waits) == 0 && s.end == nil {
		s.changed.Wait()
	}
	if len(s.waits) == 0 {
		return 0, s.end
	}
	n := copy(p, s.waits[0])
	if s.waits[0] = s.waits[0][n:]; len(s.waits[0]) == 0 {
		s.waits = s.waits[1:]
	}
	s.held -= int64(n)
	s.total.Add(-int64(n))
	return n, nil
}

// content returns what the file is read by. It ends with io.EOF only if the stream ended in order.
func (s *spool) content() io.Reader {
	if !s.deflated {
		return s
	}
	in := bufio.NewReader(s)
	return &inflated{in: in, out: flate.NewReader(in)}
}

// inflated reads what was deflated, which has to be all there is in the stream.
type inflated struct {
	in  *bufio.Reader
	out io.Reader
}

// Read implements io.Reader.
func (i *inflated) Read(p []byte) (int, error) {
	n, err := i.out.Read(p)
	if errors.Is(err, io.EOF) {
		rest, err := io.Copy(io.Discard, i.in)
		switch {
		case err != nil:
			return n, err
		case rest > 0:
			return n, errFileForm
		}
		return n, io.EOF
	}
	if _, corrupt := errors.AsType[flate.CorruptInputError](err); corrupt || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, errFileForm
	}
	return n, err
}
