package udp

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// loggerFactory sends pion's log to slog at debug level: whatever a peer can provoke must not fill
// an operator's log, and what pion warns of here (a port bound to all addresses) is meant.
type loggerFactory struct{ logger *slog.Logger }

// NewLoggerFactory returns a logging.LoggerFactory whose loggers write to logger at debug level.
// pion's own debug and trace levels are left out: they print descriptions with their passwords, and values that other
// goroutines are changing.
func NewLoggerFactory(logger *slog.Logger) logging.LoggerFactory {
	return loggerFactory{logger}
}

func (f loggerFactory) NewLogger(scope string) logging.LeveledLogger {
	return pionLogger{f.logger.With("scope", scope)}
}

type pionLogger struct{ logger *slog.Logger }

func (l pionLogger) log(level, text string) {
	l.logger.Debug("pion", "level", level, "text", text)
}

func (l pionLogger) logf(level, format string, args []any) {
	if l.logger.Enabled(context.Background(), slog.LevelDebug) {
		l.log(level, fmt.Sprintf(format, args...))
	}
}

func (l pionLogger) Trace(string)                      {}
func (l pionLogger) Tracef(string, ...any)             {}
func (l pionLogger) Debug(string)                      {}
func (l pionLogger) Debugf(string, ...any)             {}
func (l pionLogger) Info(text string)                  { l.log("info", text) }
func (l pionLogger) Infof(format string, args ...any)  { l.logf("info", format, args) }
func (l pionLogger) Warn(text string)                  { l.log("warn", text) }
func (l pionLogger) Warnf(format string, args ...any)  { l.logf("warn", format, args) }
func (l pionLogger) Error(text string)                 { l.log("error", text) }
func (l pionLogger) Errorf(format string, args ...any) { l.logf("error", format, args) }
