package signal

import (
	"net/http"
	"path"

	lkauth "github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"github.com/twitchtv/twirp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"careline/internal/auth"
)

// laterService is a service of LiveKit that this server does not have: it checks who asks, as it will when it is there, and says what to do.
type laterService struct {
	name    string
	methods protoreflect.MethodDescriptors
	allowed func(*auth.Claims) bool
	text    string
}

func laterServices() []*laterService {
	service := func(file protoreflect.FileDescriptor, name protoreflect.Name, allowed func(*auth.Claims) bool, text string) *laterService {
		d := file.Services().ByName(name)
		return &laterService{name: string(d.FullName()), methods: d.Methods(), allowed: allowed, text: text}
	}
	video := func(allowed func(*lkauth.VideoGrant) bool) func(*auth.Claims) bool {
		return func(c *auth.Claims) bool { return c.Video != nil && allowed(c.Video) }
	}
	return []*laterService{
		service(livekit.File_livekit_egress_proto, "Egress", video(func(g *lkauth.VideoGrant) bool { return g.RoomRecord }),
			"recordings are not offered yet; the built-in recorder, which writes tracks as they are, will serve this"),
		service(livekit.File_livekit_ingress_proto, "Ingress", video(func(g *lkauth.VideoGrant) bool { return g.IngressAdmin }),
			"ingress is not offered; publish with a client SDK"),
		service(livekit.File_livekit_sip_proto, "SIP", func(c *auth.Claims) bool { return c.Grants.SIP != nil && (c.Grants.SIP.Admin || c.Grants.SIP.Call) },
			"telephony is not offered yet; the phone gateway will serve this"),
	}
}

func (s *laterService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch c := claimsOf(r.Context()); {
	case r.Method != http.MethodPost || s.methods.ByName(protoreflect.Name(path.Base(r.URL.Path))) == nil:
		writeTwirp(w, twirp.BadRoute.Error("no such method"))
	case c == nil || !s.allowed(c):
		writeTwirp(w, errNotPermitted)
	default:
		writeTwirp(w, twirp.Unimplemented.Error(s.text))
	}
}
