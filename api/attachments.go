package api

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"careline/chat"
	"careline/internal/attachment"
	"careline/internal/errs"
	"careline/internal/scan"
)

// UploadPath is the path of an upload.
type UploadPath struct {
	UploadID string `path:"uploadId" maxLength:"64" doc:"The upload's id, which will be that of the attachment" example:"att_4f2kq7zj5x3wm6v2n8r1t0y9ce"`
}

// AttachmentPath is the path of an attachment.
type AttachmentPath struct {
	AttachmentID string `path:"attachmentId" maxLength:"64" doc:"The attachment's id" example:"att_4f2kq7zj5x3wm6v2n8r1t0y9ce"`
}

// NewUpload announces a file.
type NewUpload struct {
	ConversationID string `json:"conversation_id" maxLength:"64" doc:"In which it will be sent" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Name           string `json:"name" minLength:"1" maxLength:"255" example:"passport.jpg"`
	Type           string `json:"type,omitempty" maxLength:"255" doc:"MIME type. The server looks for itself, and refuses what is of another kind" example:"image/jpeg"`
	Size           int64  `json:"size" minimum:"0" doc:"Bytes" example:"1048576"`
}

// Upload is a file on its way.
type Upload struct {
	ID             string    `json:"id" example:"att_4f2kq7zj5x3wm6v2n8r1t0y9ce"`
	ConversationID string    `json:"conversation_id" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Size           int64     `json:"size" doc:"Bytes there will be" example:"1048576"`
	Offset         int64     `json:"offset" doc:"Bytes that the server has: where to go on" example:"524288"`
	ExpiresAt      time.Time `json:"expires_at" example:"2026-11-22T08:00:00Z"`
}

