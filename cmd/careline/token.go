package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"

	"careline/configs"
	"careline/internal/auth"
	"careline/internal/clock"
	"careline/server"
)

type tokenCommand struct {
	configFlags
	Key string `help:"API key that signs; default: the first of the configuration." placeholder:"ID"`

	Identity  string            `help:"Who it is for; unique in the room." placeholder:"ID"`
	Name      string            `help:"Name that others see."`
	Room      string            `help:"Room that it lets into."`
	TTL       time.Duration     `name:"ttl" default:"6h" help:"How long it is valid; default 6h."`
	Kind      string            `default:"standard" enum:"standard,ingress,egress,sip,agent" help:"What it is for: ${enum}."`
	Metadata  string            `help:"Metadata of the participant."`
	Attribute map[string]string `help:"Attribute of the participant; may be repeated." placeholder:"NAME=VALUE"`

	CanPublish           *bool    `negatable:"" help:"May publish tracks; default yes."`
	CanSubscribe         *bool    `negatable:"" help:"May see and hear others; default yes."`
	CanPublishData       *bool    `negatable:"" help:"May send data and text; default as --can-publish."`
	CanUpdateOwnMetadata *bool    `negatable:"" help:"May change own name, metadata and attributes; default no."`
	Source               []string `enum:"camera,microphone,screen_share,screen_share_audio" help:"May publish only this: ${enum}. May be repeated."`
	Hidden               bool     `help:"Others do not see the participant."`
	Recorder             bool     `help:"The participant records the room."`

	Admin  bool `help:"May manage the room named by --room."`
	Create bool `help:"May create and delete rooms."`
	List   bool `help:"May list rooms."`
	Record bool `help:"May record rooms."`

	Permission   []string `help:"What its holder may do in conversations, such as chat:read: docs/chat.md lists them. May be repeated." placeholder:"NAME"`
	Conversation string   `help:"The only conversation that --permission is for." placeholder:"ID"`

	Link bool   `help:"Print a link to the call page, or with --conversation alone to the chat page, not the bare token."`
	URL  string `name:"url" default:"http://localhost:7880" help:"Server that --link leads to; default ${default}." placeholder:"URL"`
}

// Run prints the token or link.
func (c *tokenCommand) Run(p *process) error {
	grants, err := c.grants()
	if err != nil {
		return usageError{err}
	}
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return usageError{errors.New("--url: expected http://host:port or https://host:port")}
	}
	cfg, keys, err := c.loadKeys(p)
	if err != nil {
		return err
	}
	if most := cfg.Tokens.MaxLifetime; most > 0 && c.TTL > most {
		return usageError{fmt.Errorf("--ttl: got %v, expected at most %v, the server's tokens.max_lifetime", c.TTL, most)}
	}
	id := c.Key
	if id == "" {
		id = keys.Signer()
	} else if !slices.Contains(keys.IDs(), id) {
		return usageError{fmt.Errorf("--key: got %q, expected one of %s", id, strings.Join(keys.IDs(), ", "))}
	}
	if id == "" {
		return usageError{errors.New("no API key of the configuration has a secret to sign with")}
	}
	token, err := auth.NewMinter(keys, clock.Real{}).MintWith(id, grants, c.rights(), c.TTL)
	if err != nil {
		return usageError{err}
	}
	if c.Link {
		page := "/call"
		if c.Room == "" {
			page = "/chat"
		}
		token = strings.TrimSuffix(c.URL, "/") + page + "#token=" + token
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}

// loadKeys reads the configuration for its keys only: whoever mints tokens
// need not be able to read the server's certificate.
func (c *tokenCommand) loadKeys(p *process) (*configs.Config, *auth.Keys, error) {
	cfg, err := configs.Load(configs.LoadOptions{File: c.Config, Dev: c.Dev, Environ: p.environ})
	if problems := concerning(err, "keys", "tokens"); len(problems) > 0 {
		return nil, nil, usageError{wrong(problems)}
	}
	keys, err := server.NewKeys(cfg.Keys)
	return cfg, keys, err
}

// rights are those in conversations.
func (c *tokenCommand) rights() auth.Rights {
	r := auth.Rights{Permissions: slices.Compact(slices.Sorted(slices.Values(c.Permission)))}
	if c.Conversation != "" {
		r.Scope = &auth.Scope{Conversation: c.Conversation}
	}
	return r
}

func (c *tokenCommand) grants() (*lkauth.ClaimGrants, error) {
	switch {
	case c.Room == "" && !c.Create && !c.List && !c.Record && len(c.Permission) == 0:
		return nil, errors.New("expected --room, --permission, or a grant for the server: --create, --list, --record")
	case len(c.Permission) > 0 && c.Identity == "":
		return nil, errors.New("--permission: expected --identity too, in whose name things are done")
	case len(c.Permission) == 0 && c.Conversation != "":
		return nil, errors.New("--conversation: expected --permission too")
	case c.Room == "" && c.Admin:
		return nil, errors.New("--admin: expected --room too")
	case c.Room == "" && c.Conversation == "" && c.Link:
		return nil, errors.New("--link: expected --room or --conversation too")
	case c.Room != "" && c.Identity == "" && (c.Link || !c.Admin):
		return nil, errors.New("expected --identity, since --room lets somebody in")
	case c.TTL < time.Second:
		return nil, fmt.Errorf("--ttl: got %v, expected at least 1s", c.TTL)
	}
	grants := &lkauth.ClaimGrants{
		Identity:   c.Identity,
		Name:       c.Name,
		Metadata:   c.Metadata,
		Attributes: c.Attribute,
		Video: &lkauth.VideoGrant{
			RoomJoin:             c.Room != "" && c.Identity != "",
			Room:                 c.Room,
			RoomAdmin:            c.Admin,
			RoomCreate:           c.Create,
			RoomList:             c.List,
			RoomRecord:           c.Record,
			CanPublish:           c.CanPublish,
			CanSubscribe:         c.CanSubscribe,
			CanPublishData:       c.CanPublishData,
			CanPublishSources:    c.Source,
			CanUpdateOwnMetadata: c.CanUpdateOwnMetadata,
			Hidden:               c.Hidden,
			Recorder:             c.Recorder,
		},
	}
	if kind := livekit.ParticipantInfo_Kind_value[strings.ToUpper(c.Kind)]; kind != 0 {
		grants.SetParticipantKind(livekit.ParticipantInfo_Kind(kind))
	}
	return grants, nil
}
