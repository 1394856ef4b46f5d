package call

import (
	"context"
	"time"

	lkauth "github.com/livekit/protocol/auth"

	"careline/internal/errs"
	"careline/internal/names"
	"careline/internal/store"
)

const (
	maxNamed    = 1000
	maxTitle    = 200 // characters
	maxLinks    = 16
	maxLinkSize = 256 // bytes of a link's name, and of its value
	usualLife   = 24 * time.Hour
	longestLife = 30 * 24 * time.Hour
	usualToken  = 6 * time.Hour
)

// Person is somebody who is named for a call.
type Person struct {
	Identity string
	Name     string
	Role     Role // empty: that of a stranger
}

// NewCall is what a call is made from.
type NewCall struct {
	Kind        Kind
	Title       string
	Links       map[string]string
	People      []Person
	Locked      bool
	WaitingRoom bool
	Life        time.Duration // until nobody can join any more; 0: a day

	Conversation string // that the call belongs to; empty: one that is made with it
	NoChat       bool   // it has none

	Ring    time.Duration // for how long it rings for those who are named; 0: it does not
	Passing bool          // it ends when nobody is in it any more; one that rings always does
}

// Creator is who makes a call: an API key, and the identity in the token that it signed, if any.
type Creator struct{ APIKey, Identity string }

// Joining is a person's way into a call.
type Joining struct {
	Participant Participant
	Token       string
	TokenUntil  time.Time
}

// Create makes a call and a token for each of its people. It does not make the room: the first who joins does.
func (s *Service) Create(ctx context.Context, n NewCall, by Creator) (Call, []Joining, error) {
	people, err := n.check()
	if err != nil {
		return Call{}, nil, err
	}
	c, err := s.newCall(&n, people, by)
	if err != nil {
		return Call{}, nil, err
	}
	known := []string{c.by()}
	for _, p := range people {
		known = append(known, p.Identity)
	}
	if err := s.makeKeys(ctx, c.ID, known...); err != nil {
		return Call{}, nil, err
	}
	var replaced Call
	err = s.begin(ctx, &n, people, c.by(), func(tx *store.Tx, conversation string) (err error) {
		c.Conversation, replaced = conversation, Call{}
		if conversation != "" {
			if replaced, err = s.tie(tx, &c); err != nil {
				return err
			}
		}
		return s.insert(tx, &c, people, n.Ring)
	})
	if err != nil {
		return Call{}, nil, err
	}
	s.look()
	if err := s.clear(ctx, &replaced); err != nil {
		return Call{}, nil, err
	}
	joining := make([]Joining, 0, len(people))
	for _, p := range people {
		j, err := s.joining(&c, p.invited(&c))
		if err != nil {
			return Call{}, nil, err
		}
		joining = append(joining, j)
	}
	s.cfg.Logger.Info("call created", "call", c.ID, "kind", string(c.Kind), "people", len(people))
	return c, joining, nil
}

// newCall is the record of a new call, which is not written.
func (s *Service) newCall(n *NewCall, people []Person, by Creator) (c Call, err error) {
	now := s.cfg.Clock.Now().UTC()
	life := n.Life
	if life == 0 {
		life = usualLife
	}
	c = Call{
		ID: newID("call-"), Kind: n.Kind, Title: n.Title, Links: n.Links, Conversation: n.Conversation, Locked: n.Locked, WaitingRoom: n.WaitingRoom,
		CreatedAt: now, CreatedBy: by.APIKey, APIKey: by.APIKey, ExpiresAt: now.Add(life), Passing: n.Passing || n.Ring > 0,
	}
	if by.Identity != "" {
		c.CreatedBy += "/" + by.Identity
	}
	c.Caller, err = n.rings(people, by.Identity)
	return c, err
}

// check holds a new call to the rules of its kind and returns its people with their roles.
func (n *NewCall) check() ([]Person, error) {
	switch {
	case !n.Kind.Valid():
		return nil, errs.New(errs.Invalid, "kind is none of direct, conference, broadcast")
	case n.Life < 0 || n.Life > longestLife:
		return nil, errs.Errorf(errs.Invalid, "a call lasts %d days at most", longestLife/(24*time.Hour))
	case n.WaitingRoom && n.Kind != Conference:
		return nil, errs.New(errs.Invalid, "only a conference has a waiting room")
	case len(n.People) > maxNamed:
		return nil, errs.Errorf(errs.Invalid, "more than %d people are named", maxNamed)
	case n.NoChat && n.Conversation != "":
		return nil, errs.New(errs.Invalid, "a call without chat has no conversation")
	case n.Kind == Direct && len(n.People) > 2:
		return nil, errs.New(errs.Invalid, "a direct call is between two people")
	}
	if err := checkTitle(n.Title); err != nil {
		return nil, err
	}
	if err := checkLinks(n.Links); err != nil {
		return nil, err
	}
	people := make([]Person, len(n.People))
	known := make(map[string]bool, len(n.People))
	for i, p := range n.People {
		if err := p.check(n.Kind); err != nil {
			return nil, err
		}
		if known[p.Identity] {
			return nil, errs.New(errs.Invalid, "an identity is named twice")
		}
		known[p.Identity] = true
		people[i] = p
	}
	return people, nil
}

// check cleans a person's name and gives who has no role that of a stranger.
func (p *Person) check(k Kind) error {
	if p.Role == "" {
		p.Role = k.Stranger()
	}
	p.Name = names.Visible(p.Name)
	switch {
	case p.Identity == "" || !names.Safe(p.Identity):
		return errs.New(errs.Invalid, "an identity is empty, too long or has control characters")
	case !names.Fits(p.Name):
		return errs.New(errs.Invalid, "a name is too long")
	case !k.Has(p.Role):
		return errs.Errorf(errs.Invalid, "a %s call has no such role", k)
	}
	return nil
}

