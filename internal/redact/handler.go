package redact

import (
	"context"
	"log/slog"
)

// Logger returns a logger that writes to where l writes, without secrets.
func Logger(l *slog.Logger) *slog.Logger {
	if _, clean := l.Handler().(*handler); clean {
		return l
	}
	return slog.New(&handler{l.Handler()})
}

// handler filters message and attributes of every record.
type handler struct {
	next slog.Handler
}

func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, Text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(Attr(nil, a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h *handler) WithAttrs(list []slog.Attr) slog.Handler {
	return &handler{h.next.WithAttrs(attrs(list))}
}

func (h *handler) WithGroup(name string) slog.Handler { return &handler{h.next.WithGroup(name)} }
