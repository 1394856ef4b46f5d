package turn

import (
	"crypto/hmac"
	"crypto/md5" // the long-term key of RFC 8489 section 9.2.2
	"crypto/rand"
	"crypto/sha1" // the REST scheme that clients and other relays know
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"time"

	"careline/internal/clock"
)

const (
	// MaxLife is the longest life of credentials.
	MaxLife = time.Hour
	// leeway is how much later than it can be an expiry may lie.
	leeway = 10 * time.Second
	// maxUsername bounds what is taken for a username, in bytes.
	maxUsername = 128
)

// Credentials makes and checks the usernames and passwords of the relay: the
// username is `expiry:session`, the password its HMAC-SHA1 in base64. The
// secret is random and is replaced once it is older than the life of what it
// signed; its predecessor holds until those have expired.
type Credentials struct {
	// immutable
	life  time.Duration
	clock clock.Clock
	live  func(session string) bool

	mu sync.Mutex
	// guarded by mu
	current, previous []byte
	made              time.Time // current
}

// NewCredentials makes credentials that are good for life, at most MaxLife, and
// only while live says that their session exists. live is called from several
// goroutines and must not block.
func NewCredentials(life time.Duration, live func(session string) bool, c clock.Clock) *Credentials {
	if life <= 0 || life > MaxLife {
		life = MaxLife
	}
	return &Credentials{life: life, clock: c, live: live}
}

// Issue makes the credentials of a session.
func (c *Credentials) Issue(session string) (username, password string) {
	now := c.clock.Now()
	username = strconv.FormatInt(now.Add(c.life).Unix(), 10) + ":" + session
	return username, sign(c.secrets(now)[0], username)
}

// secrets returns the secrets that may have signed what is still valid, the
// newest first.
func (c *Credentials) secrets(now time.Time) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.made)
	switch {
	case c.current == nil || age > 2*c.life:
		c.current, c.previous, c.made = newSecret(), nil, now
	case age > c.life:
		c.current, c.previous, c.made = newSecret(), c.current, now
	}
	if c.previous == nil {
		return [][]byte{c.current}
	}
	return [][]byte{c.current, c.previous}
}

func newSecret() []byte {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return secret
}

func sign(secret []byte, username string) string {
	h := hmac.New(sha1.New, secret)
	h.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// session returns the session of a username that is valid now.
func (c *Credentials) session(username string, now time.Time) (string, bool) {
	expiry, session, ok := strings.Cut(username, ":")
	if !ok || session == "" || len(username) > maxUsername {
		return "", false
	}
	seconds, err := strconv.ParseInt(expiry, 10, 64)
	if err != nil || strconv.FormatInt(seconds, 10) != expiry {
		return "", false
	}
	left := time.Unix(seconds, 0).Sub(now)
	return session, left > 0 && left <= c.life+leeway && c.live(session)
}

// key returns the key with which a message was signed, if the username is valid
// now and the signature is right.
func (c *Credentials) key(m *message, realm string, now time.Time) (key []byte, session string, ok bool) {
	username := string(m.username)
	session, ok = c.session(username, now)
	if !ok {
		return nil, "", false
	}
	for _, secret := range c.secrets(now) {
		key := longTermKey(username, realm, sign(secret, username))
		if m.signedBy(key) {
			return key, session, true
		}
	}
	return nil, "", false
}

func longTermKey(username, realm, password string) []byte {
	sum := md5.Sum([]byte(username + ":" + realm + ":" + password))
	return sum[:]
}
