package api

import (
	"time"

	"careline/chat"
	"careline/internal/event"
)

// EnvelopeOf is the envelope of an event as the feeds have it, for the data channel of a call.
func EnvelopeOf(h *chat.Happening) ([]byte, error) {
	return newsOf(h, event.Cursor{}).text(chat.Seat{})
}

// NoticeOf is the same of something of the moment.
func NoticeOf(n chat.Notice, now time.Time) ([]byte, error) {
	news, err := newsOfMoment(&n, now)
	if err != nil {
		return nil, err
	}
	return news.full, nil
}
