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

// backup answers with everything that is in the store. A backup that fails on
// the way breaks the connection off; what has arrived then says that it is not
// whole when it is restored.
func (s *Server) backup(w http.ResponseWriter, r *http.Request) {
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(given), []byte(s.storage.secret)) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "expected the secret in data_dir/"+secretFile+" as bearer token; careline backup sends it", http.StatusUnauthorized)
		return
	}
	out := &extending{w, http.NewResponseController(w)}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="careline.backup"`)
	if err := s.storage.db.Backup(r.Context(), out); err != nil {
		s.log.Error("a backup failed", "error", err)
		panic(http.ErrAbortHandler)
	}
	s.log.Info("a backup was taken")
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

// Backup writes a backup of the store of a configuration's data_dir. If a server runs there, it is asked for it at admin.address.
func Backup(ctx context.Context, cfg *configs.Config, w io.Writer) error {
	err := store.BackupFile(ctx, StorePath(cfg.DataDir), w)
	if !errors.Is(err, store.ErrInUse) {
		return err
	}
	if cfg.Admin.Address == "" {
		return fmt.Errorf("%w; set admin.address, so that the running server can be asked for the backup, or stop it", err)
	}
	return askForBackup(ctx, cfg, w)
}

func askForBackup(ctx context.Context, cfg *configs.Config, w io.Writer) error {
	secret, err := os.ReadFile(filepath.Join(cfg.DataDir, secretFile))
	if err != nil {
		return fmt.Errorf("read the running server's secret: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+cfg.Admin.Address+"/backup", nil)
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
