package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"careline/chat"
)

// jsonFile is the type of JSON that is handed out as a file, which the description does not describe.
const jsonFile = "application/json; charset=utf-8"

// document is an answer that is a file.
type document struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

// fileAnswer is a file to keep, which does nothing where it is opened in place.
func fileAnswer(contentType, name string, content []byte) *document {
	return &document{contentType, fmt.Sprintf("attachment; filename=%q", name), "default-src 'none'; style-src 'unsafe-inline'; sandbox", content}
}

var exportTypes = map[chat.Format]string{chat.AsJSON: jsonFile, chat.AsHTML: "text/html; charset=utf-8", chat.AsZIP: "application/zip"}

func (a *API) registerExports() {
	register(a, operation{
		id: "exportConversation", method: http.MethodGet, path: inConversation + "/export", tag: "Records and their end", need: ChatExport, summary: "Export a conversation",
		about: "As JSON, as a page to read and print, or as a ZIP of both with the messages as JSON lines and a manifest that has the SHA-256 of each file. The audit has the " +
			"SHA-256 of what was handed out.", errors: []int{http.StatusNotFound},
	}, a.exportConversation)
	register(a, operation{
		id: "exportSubject", method: http.MethodGet, path: "/v1/subjects/{userId}/export", tag: "Records and their end", need: SubjectExport,
		summary: "Export what conversations hold of a person", about: "Its places, marks and messages, as JSON, and nothing of what others wrote.",
	}, a.exportSubject)
	paths := a.huma.OpenAPI().Paths
	paths[inConversation+"/export"].Get.Responses["200"].Content = map[string]*huma.MediaType{jsonFile: {}, exportTypes[chat.AsHTML]: {}, exportTypes[chat.AsZIP]: {}}
	paths["/v1/subjects/{userId}/export"].Get.Responses["200"].Content = map[string]*huma.MediaType{jsonFile: {}}
}

func (a *API) exportConversation(ctx context.Context, in *struct {
	ConversationPath
	Format chat.Format `query:"format" enum:"json,html,zip" default:"json"`
}) (*document, error) {
	b, err := a.chats.Export(ctx, chatCallerOf(ctx), in.ConversationID, in.Format)
	if err != nil {
		return nil, err
	}
	return fileAnswer(exportTypes[in.Format], in.ConversationID+"."+string(in.Format), b), nil
}

func (a *API) exportSubject(ctx context.Context, in *struct {
	UserID string `path:"userId" maxLength:"256" doc:"The identity (sub) of the person's tokens" example:"traveller-381"`
}) (*document, error) {
	s, err := a.chats.SubjectAccess(ctx, chatCallerOf(ctx), in.UserID)
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, err
	}
	return fileAnswer(jsonFile, "subject.json", b), nil
}
