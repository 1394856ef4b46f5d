package server

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"careline/configs"
	"careline/internal/blob"
	"careline/internal/store"
)

// secretFile in data_dir holds a secret of the running server, made at each start. Who can read it may have what else is in that folder.
const secretFile = "admin.secret"

func writeSecret(dir string) (secret string, err error) {
	path := filepath.Join(dir, secretFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	secret = rand.Text()
	_, err = f.WriteString(secret + "\n")
	return secret, errors.Join(err, f.Close())
}

// serveBackup answers with what save writes, to who knows the secret. A backup that fails on the way breaks the connection off; what has
// arrived then says that it is not whole when it is read.
func (s *Server) serveBackup(what string, save func(context.Context, io.Writer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(s.storage.secret)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "expected the secret in data_dir/"+secretFile+" as bearer token; careline backup sends it", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "careline-"+what+".backup"))
		if err := save(r.Context(), &extending{w, http.NewResponseController(w)}); err != nil {
			s.log.Error("a backup failed", "of", what, "error", err)
			panic(http.ErrAbortHandler)
		}
		s.log.Info("a backup was taken", "of", what)
	}
}

// backupData writes a backup of the running server's data.
func (s *Server) backupData(ctx context.Context, w io.Writer) error {
	defer s.chats.blobs.Pause()()
	return archive(ctx, s.storage.dir, w, func(w io.Writer) (kept []blob.ID, err error) {
		err = s.storage.db.Backup(ctx, w, func(tx *store.Tx) error { kept = blob.Kept(tx); return nil })
		return kept, err
	})
}

// backupKeys writes a backup of the running server's keys, each as it is: under the master key.
func (s *Server) backupKeys(ctx context.Context, w io.Writer) error {
	return s.storage.keys.Backup(ctx, w)
}

// extending puts the deadline off with each write: a large answer may take
// long, a reader that does not read may not.
type extending struct {
	io.Writer
	control *http.ResponseController
}

func (e *extending) Write(b []byte) (int, error) {
	if err := e.control.SetWriteDeadline(time.Now().Add(adminWriteTimeout)); err != nil {
		return 0, fmt.Errorf("put the deadline off: %w", err)
	}
	return e.Writer.Write(b)
}

// Backup writes a backup of what a configuration's data_dir keeps, without the keys. If a server runs there, it is asked for it at admin.address.
func Backup(ctx context.Context, cfg *configs.Config, w io.Writer) error {
	db, err := store.OpenUnused(StorePath(cfg.DataDir))
	if err != nil {
		return askInstead(ctx, cfg, "/backup", w, err)
	}
	err = archive(ctx, cfg.DataDir, w, func(w io.Writer) (kept []blob.ID, err error) {
		err = db.Backup(ctx, w, func(tx *store.Tx) error { kept = blob.Kept(tx); return nil })
		return kept, err
	})
	return errors.Join(err, db.Close())
}

// BackupKeys writes a backup of the keys of a configuration's data_dir, each under the master key, which is not in it.
func BackupKeys(ctx context.Context, cfg *configs.Config, w io.Writer) error {
	db, err := store.OpenUnused(KeyPath(cfg.DataDir))
	if err != nil {
		return askInstead(ctx, cfg, "/backup/keys", w, err)
	}
	return errors.Join(db.Backup(ctx, w), db.Close())
}

// askInstead asks the running server when that is why a file cannot be read.
func askInstead(ctx context.Context, cfg *configs.Config, path string, w io.Writer, err error) error {
	if !errors.Is(err, store.ErrInUse) {
		return err
	}
	if cfg.Admin.Address == "" {
		return fmt.Errorf("%w; set admin.address, so that the running server can be asked for the backup, or stop it", err)
	}
	return askForBackup(ctx, cfg, path, w)
}

func askForBackup(ctx context.Context, cfg *configs.Config, path string, w io.Writer) error {
	secret, err := os.ReadFile(filepath.Join(cfg.DataDir, secretFile))
	if err != nil {
		return fmt.Errorf("read the running server's secret: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+cfg.Admin.Address+path, nil)
	if err != nil {
		return fmt.Errorf("ask the running server: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(secret)))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // without a proxy
	res, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("ask the running server: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the running server: %s answers %s", cfg.Admin.Address, res.Status)
	}
	if _, err := io.Copy(w, res.Body); err != nil {
		return fmt.Errorf("receive the backup: %w", err)
	}
	return nil
}
