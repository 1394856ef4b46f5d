package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	lkauth "github.com/livekit/protocol/auth"

	"careline/call"
	"careline/chat"
	"careline/internal/auth"
	"careline/internal/errs"
)

// Permission is what an operation asks of who calls it. LiveKit's grants map onto permissions; an API key, which can sign any grant, is the
// service role.
type Permission struct {
	Name  string // as documented
	About string
	grant func(*lkauth.VideoGrant) bool // nil: no grant gives it anywhere
	role  *call.Ability                 // by the role in the call of the path; nil: no role gives it
	chat  []chat.Permission             // of the claim permissions, any of them; nil: it is about no chat
	claim chat.Permission               // of who is named for the call of the path; empty: no claim gives it
	open  bool                          // for everybody, without a token
}

func ability(a call.Ability) *call.Ability { return &a }

// The permissions.
var (
	Public     = Permission{Name: "public", About: "Needs no token.", open: true}
	CallCreate = Permission{Name: "call:create", About: "Grant roomCreate.", grant: func(g *lkauth.VideoGrant) bool { return g.RoomCreate }}
	CallsList  = Permission{Name: "call:list", About: "Grant roomList.", grant: func(g *lkauth.VideoGrant) bool { return g.RoomList }}
	CallRead   = Permission{Name: "call:read", About: "Grant roomList or roomCreate, or a place in the call (roomJoin for it, or roomAdmin, or `call:answer` in the token's claim permissions for who is named).",
		grant: func(g *lkauth.VideoGrant) bool { return g.RoomList || g.RoomCreate }, role: ability(call.Read), claim: chat.CallAnswer}
	CallReadAll = Permission{Name: "call:read-all", About: "Grant roomList or roomCreate, roomAdmin for the call, or the role of host or operator in it.",
		grant: func(g *lkauth.VideoGrant) bool { return g.RoomList || g.RoomCreate }, role: ability(call.ReadAll)}
	CallModerate = Permission{Name: "call:moderate", About: "Grant roomCreate, roomAdmin for the call, or the role of host or operator in it.",
		grant: func(g *lkauth.VideoGrant) bool { return g.RoomCreate }, role: ability(call.Moderate)}
	CallManage = Permission{Name: "call:manage", About: "Grant roomCreate, roomAdmin for the call, or the role of host in it.",
		grant: func(g *lkauth.VideoGrant) bool { return g.RoomCreate }, role: ability(call.Manage)}
	CallEnd = Permission{Name: "call:end", About: "Grant roomCreate, roomAdmin for the call, or the role of host or party in it.",
		grant: func(g *lkauth.VideoGrant) bool { return g.RoomCreate }, role: ability(call.End)}
	CallAnswer = Permission{Name: "call:answer", About: "A place in the call, and either a token with roomJoin for it, or `call:answer` in the token's claim permissions.",
		role: ability(call.Read), claim: chat.CallAnswer}
	CallTake = Permission{Name: "call:take-part", About: "A place in the call: a token with roomJoin for it.", role: ability(call.Read)}
)

// Caller is who asks.
type Caller struct {
	Claims   *auth.Claims
	Identity string
	Service  bool      // it has the permission by a grant, not by a role in the call
	Role     call.Role // in the call of the path, empty without one

	chat *chat.Caller // nil: not about a chat
}

// By is the caller as records name it.
func (c *Caller) By() string {
	if c.Identity != "" {
		return c.Identity
	}
	return "key " + c.Claims.APIKey
}

// May tells whether the caller has an ability in the call of the path.
func (c *Caller) May(a call.Ability) bool { return c.Service || c.Role.May(a) }

type callerKey struct{}

func callerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}

