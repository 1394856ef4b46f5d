package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
)

// joiner brings an offer of pc to a server and applies the answer: the only thing that differs between
// servers. It returns how to leave. publish announces the track that pc sends, nil for a viewer.
type joiner func(ctx context.Context, pc *webrtc.PeerConnection, identity string, publish *livekit.AddTrackRequest) (leave func(), err error)

// clientAPI has VP8, Opus, and what a receiver needs: NACK and reports. asBrowser makes the client choose the SRTP
// profile as Chromium does where the server leaves it the choice (it prefers AES_CM_128_HMAC_SHA1_80).
func clientAPI(asBrowser bool) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	err := media.RegisterCodec(webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType:  webrtc.MimeTypeVP8,
			ClockRate: clockRate,
			RTCPFeedback: []webrtc.RTCPFeedback{
				{Type: webrtc.TypeRTCPFBNACK}, {Type: webrtc.TypeRTCPFBNACK, Parameter: "pli"},
			},
		},
		PayloadType: payloadType,
	}, webrtc.RTPCodecTypeVideo)
	if err != nil {
		return nil, fmt.Errorf("register VP8: %w", err)
	}
	err = media.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: opus, PayloadType: audioType}, webrtc.RTPCodecTypeAudio)
	if err != nil {
		return nil, fmt.Errorf("register Opus: %w", err)
	}
	if err := webrtc.ConfigureSimulcastExtensionHeaders(media); err != nil {
		return nil, fmt.Errorf("register header extensions: %w", err)
	}
	registry := &interceptor.Registry{}
	for _, add := range []func() (interceptor.Factory, error){
		func() (interceptor.Factory, error) { return nack.NewGeneratorInterceptor() },
		func() (interceptor.Factory, error) { return nack.NewResponderInterceptor() },
		func() (interceptor.Factory, error) { return report.NewReceiverInterceptor() },
		func() (interceptor.Factory, error) { return report.NewSenderInterceptor() },
	} {
		factory, err := add()
		if err != nil {
			return nil, fmt.Errorf("make interceptor: %w", err)
		}
		registry.Add(factory)
	}
	quiet := logging.NewDefaultLoggerFactory() // what it says of media that overtakes an answer would bury the table
	quiet.DefaultLogLevel = logging.LogLevelDisabled
	settings := webrtc.SettingEngine{LoggerFactory: quiet}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(net.IP.IsLoopback)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	if asBrowser {
		settings.SetSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM)
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(settings)), nil
}

// joinNaive posts the offer over HTTP.
func joinNaive(base string) joiner {
	return func(ctx context.Context, pc *webrtc.PeerConnection, _ string, publish *livekit.AddTrackRequest) (func(), error) {
		path := "/view"
		if publish != nil {
			path = "/publish"
		}
		offer, err := localOffer(pc)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(offer)
		if err != nil {
			return nil, fmt.Errorf("encode offer: %w", err)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("make request: %w", err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, fmt.Errorf("post offer: %w", err)
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
			return nil, fmt.Errorf("post offer: %s: %s", response.Status, text)
		}
		var answer webrtc.SessionDescription
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		if err := pc.SetRemoteDescription(answer); err != nil {
			return nil, fmt.Errorf("apply answer: %w", err)
		}
		return func() {}, nil
	}
}

// localOffer makes and applies an offer with all candidates.
func localOffer(pc *webrtc.PeerConnection) (*webrtc.SessionDescription, error) {
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		return nil, fmt.Errorf("make offer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err := pc.SetLocalDescription(offer); err != nil {
		return nil, fmt.Errorf("apply offer: %w", err)
	}
	<-gathered
	return pc.LocalDescription(), nil
}
