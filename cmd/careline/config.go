package main

import (
	"errors"
	"fmt"
	"strings"

	"careline/configs"
)

// configFlags say which configuration a command works by.
type configFlags struct {
	Config string `help:"Configuration file (YAML). Every key, its default and what it does: careline check-config --manual." placeholder:"FILE" type:"path" env:"CARELINE_CONFIG"`
	Dev    bool   `help:"For a developer's own machine: key devkey with secret \"secret\", loopback candidates, localhost only unless TLS is on."`
}

func (f configFlags) load(p *process, flags ...configs.Flag) (*configs.Config, error) {
	c, err := configs.Load(configs.LoadOptions{File: f.Config, Dev: f.Dev, Environ: p.environ, Flags: flags})
	if err != nil {
		return c, usageError{wrong(configs.Problems(err))}
	}
	return c, nil
}

// wrong lists problems, one in a line.
func wrong(problems []error) error {
	var b strings.Builder
	b.WriteString("the configuration is wrong:")
	for _, problem := range problems {
		fmt.Fprintf(&b, "\n  %v", problem)
	}
	return errors.New(b.String())
}

type checkCommand struct {
	configFlags
	Manual bool `help:"Print every key, its default and what it does, and nothing else."`
}

// Run prints the configuration in effect, or the manual.
func (c *checkCommand) Run(p *process) error {
	if c.Manual {
		_, err := p.stdout.Write(configs.Manual)
		return err
	}
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	text, err := cfg.YAML()
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings {
		fmt.Fprintln(p.stderr, "careline: warning:", w)
	}
	_, err = p.stdout.Write(text)
	return err
}
