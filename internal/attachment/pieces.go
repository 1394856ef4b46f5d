package attachment

import (
	"context"
	"io"

	"careline/internal/blob"
	"careline/internal/errs"
)

// pieces reads an upload as one file. It belongs to one goroutine and has one piece open at a time.
type pieces struct {
	// immutable
	ctx   context.Context
	blobs *blob.Store
	list  []piece
	size  int64

	// owned by who reads
	at   int64
	open *blob.Reader // nil for none
	n    int          // the piece that is open
	from int64        // where it begins
}

func (s *Service) pieces(ctx context.Context, u *upload) *pieces {
	return &pieces{ctx: ctx, blobs: s.opts.Blobs, list: u.Pieces, size: u.Offset}
}

// Read implements io.Reader.
func (p *pieces) Read(b []byte) (int, error) {
	if p.at >= p.size {
		return 0, io.EOF
	}
	if p.open == nil || p.at < p.from || p.at >= p.from+p.list[p.n].Size {
		if err := p.turn(); err != nil {
			return 0, err
		}
	}
	n, err := p.open.ReadAt(b[:min(int64(len(b)), p.from+p.list[p.n].Size-p.at)], p.at-p.from)
	p.at += int64(n)
	return n, err
}

// turn opens the piece at the present place.
func (p *pieces) turn() error {
	if err := p.Close(); err != nil {
		return err
	}
	from := int64(0)
	for n, piece := range p.list {
		if p.at < from+piece.Size {
			opened, err := p.blobs.Open(p.ctx, piece.Blob)
			if err != nil {
				return err
			}
			p.open, p.n, p.from = opened, n, from
			return nil
		}
		from += piece.Size
	}
	return io.ErrUnexpectedEOF
}

// Seek implements io.Seeker.
func (p *pieces) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += p.at
	case io.SeekEnd:
		offset += p.size
	default:
		return 0, errs.New(errs.Invalid, "unknown whence")
	}
	if offset < 0 {
		return 0, errs.New(errs.Invalid, "negative offset")
	}
	p.at = offset
	return offset, nil
}

// Close closes the piece that is open.
func (p *pieces) Close() error {
	if p.open == nil {
		return nil
	}
	err := p.open.Close()
	p.open = nil
	return err
}
