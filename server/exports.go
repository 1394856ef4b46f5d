package server

import (
	"archive/zip"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"careline/chat"
	"careline/configs"
	"careline/internal/audit"
	"careline/internal/seal"
)

// masterPath returns where the master key of a data_dir is.
func masterPath(cfg *configs.Config, dir string) string {
	if cfg.Seal.KeyFile != "" {
		return cfg.Seal.KeyFile
	}
	return filepath.Join(dir, masterFile)
}

// publicKey reads a server's public key, in base64; empty: that of the configuration's own master key.
func publicKey(cfg *configs.Config, public string) (ed25519.PublicKey, error) {
	key, err := base64.StdEncoding.DecodeString(public)
	if err != nil || public != "" && len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("the public key is not %d bytes in base64", ed25519.PublicKeySize)
	}
	if public != "" {
		return key, nil
	}
	path := masterPath(cfg, cfg.DataDir)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("verify an export: %w", err)
	}
	master, _, err := seal.ReadMaster(path)
	if err != nil {
		return nil, err
	}
	signer, err := seal.NewSigner(master)
	if err != nil {
		return nil, err
	}
	return signer.Public(), nil
}

// VerifyAuditExport checks an exported audit against a server's public key, as VerifyExport an archive.
func VerifyAuditExport(cfg *configs.Config, file, public string) (records uint64, err error) {
	key, err := publicKey(cfg, public)
	if err != nil {
		return 0, err
	}
	f, err := os.Open(file)
	if err != nil {
		return 0, fmt.Errorf("verify an export: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	return audit.VerifyExport(f, key)
}

// VerifyExport checks an exported archive against a server's public key, in base64; empty: that of the configuration's own master key.
func VerifyExport(cfg *configs.Config, file, public string) (m chat.Manifest, err error) {
	key, err := publicKey(cfg, public)
	if err != nil {
		return m, err
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		return m, fmt.Errorf("verify an export: %w", err)
	}
	defer func() { _ = z.Close() }() // only read
	return chat.VerifyArchive(&z.Reader, key)
}
