// Command careline is the Careline server and its tools.
//
// It exits with 0 on success, 1 when something failed while running, 2 when the
// command line or the configuration is wrong, and 128 and the signal's number
// when a second signal ended it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"careline/internal/redact"
)

const (
	exitFailure = 1
	exitUsage   = 2
	exitSignal  = 128 // and the number of the second signal, as shells say it
)

type commands struct {
	Serve       serveCommand   `cmd:"" default:"withargs" help:"Run the server (the default)."`
	Token       tokenCommand   `cmd:"" help:"Print a token that lets somebody in."`
	Backup      backupCommand  `cmd:"" help:"Write backups of what the server keeps, while it runs or not."`
	Restore     restoreCommand `cmd:"" help:"Make what the server keeps anew from backups."`
	Verify      verifyCommand  `cmd:"" help:"Check that what is kept is what was written."`
	CheckConfig checkCommand   `cmd:"" help:"Print the configuration in effect without its secrets, or all that is wrong with it."`
	Version     versionCommand `cmd:"" help:"Print the version."`
}

// process is what a command takes from the process that it runs in.
type process struct {
	stdout, stderr io.Writer
	environ        []string
}

// usageError makes the process exit with exitUsage.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }

func (e usageError) Unwrap() error { return e.err }

func main() {
	os.Exit(run(os.Args[1:], &process{os.Stdout, os.Stderr, os.Environ()}))
}

func run(args []string, p *process) int {
	parser, err := kong.New(new(commands),
		kong.Name("careline"),
		kong.Description("Careline is a server for audio, video and text calls that speaks LiveKit's protocol."),
		kong.Writers(p.stdout, p.stderr),
		kong.UsageOnError(),
		kong.Bind(p),
	)
	if err != nil {
		fmt.Fprintln(p.stderr, "careline:", err)
		return exitFailure
	}
	chosen, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(p.stderr, "careline: %v\nTry: careline --help\n", err)
		return exitUsage
	}
	if err := chosen.Run(); err != nil {
		fmt.Fprintln(p.stderr, "careline:", redact.Text(err.Error()))
		if _, ok := errors.AsType[usageError](err); ok {
			return exitUsage
		}
		return exitFailure
	}
	return 0
}
