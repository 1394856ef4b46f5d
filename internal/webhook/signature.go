package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// secretPrefix begins secrets as Standard Webhooks shows them.
const secretPrefix = "whsec_"

func showSecret(raw []byte) string { return secretPrefix + base64.StdEncoding.EncodeToString(raw) }

// secrets opens those of a webhook that are valid now.
func (h *Hooks) secrets(ctx context.Context, one *Hook, now time.Time) (keys [][]byte, err error) {
	key, err := h.vault.Find(ctx, scopeOf(one.ID))
	if err != nil {
		return nil, fmt.Errorf("find the key of a webhook's secret: %w", err)
	}
	for _, s := range one.Secrets {
		if !s.Until.IsZero() && !now.Before(s.Until) {
			continue
		}
		raw, err := key.Open(s.Sealed, "secret")
		if err != nil {
			return nil, fmt.Errorf("open a webhook's secret: %w", err)
		}
		keys = append(keys, raw)
	}
	return keys, nil
}

// sign returns the header webhook-signature: one signature of id, time and body for each key.
func sign(keys [][]byte, id string, at int64, body []byte) string {
	list := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at, 10) + "."))
		mac.Write(body)
		list[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(list, " ")
}
