package compat

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"careline/api"
	"careline/configs"
)

// download reads a file as somebody gets it by HTTP.
func (r *rig) download(id, token string) []byte {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, r.http()+"/v1/attachments/"+id, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	content, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("read attachment %s: %d, %v", id, res.StatusCode, err)
	}
	return content
}

// sdkFiles collects the files that the Go SDK reports.
type sdkFiles struct {
	mu       sync.Mutex
	contents [][]byte // guarded by mu
}

func (f *sdkFiles) listen(t *testing.T, room *lksdk.Room) *sdkFiles {
	t.Helper()
	err := room.RegisterByteStreamHandler("lk.chat", func(reader *lksdk.ByteStreamReader, _ string) {
		content := reader.ReadAll()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.contents = append(f.contents, content)
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *sdkFiles) has(content []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.contents, func(c []byte) bool { return bytes.Equal(c, content) })
}

// TestCallFilesAreKept has the Go SDK send a text with files: who is in the call gets them at once, who is outside reads them from the
// conversation. One that is too large is in neither message nor store.
func TestCallFilesAreKept(t *testing.T) {
	eachMode(t, func(t *testing.T, m mode) {
		r := start(t, setup{change: func(c *configs.Config) { c.Attachments.MaxSize = 1 << 20 }})
		c, tokens := r.chatCall(nil)
		in := newInbox()
		ann := r.into(t, m, tokens["ann"], in.callback())
		benHears := newInbox()
		ben := r.into(t, m, tokens["ben"], benHears.callback())
		files := new(sdkFiles).listen(t, ben)
		openChannels(t, ann, benHears)

		noise := make([]byte, 300_000)
		random := rand.NewChaCha8([32]byte{1})
		_, _ = random.Read(noise) // never fails
		contents := [][]byte{[]byte(strings.Repeat("what happened. ", 2000)), noise, make([]byte, 1<<20+1)}
		var paths []string
		for i, content := range contents {
			path := filepath.Join(t.TempDir(), []string{"report.txt", "noise.bin", "large.bin"}[i])
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
		text := ann.LocalParticipant.SendText("two files, and one that is too large", lksdk.StreamTextOptions{Topic: "lk.chat", Attachments: paths})
		answers := func() []map[string]any {
			var packets []*livekit.DataPacket
			in.locked(func() {
				for _, d := range in.data {
					packets = append(packets, &livekit.DataPacket{Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Topic: &d.topic, Payload: []byte(d.text)}}})
				}
			})
			return answersOf(t, packets)
		}
		eventually(t, "both answers", func() bool { return len(answers()) == 2 })
		large, kept := answers()[0], answers()[1]
		if large["problem"] != "too-large" || kept["id"] != text.Id || kept["problem"] != nil {
			t.Errorf("answered %v and %v", large, kept)
		}
		if missing, _ := kept["missing"].([]any); len(missing) != 1 || missing[0] != large["id"] {
			t.Errorf("missing are %v", kept["missing"])
		}
		var list api.MessageList
		r.v1(http.MethodPost, "/conversations/"+c.Conversation+"/messages/view", tokens["dora"], map[string]any{"kinds": []string{"text", "image", "file"}}, &list)
		if len(list.Items) != 1 || list.Items[0].Kind != "file" || len(list.Items[0].Attachments) != 2 {
			t.Fatalf("kept %+v", list.Items)
		}
		for i, a := range list.Items[0].Attachments {
			if got := r.download(a.ID, tokens["dora"]); !bytes.Equal(got, contents[i]) {
				t.Errorf("file %d has %d bytes", i, len(got))
			}
		}
		for i, content := range contents {
			eventually(t, "file "+paths[i]+" at ben", func() bool { return files.has(content) })
		}
	})
}
