// Command generate collects the licence texts of everything that is linked into
// the binary or bundled into the pages, and writes them where package notices
// embeds them. It fails when something has no licence text. Run it at the
// module's root.
package main

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	out := flag.String("o", "internal/notices/text/notices.txt.gz", "file to write, compressed")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	parts, err := collect(".")
	if err != nil {
		return err
	}
	var file bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&file, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err := write(compressed, parts); err != nil {
		return err
	}
	if err := compressed.Close(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err := os.WriteFile(out, file.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write notices: %w", err)
	}
	return nil
}

// collect returns everything that the module at root is made of.
func collect(root string) ([]part, error) {
	modules, err := goModules(root)
	if err != nil {
		return nil, err
	}
	packages, err := webPackages(root + "/web")
	if err != nil {
		return nil, err
	}
	return append(modules, packages...), nil
}

// write prints each licence once, under the names of all that come with it.
func write(w io.Writer, parts []part) error {
	if _, err := io.WriteString(w, heading); err != nil {
		return err
	}
	together := make(map[string][]part)
	var order []string
	for _, p := range parts {
		if len(together[p.text]) == 0 {
			order = append(order, p.text)
		}
		together[p.text] = append(together[p.text], p)
	}
	for _, text := range order {
		if _, err := fmt.Fprintf(w, "\n%s\n", rule); err != nil {
			return err
		}
		for _, p := range together[text] {
			if _, err := fmt.Fprintf(w, "%s\n", p); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s\n\n%s\n", rule, text); err != nil {
			return err
		}
	}
	return nil
}

const heading = `Third-party notices

Careline contains the following software of others. Each comes under its own
licence, which follows its name.
`

const rule = "--------------------------------------------------------------------------------"