// AttachmentInfo is what is known of an attachment.
type AttachmentInfo struct {
	Attachment
	ConversationID string     `json:"conversation_id" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	UserID         string     `json:"user_id" doc:"Who sent it" example:"operator-7"`
	CreatedAt      time.Time  `json:"created_at" example:"2026-11-21T08:05:00Z"`
	Scan           scan.State `json:"scan" enum:"pending,clean,infected,skipped" doc:"pending: only who sent it can read it; infected: nobody; skipped: there is no scanner, or it does not take the file" example:"clean"`
	Signature      string     `json:"signature,omitempty" doc:"Of what was found"`
	Metadata       string     `json:"metadata,omitempty" enum:"stripped,kept,untouched" doc:"Of a picture: place, camera and the like were taken out, are kept by the server's policy, or may be there because the format is not rewritten" example:"stripped"`
	GPS            bool       `json:"gps,omitempty" doc:"It told a place when it came"`
	Thumbnail      bool       `json:"thumbnail,omitempty"`
	Original       bool       `json:"original,omitempty" doc:"The untouched file is kept aside"`
}

var (
	exampleUpload     = Upload{"att_4f2kq7zj5x3wm6v2n8r1t0y9ce", exampleMessage.ConversationID, 1048576, 524288, exampleTime}
	exampleAttachment = AttachmentInfo{
		Attachment: Attachment{
			ID: exampleUpload.ID, Name: "passport.jpg", Type: "image/jpeg", Size: 1048576, Width: 3000, Height: 4000,
			SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		},
		ConversationID: exampleMessage.ConversationID, UserID: "operator-7", CreatedAt: exampleTime, Scan: scan.Clean, Metadata: "stripped", GPS: true, Thumbnail: true,
	}
)

const binaryType = "application/octet-stream"

func (a *API) registerAttachments() {
	const (
		tag     = "Attachments"
		uploads = "/v1/uploads"
		files   = "/v1/attachments"
	)
	missing := []int{http.StatusNotFound}
	taken := []int{http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType}
	register(a, operation{
		id: "beginUpload", method: http.MethodPost, path: uploads, tag: tag, need: ChatWrite, status: http.StatusCreated, private: true, summary: "Begin an upload",
		about:  "For files of any size up to the server's limit, over connections that break. The bytes follow by PATCH; what is not finished, or not sent in a message, ends after a day.",
		errors: []int{http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge}, request: NewUpload{exampleMessage.ConversationID, "passport.jpg", "image/jpeg", 1048576},
		response: Upload{exampleUpload.ID, exampleUpload.ConversationID, 1048576, 0, exampleTime},
	}, a.beginUpload)
	register(a, operation{
		id: "getUpload", method: http.MethodGet, path: uploads + "/{uploadId}", tag: tag, need: ChatWrite, summary: "Ask how far an upload is", errors: missing, response: exampleUpload,
	}, a.getUpload)
	register(a, operation{
		id: "appendUpload", method: http.MethodPatch, path: uploads + "/{uploadId}", tag: tag, need: ChatWrite, summary: "Send bytes of an upload",
		about:  "The body is the bytes from Upload-Offset on, which has to be where the upload is, all or some of those that are missing. When the connection breaks, ask how far it is and go on there.",
		errors: taken, response: exampleUpload,
	}, a.appendUpload)
	register(a, operation{
		id: "cancelUpload", method: http.MethodDelete, path: uploads + "/{uploadId}", tag: tag, need: ChatWrite, summary: "Give an upload up", errors: missing,
	}, a.cancelUpload)
	register(a, operation{
		id: "finishUpload", method: http.MethodPost, path: uploads + "/{uploadId}/finish", tag: tag, need: ChatWrite, status: http.StatusCreated, private: true,
		summary: "Finish an upload", about: "The server looks at the file and makes an attachment of it, to be named in a message. Again, it is the same.",
		errors: taken, response: exampleAttachment,
	}, a.finishUpload)
	register(a, operation{
		id: "addAttachment", method: http.MethodPost, path: files, tag: tag, need: ChatWrite, status: http.StatusCreated, private: true, summary: "Upload a file at once",
		about: "The body is the file; Content-Type says what it is and Content-Length how long.", errors: taken, response: exampleAttachment,
	}, a.addAttachment)
	register(a, operation{
		id: "getAttachment", method: http.MethodGet, path: files + "/{attachmentId}", tag: tag, need: ChatRead, summary: "Read an attachment",
		about:  "Ranges are served. Only pictures of safe types, sound and video come with their type; everything is to be saved but those pictures.",
		errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.readAttachment(attachment.Whole))
	register(a, operation{
		id: "getThumbnail", method: http.MethodGet, path: files + "/{attachmentId}/thumbnail", tag: tag, need: ChatRead, summary: "Read an attachment's thumbnail",
		about: "A JPEG picture of at most 320 pixels each way.", errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.readAttachment(attachment.Thumbnail))
	register(a, operation{
		id: "getOriginal", method: http.MethodGet, path: files + "/{attachmentId}/original", tag: tag, need: ChatRevisions, summary: "Read a picture as it came",
		about: "With its metadata, where the server keeps that aside.", errors: []int{http.StatusNotFound, http.StatusConflict},
	}, a.readAttachment(attachment.Original))
	register(a, operation{
		id: "describeAttachment", method: http.MethodGet, path: files + "/{attachmentId}/about", tag: tag, need: ChatRead, summary: "Ask what is known of an attachment",
		errors: missing, response: exampleAttachment,
	}, a.describeAttachment)
	paths := a.huma.OpenAPI().Paths
	body := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{binaryType: {}}}
	paths[uploads+"/{uploadId}"].Patch.RequestBody, paths[files].Post.RequestBody = body, body
	for _, variant := range []string{"", "/thumbnail", "/original"} {
		paths[files+"/{attachmentId}"+variant].Get.Responses["200"].Content = map[string]*huma.MediaType{binaryType: {}}
	}
}

func viewUpload(u *attachment.Upload) Upload {
	return Upload{u.ID, u.Conversation, u.Length, u.Offset, u.Expires}
}

func viewAttachment(f *attachment.File) AttachmentInfo {
	return AttachmentInfo{
		Attachment:     Attachment{ID: f.ID, Name: f.Name, Type: f.Type, Size: f.Size, SHA256: f.SHA256, Width: f.Width, Height: f.Height},
		ConversationID: f.Conversation, UserID: f.By, CreatedAt: f.At, Scan: f.Scan, Signature: f.Signature, Metadata: string(f.Metadata), GPS: f.GPS,
		Thumbnail: f.Thumbnail, Original: f.Original,
	}
}

// exchange is the request itself, for operations whose bodies are not JSON.
type exchange struct {
	request *http.Request
	control *http.ResponseController
}

// Resolve implements huma.Resolver.
func (e *exchange) Resolve(ctx huma.Context) []error {
	r, w := humago.Unwrap(ctx)
	e.request, e.control = r, http.NewResponseController(w)
	return nil
}

// slowest is how few bytes in a second a client may send or take, beside patience.
const (
	slowest  = 16 << 10
	patience = 30 * time.Second
)

func deadline(size int64) time.Time {
	return time.Now().Add(patience + time.Duration(size/slowest)*time.Second)
}

// lengthen gives a body of so many bytes the time that it needs, which is more than that of other requests.
func (e *exchange) lengthen(size int64) error {
	at := deadline(size)
	for _, set := range []func(time.Time) error{e.control.SetReadDeadline, e.control.SetWriteDeadline} {
		if err := set(at); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	return nil
}

type uploadAnswer struct {
	Location string `header:"Location"`
	Offset   int64  `header:"Upload-Offset"`
	Body     Upload
}

func answerUpload(u *attachment.Upload) *uploadAnswer {
	return &uploadAnswer{Location: "/v1/uploads/" + u.ID, Offset: u.Offset, Body: viewUpload(u)}
}

func (a *API) beginUpload(ctx context.Context, in *struct{ Body NewUpload }) (*uploadAnswer, error) {
	u, err := a.begin(ctx, attachment.Offer{Conversation: in.Body.ConversationID, Name: in.Body.Name, Declared: in.Body.Type, Length: in.Body.Size})
	if err != nil {
		return nil, err
	}
	return answerUpload(&u), nil
}

func (a *API) begin(ctx context.Context, o attachment.Offer) (attachment.Upload, error) {
	caller := chatCallerOf(ctx)
	if err := a.chats.MayAttach(ctx, caller, o.Conversation); err != nil {
		return attachment.Upload{}, err
	}
	o.By = caller.Principal
	return a.files.Begin(ctx, o)
}

// upload returns an upload of the caller's, who may still write where it belongs.
func (a *API) upload(ctx context.Context, id string) (attachment.Upload, error) {
	caller := chatCallerOf(ctx)
	u, err := a.files.Offset(ctx, id, caller.Principal)
	if err == nil {
		err = a.chats.MayAttach(ctx, caller, u.Conversation)
	}
	return u, err
}

func (a *API) getUpload(ctx context.Context, in *UploadPath) (*uploadAnswer, error) {
	u, err := a.upload(ctx, in.UploadID)
	if err != nil {
		return nil, err
	}
	return answerUpload(&u), nil
}

func (a *API) appendUpload(ctx context.Context, in *struct {
	UploadPath
	exchange
	Offset string `header:"Upload-Offset" maxLength:"20" doc:"Where the bytes belong: as many as the server has" example:"524288"`
}) (*uploadAnswer, error) {
	u, err := a.upload(ctx, in.UploadID)
	if err != nil {
		return nil, err
	}
	offset, err := strconv.ParseInt(in.Offset, 10, 64)
	if err != nil {
		return nil, errs.New(errs.Invalid, "Upload-Offset is not a number")
	}
	if err := in.lengthen(u.Length - u.Offset); err != nil {
		return nil, err
	}
	if u, err = a.files.Append(ctx, u.ID, u.By, offset, in.request.Body); err != nil {
		return nil, err
	}
	return answerUpload(&u), nil
}

func (a *API) cancelUpload(ctx context.Context, in *UploadPath) (*struct{}, error) {
	u, err := a.upload(ctx, in.UploadID)
	if err != nil {
		return nil, err
	}
	return nil, a.files.Cancel(ctx, u.ID, u.By)
}

type attachmentAnswer struct {
	Location string `header:"Location"`
	Body     AttachmentInfo
}

func (a *API) finishUpload(ctx context.Context, in *struct {
	UploadPath
	exchange
}) (*attachmentAnswer, error) {
	caller := chatCallerOf(ctx)
	_, err := a.upload(ctx, in.UploadID)
	if errs.Is(err, errs.NotFound) { // it may be finished
		var f attachment.File
		if f, err = a.files.Describe(ctx, in.UploadID); err == nil {
			err = a.chats.MayAttach(ctx, caller, f.Conversation)
		}
	}
	if err != nil {
		return nil, err
	}
	return a.finish(ctx, in.UploadID, caller.Principal)
}

func (a *API) finish(ctx context.Context, id, by string) (*attachmentAnswer, error) {
	f, err := a.files.Finish(ctx, id, by)
	if err != nil {
		return nil, err
	}
	return &attachmentAnswer{"/v1/attachments/" + f.ID, viewAttachment(&f)}, nil
}

func (a *API) addAttachment(ctx context.Context, in *struct {
	exchange
	ConversationID string `query:"conversation_id" required:"true" maxLength:"64" doc:"In which it will be sent" example:"01KAJ3V7Q8S6Z0Y5T1R9W2X4MB"`
	Name           string `query:"name" required:"true" minLength:"1" maxLength:"255" example:"passport.jpg"`
}) (*attachmentAnswer, error) {
	r := in.request
	if r.ContentLength < 0 {
		return nil, errs.New(errs.Invalid, "Content-Length is missing")
	}
	u, err := a.begin(ctx, attachment.Offer{Conversation: in.ConversationID, Name: in.Name, Declared: r.Header.Get("Content-Type"), Length: r.ContentLength})
	if err != nil {
		return nil, err
	}
	if err := in.lengthen(u.Length); err != nil {
		return nil, err
	}
	if u.Length > 0 {
		if _, err := a.files.Append(ctx, u.ID, u.By, 0, r.Body); err != nil {
			return nil, errors.Join(err, a.files.Cancel(context.WithoutCancel(ctx), u.ID, u.By))
		}
	}
	return a.finish(ctx, u.ID, u.By)
}

// visible returns an attachment to who may read a message that has it, and, before that, to who sent it.
func (a *API) visible(ctx context.Context, id string, also ...chat.Permission) (attachment.File, error) {
	caller := chatCallerOf(ctx)
	f, err := a.files.Describe(ctx, id)
	if err != nil {
		return f, err
	}
	ids, err := a.files.Messages(ctx, id)
	if err != nil {
		return f, err
	}
	if len(ids) == 0 && f.By == caller.Principal {
		return f, a.chats.MayAttach(ctx, caller, f.Conversation)
	}
	return f, a.chats.MaySee(ctx, caller, f.Conversation, ids, also...)
}

func (a *API) describeAttachment(ctx context.Context, in *AttachmentPath) (*struct{ Body AttachmentInfo }, error) {
	f, err := a.visible(ctx, in.AttachmentID)
	if err != nil {
		return nil, err
	}
	return &struct{ Body AttachmentInfo }{viewAttachment(&f)}, nil
}

func (a *API) readAttachment(v attachment.Variant) func(context.Context, *AttachmentPath) (*huma.StreamResponse, error) {
	return func(ctx context.Context, in *AttachmentPath) (*huma.StreamResponse, error) {
		var also []chat.Permission
		if v == attachment.Original {
			also = ChatRevisions.chat
		}
		if _, err := a.visible(ctx, in.AttachmentID, also...); err != nil {
			return nil, err
		}
		f, content, err := a.files.Open(ctx, in.AttachmentID, chatCallerOf(ctx).Principal, v)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hctx huma.Context) {
			defer func() { _ = content.Close() }() // it was read only
			var e exchange
			_ = e.Resolve(hctx) // never fails
			_, w := humago.Unwrap(hctx)
			if err := e.lengthen(content.Size()); err != nil {
				a.log.Debug("lengthen the time of a download", "error", err)
			}
			setHeader(w.Header(), &f, v)
			w.Header().Set("ETag", `"`+hex.EncodeToString(content.Sum())+`"`)
			http.ServeContent(w, e.request, "", f.At, io.ReadSeeker(content))
		}}, nil
	}
}

// setHeader says what a file is, and that a browser is not to do anything with it but show a picture.
func setHeader(h http.Header, f *attachment.File, v attachment.Variant) {
	kind, disposition := binaryType, "attachment"
	switch {
	case v == attachment.Thumbnail:
		kind, disposition = "image/jpeg", "inline"
	case f.Inline():
		kind, disposition = f.Type, "inline"
	case strings.HasPrefix(f.Type, "audio/") || strings.HasPrefix(f.Type, "video/"):
		kind = f.Type
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": f.SafeName()}))
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-cache")
}
