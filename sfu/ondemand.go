package sfu

import (
	"sync"

	"github.com/pion/interceptor"
)

// onDemand keeps an interceptor that generates feedback to a publisher asleep until a first stream comes in: its goroutine and its ticks
// cost as much as the rest of an idle connection, and most participants only watch.
type onDemand struct {
	interceptor.NoOp
	inner interceptor.Interceptor

	mu sync.Mutex
	// guarded by mu
	writer  interceptor.RTCPWriter
	running bool
}

func (o *onDemand) BindRTCPWriter(w interceptor.RTCPWriter) interceptor.RTCPWriter {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writer = w
	return w
}

func (o *onDemand) BindRTCPReader(r interceptor.RTCPReader) interceptor.RTCPReader {
	return o.inner.BindRTCPReader(r)
}

func (o *onDemand) BindRemoteStream(info *interceptor.StreamInfo, r interceptor.RTPReader) interceptor.RTPReader {
	o.mu.Lock()
	if !o.running && o.writer != nil {
		o.running = true
		o.inner.BindRTCPWriter(o.writer)
	}
	o.mu.Unlock()
	return o.inner.BindRemoteStream(info, r)
}

func (o *onDemand) UnbindRemoteStream(info *interceptor.StreamInfo) { o.inner.UnbindRemoteStream(info) }

func (o *onDemand) Close() error { return o.inner.Close() }

// onDemandFactory makes one for each connection.
type onDemandFactory struct{ inner interceptor.Factory }

func (f onDemandFactory) NewInterceptor(id string) (interceptor.Interceptor, error) {
	inner, err := f.inner.NewInterceptor(id)
	if err != nil {
		return nil, err
	}
	return &onDemand{inner: inner}, nil
}
