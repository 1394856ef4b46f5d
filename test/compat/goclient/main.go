// Command goclient is a participant on LiveKit's Go SDK for the specs that bring it together with livekit-client: it echoes text, reports on
// files, answers calls, and calls whoever asks for it by the text "call me". With "publish" it is many who send pictures and sound.
package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/signal"

	lksdk "github.com/livekit/server-sdk-go/v2"
)

func main() {
	var err error
	switch {
	case len(os.Args) == 3:
		err = run(os.Args[1], os.Args[2])
	case len(os.Args) == 5 && os.Args[1] == "publish":
		err = publish(os.Args[2], os.Args[3], os.Args[4])
	default:
		fmt.Fprintln(os.Stderr, "usage: goclient URL TOKEN | goclient publish URL ROOM PEOPLE")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "goclient:", err)
		os.Exit(1)
	}
}

func run(url, token string) error {
	room := lksdk.NewRoom(&lksdk.RoomCallback{})
	say := func(text, to string) {
		room.LocalParticipant.SendText(text, lksdk.StreamTextOptions{Topic: "lk.chat", DestinationIdentities: []string{to}})
	}
	if err := room.RegisterTextStreamHandler("lk.chat", func(reader *lksdk.TextStreamReader, from string) {
		text := reader.ReadAll()
		if text != "call me" {
			say("echo "+text, from)
			return
		}
		answer, err := room.LocalParticipant.PerformRpc(lksdk.PerformRpcParams{DestinationIdentity: from, Method: "double", Payload: "go"})
		if err != nil {
			say("call failed: "+err.Error(), from)
			return
		}
		say("called "+*answer, from)
	}); err != nil {
		return fmt.Errorf("listen for text: %w", err)
	}
	if err := room.RegisterByteStreamHandler("files", func(reader *lksdk.ByteStreamReader, from string) {
		file := reader.ReadAll()
		say(fmt.Sprintf("file %d %x", len(file), sha256.Sum256(file)), from)
	}); err != nil {
		return fmt.Errorf("listen for files: %w", err)
	}
	if err := room.RegisterRpcMethod("double", func(call lksdk.RpcInvocationData) (string, error) {
		return call.CallerIdentity + ":" + call.Payload + call.Payload, nil
	}); err != nil {
		return fmt.Errorf("listen for calls: %w", err)
	}
	if err := room.JoinWithToken(url, token); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	fmt.Println("joined")
	interrupted()
	room.Disconnect()
	return nil
}

func interrupted() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	<-stop
}
