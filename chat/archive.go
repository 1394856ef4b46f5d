package chat

import (
	"archive/zip"
	"compress/flate"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"careline/internal/audit"
	"careline/internal/errs"
	"careline/internal/seal"
)

// filesFolder is where attachments are in an archive.
const filesFolder = "files/"

// entry is a file of an archive that is to be written.
type entry struct {
	manifestFile
	write func(context.Context, io.Writer) error
}

// made is a text that is made twice, first for its hash, so that large ones are not kept until they are written. It has to be the same then.
func made(name string, write func(io.Writer) error) (entry, error) {
	sum, size := sha256.New(), new(counter)
	err := write(io.MultiWriter(sum, size))
	return entry{
		manifestFile{Name: name, Size: int64(*size), SHA256: hex.EncodeToString(sum.Sum(nil))},
		func(_ context.Context, w io.Writer) error { return write(w) },
	}, err
}

// counter counts what is written.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// archive is an archive that is to be written: its files, and what its manifest says besides.
type archive struct {
	Manifest
	entries []entry
}

func (a *archive) add(name string, write func(io.Writer) error) error {
	e, err := made(name, write)
	a.entries = append(a.entries, e)
	return err
}

// addFiles adds the attachments of messages, each once. One that nobody may read, or that is gone, is left out, and the manifest says so.
func (s *Service) addFiles(ctx context.Context, a *archive, folder string, list []ExportedMessage) error {
	known := make(map[string]bool)
	for i := range list {
		for n, file := range list[i].Attachments {
			if known[file.ID] {
				continue
			}
			known[file.ID] = true
			name, content, err := s.cfg.Files.Content(ctx, file.ID)
			if reason := whyWithout(err); reason != "" {
				a.LeftOut = append(a.LeftOut, leftOut{file.ID, file.Name, reason})
				continue
			}
			if err != nil {
				return err
			}
			a.entries = append(a.entries, entry{
				manifestFile{
					Name: fmt.Sprintf("%s%d-%d-%s", folder, list[i].Seq, n+1, name), Size: content.Size(), SHA256: hex.EncodeToString(content.Sum()),
					Attachment: file.ID,
				},
				func(ctx context.Context, w io.Writer) error { return s.copyFile(ctx, file.ID, w) },
			})
			if err := content.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyFile writes an attachment, a chunk at a time.
func (s *Service) copyFile(ctx context.Context, file string, w io.Writer) error {
	_, content, err := s.cfg.Files.Content(ctx, file)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // it was read only
	_, err = io.Copy(w, content)
	return err
}

// handOut signs what is in an archive, and writes to the audit that it is handed out, with the hash of the manifest, which has all others.
func (s *Service) handOut(ctx context.Context, a *archive, record audit.Entry) (*Handout, error) {
	manifest, signature, err := a.sign(s.cfg.Vault.Signer)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(manifest)
	record.Detail = map[string]string{"format": string(AsZIP), "manifest_sha256": hex.EncodeToString(sum[:])}
	h := &Handout{write: func(ctx context.Context, w io.Writer) error { return a.write(ctx, w, manifest, signature) }}
	for _, e := range a.entries {
		h.Size += e.Size
	}
	return h, s.exported(ctx, record)
}

// sign makes the manifest and its signature.
func (a *archive) sign(by *seal.Signer) (manifest, signature []byte, err error) {
	m := a.Manifest
	m.PublicKey = by.Public()
	for _, e := range a.entries {
		m.Files = append(m.Files, e.manifestFile)
	}
	if manifest, err = json.MarshalIndent(m, "", " "); err != nil {
		return nil, nil, fmt.Errorf("write a manifest: %w", err)
	}
	if len(manifest) > largestManifest {
		return nil, nil, errs.Errorf(errs.Limit, "%d files are too many for one archive", len(a.entries))
	}
	return manifest, by.Sign(manifest), nil
}

// write writes the files, and last the manifest and its signature. Compression is as fast as it can be: most attachments are compressed already.
func (a *archive) write(ctx context.Context, w io.Writer, manifest, signature []byte) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	put := func(name string, write func(context.Context, io.Writer) error) error {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: a.ExportedAt.Truncate(time.Second)})
		if err == nil {
			err = write(ctx, f)
		}
		return err
	}
	for _, e := range a.entries {
		if err := put(e.Name, e.write); err != nil {
			return fmt.Errorf("%s: %w", e.Attachment, err)
		}
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{manifestName, manifest}, {signatureName, signature}} {
		if err := put(f.name, func(_ context.Context, w io.Writer) error { _, err := w.Write(f.content); return err }); err != nil {
			return err
		}
	}
	return z.Close()
}
