package signal

import (
	"bytes"
	"compress/flate"
	"io"
	"unicode/utf8"

	"github.com/livekit/protocol/livekit"

	"careline/chat"
	"careline/internal/errs"
)

const (
	maxTextBytes = chat.MaxText * utf8.UTFMax
	// maxDeflated is what a text takes at most that does not compress: deflate adds a few bytes for each stored block.
	maxDeflated = maxTextBytes + maxTextBytes/100 + 64
)

var (
	errStreamText        = errs.New(errs.Invalid, "the stream is no UTF-8 text, or not what its header says")
	errStreamOrder       = errs.New(errs.Invalid, "a piece of the stream is missing or comes twice")
	errStreamCompression = errs.New(errs.Invalid, "the compression of the stream is not known")
)

// textStream puts a text together from the pieces of a data stream. What cannot be a message is refused at the first piece that shows it.
type textStream struct {
	deflated bool    // immutable
	length   *uint64 // immutable: bytes of the text, as the header says; nil: it does not
	raw      []byte
	next     uint64 // index of the next chunk
	runes    int    // of what came, if it is not deflated
}

// newTextStream begins with a header. whole says that the header has all of it.
func newTextStream(h *livekit.DataStream_Header) (s *textStream, whole bool, err error) {
	s = &textStream{length: h.TotalLength}
	switch h.Compression {
	case livekit.DataStream_NONE:
	case livekit.DataStream_DEFLATE_RAW:
		s.deflated = true
	default:
		return nil, false, errStreamCompression
	}
	if s.length != nil && *s.length > maxTextBytes {
		return nil, false, chat.ErrTextLength
	}
	if h.InlineContent == nil {
		return s, false, nil
	}
	return s, true, s.take(h.InlineContent)
}

// add takes the next chunk.
func (s *textStream) add(c *livekit.DataStream_Chunk) error {
	if c.ChunkIndex != s.next || c.Version != 0 {
		return errStreamOrder
	}
	s.next++
	return s.take(c.Content)
}

func (s *textStream) take(content []byte) error {
	limit := maxTextBytes
	if s.deflated {
		limit = maxDeflated
	} else {
		for _, b := range content {
			if utf8.RuneStart(b) {
				s.runes++
			}
		}
	}
	if len(s.raw)+len(content) > limit || s.runes > chat.MaxText {
		return chat.ErrTextLength
	}
	s.raw = append(s.raw, content...)
	return nil
}

// text returns what was put together. Of a deflated text no more is inflated than a text may have.
func (s *textStream) text() (string, error) {
	plain := s.raw
	if s.deflated {
		r := flate.NewReader(bytes.NewReader(s.raw))
		var err error
		if plain, err = io.ReadAll(io.LimitReader(r, maxTextBytes+1)); err != nil {
			return "", errStreamText
		}
	}
	switch {
	case !utf8.Valid(plain) && len(plain) <= maxTextBytes:
		return "", errStreamText
	case utf8.RuneCount(plain) > chat.MaxText:
		return "", chat.ErrTextLength
	case s.length != nil && *s.length != uint64(len(plain)):
		return "", errStreamText
	}
	return string(plain), nil
}
