package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"careline/chat"
)

// jsonFile is the type of JSON that is handed out as a file, which the description does not describe.
const jsonFile = "application/json; charset=utf-8"

var exportTypes = map[chat.Format]string{chat.AsJSON: jsonFile, chat.AsHTML: "text/html; charset=utf-8", chat.AsZIP: "application/zip"}

func (a *API) registerExports() {
	register(a, operation{
		id: "exportConversation", method: http.MethodGet, path: inConversation + "/export", tag: "Records and their end", need: ChatExport, summary: "Export a conversation",
		about: "As JSON, as a page to read and print, or as a ZIP of both with the messages as JSON lines, the attachments, and a signed manifest that has the SHA-256 of each " +
			"file and names the attachments that were left out: `infected`, `pending` (not scanned yet), `erased`, `damaged`. The audit has the SHA-256 of what was " +
			"handed out, of a ZIP that of its manifest.", errors: []int{http.StatusNotFound},
	}, a.exportConversation)
	register(a, operation{
		id: "exportSubject", method: http.MethodGet, path: "/v1/subjects/{userId}/export", tag: "Records and their end", need: SubjectExport,
		summary: "Export what conversations hold of a person", about: "Its places, marks and messages, and nothing of what others wrote: as JSON, or as a ZIP of that with the files that the person sent and a signed manifest.",
	}, a.exportSubject)
	paths := a.huma.OpenAPI().Paths
	paths[inConversation+"/export"].Get.Responses["200"].Content = map[string]*huma.MediaType{jsonFile: {}, exportTypes[chat.AsHTML]: {}, exportTypes[chat.AsZIP]: {}}
	paths["/v1/subjects/{userId}/export"].Get.Responses["200"].Content = map[string]*huma.MediaType{jsonFile: {}, exportTypes[chat.AsZIP]: {}}
}

func (a *API) exportConversation(ctx context.Context, in *struct {
	ConversationPath
	Format chat.Format `query:"format" enum:"json,html,zip" default:"json"`
}) (*huma.StreamResponse, error) {
	h, err := a.chats.Export(ctx, chatCallerOf(ctx), in.ConversationID, in.Format)
	if err != nil {
		return nil, err
	}
	return a.handOut(h, in.ConversationID, in.Format), nil
}

func (a *API) exportSubject(ctx context.Context, in *struct {
	UserID string      `path:"userId" maxLength:"256" doc:"The identity (sub) of the person's tokens" example:"traveller-381"`
	Format chat.Format `query:"format" enum:"json,zip" default:"json"`
}) (*huma.StreamResponse, error) {
	h, err := a.chats.SubjectAccess(ctx, chatCallerOf(ctx), in.UserID, in.Format)
	if err != nil {
		return nil, err
	}
	return a.handOut(h, "subject", in.Format), nil
}

// handOut answers with a file to keep, which does nothing where it is opened in place. One that fails on the way breaks the connection off.
func (a *API) handOut(h *chat.Handout, name string, f chat.Format) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hctx huma.Context) {
		var e exchange
		_ = e.Resolve(hctx) // never fails
		if err := e.lengthen(h.Size); err != nil {
			a.log.Debug("lengthen the time of an export", "error", err)
		}
		_, w := humago.Unwrap(hctx)
		w.Header().Set("Content-Type", exportTypes[f])
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name+"."+string(f)))
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
		if err := h.Write(e.request.Context(), w); err != nil {
			if e.request.Context().Err() == nil {
				a.log.Error("an export failed on the way", "error", err)
			}
			panic(http.ErrAbortHandler)
		}
	}}
}