// guard lets requests with a permission through. It runs before the request's body is read, so that who may not ask learns nothing from it.
func (a *API) guard(need Permission) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if need.open {
			next(ctx)
			return
		}
		_, w := humago.Unwrap(ctx)
		claims, err := claimsOf(ctx.Context())
		if err != nil {
			refuse(w, newProblem(http.StatusUnauthorized, err.Error()))
			return
		}
		caller, err := a.allow(ctx.Context(), claims, need, ctx.Param("callId"))
		if err != nil {
			p := asProblem(err)
			if p.Status == http.StatusInternalServerError {
				a.log.Error("look at who asks", "operation", ctx.Operation().OperationID, "request", requestIDOf(ctx.Context()), "error", err)
			}
			refuse(w, p)
			return
		}
		next(huma.WithValue(ctx, callerKey{}, caller))
	}
}

var errForbidden = errs.New(errs.Denied, "the token does not give this right")

// allow decides. A call that the caller has no part in is as if it were not there.
func (a *API) allow(ctx context.Context, claims *auth.Claims, need Permission, callID string) (*Caller, error) {
	if need.chat != nil {
		return allowChat(claims, need)
	}
	c := &Caller{Claims: claims, Identity: claims.Identity}
	grant := claims.Video
	if grant == nil {
		grant = &lkauth.VideoGrant{}
	}
	if need.grant != nil && need.grant(grant) {
		c.Service = true
		return c, nil
	}
	if callID == "" {
		return nil, errForbidden
	}
	switch {
	case need.claim != "" && grant.Room != callID && chatCaller(claims).May(need.claim):
		return c, a.named(ctx, c, callID)
	case grant.RoomAdmin && grant.Room == callID:
		c.Role = call.Host
		if (need.Name == CallTake.Name || need.Name == CallAnswer.Name) && !grant.RoomJoin {
			return nil, errForbidden
		}
	case grant.RoomJoin && grant.Room == callID && c.Identity != "":
		switch p, err := a.calls.Participant(ctx, callID, c.Identity); {
		case err == nil && p.Standing == call.Waiting:
			return nil, call.ErrWaiting
		case err == nil:
			c.Role = p.Role
		case errors.Is(err, call.ErrNoParticipant):
			if c.Role, err = a.strangerIn(ctx, callID); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
		if banned, err := a.calls.Banned(ctx, callID, c.Identity); err != nil || banned {
			return nil, orNoCall(err)
		}
	default:
		return nil, call.ErrNoCall
	}
	if need.role == nil || !c.Role.May(*need.role) {
		return nil, errForbidden
	}
	return c, nil
}

// named gives who is named for a call its role. A claim for one conversation counts in its calls only.
func (a *API) named(ctx context.Context, c *Caller, callID string) error {
	p, err := a.calls.Participant(ctx, callID, c.Identity)
	if err != nil {
		return orNoPlace(err)
	}
	c.Role = p.Role
	if scope := c.Claims.Scope; scope != nil {
		if in, _, err := a.calls.Conversation(ctx, callID); err != nil || in != scope.Conversation {
			return orNoCall(err)
		}
	}
	return nil
}

// orNoPlace does not tell who has no place in a call that there is one.
func orNoPlace(err error) error {
	if errors.Is(err, call.ErrNoParticipant) {
		return call.ErrNoCall
	}
	return err
}

func orNoCall(err error) error {
	if err == nil {
		return call.ErrNoCall
	}
	return err
}

// strangerIn is the role of somebody with a token for the call whom nobody named.
func (a *API) strangerIn(ctx context.Context, callID string) (call.Role, error) {
	c, err := a.calls.Get(ctx, callID)
	if err != nil {
		return "", err
	}
	if c.Kind == call.Direct {
		return "", call.ErrNoCall
	}
	return c.Kind.Stranger(), nil
}

// allPermissions is what the description lists.
var allPermissions = slices.Concat([]Permission{Public, anyToken, ownSession, tokenRevoke, CallCreate, CallsList, CallRead, CallReadAll, CallModerate, CallManage, CallEnd, CallTake, CallAnswer, WebhookAdmin}, chatPermissions)
