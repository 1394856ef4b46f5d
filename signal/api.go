package signal

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"

	"careline/internal/auth"
	"careline/internal/errs"
	"careline/sfu"
)

const (
	twirpPrefix = "/twirp/"
	maxRequest  = 1 << 20 // bytes of one request to a server API
)

// api serves LiveKit's server APIs: Twirp over HTTP, in JSON or protobuf.
type api struct {
	handler  *Handler
	services map[string]http.Handler // by name, "livekit.RoomService"
}

func newAPI(h *Handler, rooms *sfu.Manager, agents *agents) *api {
	options := []any{twirp.WithServerJSONSkipDefaults(false), twirp.WithServerJSONCamelCaseNames(false)}
	a := &api{handler: h, services: map[string]http.Handler{
		"livekit.RoomService":          livekit.NewRoomServiceServer(&roomService{rooms: rooms, agents: agents}, options...),
		"livekit.AgentDispatchService": livekit.NewAgentDispatchServiceServer(&dispatchService{rooms: rooms, agents: agents}, options...),
	}}
	for _, s := range laterServices() {
		a.services[s.name] = s
	}
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	clean := path.Clean("/" + r.URL.Path)
	name, _, _ := strings.Cut(strings.TrimPrefix(clean, twirpPrefix), "/")
	service := a.services[name]
	if service == nil {
		writeTwirp(w, twirp.BadRoute.Error("no such service"))
		return
	}
	claims, err := a.handler.cfg.Auth.Authenticate(r)
	if err != nil && !errors.Is(err, auth.ErrNoToken) {
		refuseTwirp(w, err)
		return
	}
	r = r.Clone(context.WithValue(r.Context(), claimsKey{}, claims))
	r.URL.Path = clean
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	service.ServeHTTP(w, r)
}

// refuseTwirp answers who could not be told who it is.
func refuseTwirp(w http.ResponseWriter, err error) {
	switch auth.StatusOf(err) {
	case http.StatusTooManyRequests:
		w.Header().Set("Retry-After", strconv.Itoa(auth.RetryAfter(err)))
		err = twirp.ResourceExhausted.Error(err.Error())
	case http.StatusForbidden:
		err = twirp.PermissionDenied.Error(err.Error())
	default:
		err = twirp.Unauthenticated.Error(err.Error())
	}
	writeTwirp(w, err)
}

func writeTwirp(w http.ResponseWriter, err error) {
	_ = twirp.WriteError(w, err) // the client may be gone, which is its right
}

type claimsKey struct{}

func claimsOf(ctx context.Context) *auth.Claims {
	c, _ := ctx.Value(claimsKey{}).(*auth.Claims)
	return c
}

// errNotPermitted is the answer to a missing token and to a missing grant alike, as LiveKit gives it.
var errNotPermitted = twirp.Unauthenticated.Error("permissions denied")

// may checks the grants of the request's token.
func may(ctx context.Context, allowed func(*lkauth.VideoGrant) bool) error {
	c := claimsOf(ctx)
	if c == nil || c.Video == nil || !allowed(c.Video) {
		return errNotPermitted
	}
	return nil
}

// mayAdminister checks that the token is for the administration of this very room; there is no wildcard.
func mayAdminister(ctx context.Context, room string) error {
	if err := may(ctx, func(g *lkauth.VideoGrant) bool { return g.RoomAdmin && g.Room == room }); err != nil {
		return err
	}
	if room == "" {
		return twirp.RequiredArgumentError("room")
	}
	return nil
}

var twirpCodes = map[errs.Kind]twirp.ErrorCode{
	errs.Invalid:     twirp.InvalidArgument,
	errs.Denied:      twirp.PermissionDenied,
	errs.NotFound:    twirp.NotFound,
	errs.Conflict:    twirp.FailedPrecondition,
	errs.Limit:       twirp.ResourceExhausted,
	errs.Unavailable: twirp.Unavailable,
}

// asTwirp is the one place where the engine's errors become codes. What went wrong inside stays inside.
func asTwirp(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return twirp.DeadlineExceeded.Error("it took too long")
	}
	if errors.Is(err, context.Canceled) {
		return twirp.Canceled.Error("the request was cancelled")
	}
	if code, known := twirpCodes[errs.KindOf(err)]; known {
		return code.Error(err.Error())
	}
	return twirp.Internal.Error("internal error")
}