// insert writes a new call, which begins to ring if it is to.
func (s *Service) insert(tx *store.Tx, c *Call, people []Person, ring time.Duration) error {
	if ring > 0 {
		c.RingUntil = c.CreatedAt.Add(ring)
	}
	if c.Passing {
		c.EmptyAt = c.CreatedAt
	}
	if err := s.putCall(tx, *c); err != nil {
		return err
	}
	for _, p := range people {
		if err := s.putParticipant(tx, c.ID, p.invited(c)); err != nil {
			return err
		}
	}
	if ring == 0 {
		return nil
	}
	return s.ring(tx, c, people)
}

// invited is the person's place in a new call.
func (p *Person) invited(c *Call) Participant {
	place := Participant{Identity: p.Identity, Name: p.Name, Role: p.Role, Named: true, Standing: Invited, Since: c.CreatedAt}
	if !c.RingUntil.IsZero() && p.Identity != c.Caller {
		place.Answer = Ringing
	}
	return place
}

func checkTitle(title string) error {
	if !names.Safe(title) || len([]rune(title)) > maxTitle {
		return errs.Errorf(errs.Invalid, "the title is longer than %d characters or has control characters", maxTitle)
	}
	return nil
}

func checkLinks(links map[string]string) error {
	if len(links) > maxLinks {
		return errs.Errorf(errs.Invalid, "more than %d links", maxLinks)
	}
	for k, v := range links {
		if k == "" || len(k) > maxLinkSize || len(v) > maxLinkSize || !names.Safe(k) || !names.Safe(v) {
			return errs.Errorf(errs.Invalid, "a link is empty, longer than %d bytes or has control characters", maxLinkSize)
		}
	}
	return nil
}

// Name adds a person to a call, or gives one another role or name, and returns its way in: who was banned can come back. Of a direct call, only a free
// place can be taken.
func (s *Service) Name(ctx context.Context, call string, p Person) (Joining, error) {
	var j Joining
	err := s.cfg.Log.Update(ctx, func(tx *store.Tx) error {
		c, err := s.open(tx, call)
		if err != nil {
			return err
		}
		if err := p.check(c.Kind); err != nil {
			return err
		}
		place, err := s.getParticipant(tx, call, p.Identity)
		switch {
		case errs.Is(err, errs.NotFound):
			if err := placeFree(tx, &c); err != nil {
				return err
			}
			place = Participant{Identity: p.Identity, Standing: Invited, Since: s.cfg.Clock.Now().UTC()}
		case err != nil:
			return err
		}
		place.Role, place.Named = p.Role, true
		if p.Name != "" {
			place.Name = p.Name
		}
		if j, err = s.joining(&c, place); err != nil {
			return err
		}
		if err := bans.Delete(tx, of{First: call, Second: p.Identity}); err != nil {
			return err
		}
		return s.putParticipant(tx, call, place)
	})
	return j, err
}

// open returns a call that can still be joined.
func (s *Service) open(tx *store.Tx, id string) (Call, error) {
	c, err := s.getCall(tx, id)
	if err == nil && c.Over(s.cfg.Clock.Now()) {
		err = ErrOver
	}
	return c, err
}

// placeFree tells whether one more person may be known of the call.
func placeFree(tx *store.Tx, c *Call) error {
	if c.Kind != Direct {
		return nil
	}
	n := 0
	for range participants.Scan(tx, store.Range[of]{In: ofCall.Of(c.ID)}) {
		n++
	}
	if n >= 2 {
		return ErrBetweenTwo
	}
	return nil
}

// joining mints the token by which a person joins. A host's may also use LiveKit's server API on the room.
func (s *Service) joining(c *Call, p Participant) (Joining, error) {
	now := s.cfg.Clock.Now()
	ttl := min(usualToken, c.ExpiresAt.Sub(now))
	if s.cfg.TokenTTL > 0 {
		ttl = min(ttl, s.cfg.TokenTTL)
	}
	publishes := p.Role.publishes() || p.MaySpeak
	grant := &lkauth.VideoGrant{RoomJoin: true, Room: c.ID, RoomAdmin: p.Role == Host}
	grant.SetCanPublish(publishes)
	grant.SetCanPublishData(true)
	grant.SetCanSubscribe(true)
	grant.SetCanUpdateOwnMetadata(true)
	token, err := s.cfg.Mint(c.APIKey, &lkauth.ClaimGrants{Identity: p.Identity, Name: p.Name, Video: grant}, c.rights(&p), ttl)
	return Joining{Participant: p, Token: token, TokenUntil: now.Add(ttl).UTC().Truncate(time.Second)}, err
}

// Token makes another token for somebody who is known of a call.
func (s *Service) Token(ctx context.Context, call, identity string) (j Joining, err error) {
	err = s.cfg.Log.View(ctx, func(tx *store.Tx) error {
		c, err := s.open(tx, call)
		if err != nil {
			return err
		}
		p, err := s.getParticipant(tx, call, identity)
		if err != nil {
			return err
		}
		if banned, err := bans.Has(tx, of{First: call, Second: identity}); err != nil || banned {
			return orBanned(err)
		}
		j, err = s.joining(&c, p)
		return err
	})
	return j, err
}

func orBanned(err error) error {
	if err == nil {
		return ErrBanned
	}
	return err
}
