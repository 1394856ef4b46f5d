package scan

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	// piece is how much is sent at once, in bytes.
	piece = 64 << 10
	// longestAnswer bounds an answer, in bytes.
	longestAnswer = 4 << 10
	// dialing bounds the time that connecting takes.
	dialing = 5 * time.Second
)

// Clamd is ClamAV's daemon behind a socket, by its INSTREAM command (clamd(8)). Its methods may be called from any goroutine; each scan has a
// connection of its own.
type Clamd struct {
	// immutable
	network string
	address string
	limit   time.Duration
}

// NewClamd returns the daemon at a path of a Unix socket, or at host:port. A scan takes at most limit.
func NewClamd(address string, limit time.Duration) *Clamd {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	return &Clamd{network: network, address: address, limit: limit}
}

// Ping returns nil when the daemon answers.
func (c *Clamd) Ping(ctx context.Context) error {
	answer, err := c.ask(ctx, "PING", nil)
	if err == nil && answer != "PONG" {
		err = fmt.Errorf("%w: it answers %q", ErrScanner, answer)
	}
	return err
}

// Scan implements Scanner. The daemon refuses content above its own limit (StreamMaxLength): that is Skipped.
func (c *Clamd) Scan(ctx context.Context, content io.Reader) (Verdict, error) {
	answer, err := c.ask(ctx, "INSTREAM", content)
	if err != nil {
		return Verdict{}, err
	}
	said := strings.TrimPrefix(answer, "stream: ")
	switch signature, found := strings.CutSuffix(said, " FOUND"); {
	case said == "OK":
		return Verdict{State: Clean}, nil
	case found:
		return Verdict{State: Infected, Signature: signature}, nil
	case strings.HasPrefix(said, "INSTREAM size limit exceeded"):
		return Verdict{State: Skipped, Signature: "larger than the scanner takes"}, nil
	}
	return Verdict{}, fmt.Errorf("%w: it answers %q", ErrScanner, answer)
}

// ask sends a command, and content if there is any, and returns the answer.
func (c *Clamd) ask(ctx context.Context, command string, content io.Reader) (answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	dialer := net.Dialer{Timeout: dialing}
	conn, err := dialer.DialContext(ctx, c.network, c.address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrScanner, err)
	}
	defer func() { _ = conn.Close() }() // the answer is there, or it is too late
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err = io.WriteString(conn, "z"+command+"\x00")
	var reading error
	if err == nil && content != nil {
		reading, err = send(conn, content)
	}
	if reading != nil {
		return "", fmt.Errorf("read what is to be scanned: %w", reading)
	}
	// What was said before the connection was closed may explain why it was.
	answer, readErr := bufio.NewReader(io.LimitReader(conn, longestAnswer)).ReadString(0)
	if readErr != nil {
		return "", fmt.Errorf("%w: %w", ErrScanner, errors.Join(ctx.Err(), err, readErr))
	}
	return strings.TrimRight(answer, "\x00\n"), nil
}

// send sends content piece by piece, each behind its length, and a length of nothing at the end.
func send(conn net.Conn, content io.Reader) (reading, writing error) {
	buffer := make([]byte, 4+piece)
	for {
		n, err := io.ReadFull(content, buffer[4:])
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return err, nil
		}
		if n > 0 {
			binary.BigEndian.PutUint32(buffer, uint32(n)) // at most piece
			if _, err := conn.Write(buffer[:4+n]); err != nil {
				return nil, err
			}
		}
		if ended {
			_, err := conn.Write(make([]byte, 4))
			return nil, err
		}
	}
}
