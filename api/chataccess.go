package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"careline/call"
	"careline/chat"
	"careline/internal/auth"
)

// inChat makes a permission out of those of the claim permissions, any one of which is enough. Whether the caller is in the conversation is
// looked at after it.
func inChat(about string, any ...chat.Permission) Permission {
	names := make([]string, len(any))
	for i, p := range any {
		names[i] = string(p)
	}
	text := fmt.Sprintf("`%s` in the token's claim permissions", strings.Join(names, "` or `"))
	if about != "" {
		text += ", " + about
	}
	return Permission{Name: names[0], About: text + ".", chat: any}
}

const inIt = "and a place in the conversation"

// The permissions of chats.
var (
	ChatCreate = Permission{
		Name: "chat:create", chat: []chat.Permission{chat.Create, chat.Broadcast, chat.BroadcastLiteral},
		About: "`chat:create` in the token's claim permissions; for a chat about a transaction `broadcast:create` or `SYSTEM_BROADCAST_CREATION_EXECUTOR` is enough.",
	}
	ChatManage    = Permission{Name: "chat:create (in it)", About: "`chat:create` in the token's claim permissions, " + inIt + ".", chat: []chat.Permission{chat.Create}}
	ChatList      = Permission{Name: "chat:read (own)", About: "`chat:read` in the token's claim permissions. Who asks sees the conversations that it is in.", chat: []chat.Permission{chat.Read}}
	ChatRead      = inChat(inIt, chat.Read)
	ChatWrite     = inChat(inIt, chat.Write)
	ChatEdit      = inChat(inIt+"; of others' messages `chat:edit:any`", chat.EditOwn, chat.EditAny)
	ChatDelete    = inChat(inIt+"; of others' messages `chat:delete:any`", chat.DeleteOwn, chat.DeleteAny)
	ChatDeleteAll = inChat(inIt, chat.DeleteWhole)
	ChatClose     = inChat(inIt, chat.Close)
	ChatJoin      = inChat("", chat.Join)
	ChatExport    = inChat(inIt, chat.Export)
	ChatCall      = Permission{Name: "call:create (in it)", About: "`call:create` in the token's claim permissions, " + inIt + ".", chat: []chat.Permission{chat.CallCreate}}
	ChatSearch    = Permission{Name: "chat:search", About: "`chat:search`, for a review `audit:search`, in the token's claim permissions. Who asks finds what is in the conversations that it is in.", chat: []chat.Permission{chat.Search, chat.AuditSearch}}
	ChatRevisions = Permission{Name: "audit:read (in it)", About: "`audit:read` in the token's claim permissions, " + inIt + ".", chat: []chat.Permission{chat.AuditRead}}
	ChatPlace     = Permission{Name: "chat:read (own place)", About: "`chat:read` for one's own place, `chat:create` for role and muting, in the token's claim permissions, " + inIt + ".", chat: []chat.Permission{chat.Read, chat.Create}}

	AuditRead      = inChat("", chat.AuditRead)
	RetentionAdmin = inChat("", chat.RetentionAdmin)
	HoldAdmin      = inChat("", chat.HoldAdmin)
	ChatErase      = inChat("", chat.Erase)
	SubjectExport  = Permission{Name: "erase (or oneself)", About: "`erase` in the token's claim permissions, or `chat:export` for oneself.", chat: []chat.Permission{chat.Erase, chat.Export}}
	Transactions   = inChat("", chat.Transactions)
)

// chatPermissions is what the description lists of them.
var chatPermissions = []Permission{
	ChatCreate, ChatManage, ChatList, ChatRead, ChatWrite, ChatEdit, ChatDelete, ChatDeleteAll, ChatClose, ChatJoin, ChatExport, ChatCall, ChatSearch, ChatRevisions, ChatPlace,
	AuditRead, RetentionAdmin, HoldAdmin, ChatErase, SubjectExport, Transactions,
}

// chatCaller is who asks, as chats know people.
func chatCaller(claims *auth.Claims) *chat.Caller {
	c := &chat.Caller{Principal: claims.Identity, Name: claims.Name, Kin: chat.Kin(claims.Type), Organization: claims.Organization, From: "api"}
	for _, p := range claims.Permissions {
		c.Permissions = append(c.Permissions, chat.Permission(p))
	}
	if claims.Scope != nil {
		c.Only = claims.Scope.Conversation
	}
	return c
}

func chatCallerOf(ctx context.Context) *chat.Caller { return callerOf(ctx).chat }

// allowChat lets through who has one of the permissions.
func allowChat(claims *auth.Claims, need Permission) (*Caller, error) {
	c := &Caller{Claims: claims, Identity: claims.Identity, chat: chatCaller(claims)}
	if !slices.ContainsFunc(need.chat, c.chat.May) {
		return nil, errForbidden
	}
	if c.Identity == "" {
		return nil, chat.ErrNobody
	}
	return c, nil
}

// ownCodes are the problems that have a code of their own, beside those of chat.Code.
var ownCodes = []struct {
	err  error
	code string
}{
	{call.ErrBetweenTwo, "participant-limit"}, // in signalling it is 403, the refusal that LiveKit's clients know
	{call.ErrLive, "call-live"},
	{call.ErrSilent, "not-ringing"},
	{call.ErrAnswered, "already-taken"},
}

// serveOnce tells whether answers of an operation may be kept for retries. What people wrote is kept sealed, and not in answers.
func (a *API) serveOnce(pattern string, r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get(idempotencyKey) != "" && !a.sealed[pattern]
}
