package configs

import "time"

// Chat says how long what concerns conversations is kept, where no rule of the API does.
type Chat struct {
	EditWindow  time.Duration `yaml:"edit_window"`
	DeletedDays int           `yaml:"deleted_days"`
	EventDays   int           `yaml:"event_days"`

	CallHistory    int  `yaml:"call_history"`
	HistoryToStock bool `yaml:"history_to_stock"`
}

// Validate reports what is wrong.
func (c Chat) Validate() error {
	var p problems
	if c.EditWindow != 0 {
		p.duration("chat.edit_window", c.EditWindow, time.Second, 365*24*time.Hour)
	}
	p.number("chat.deleted_days", int64(c.DeletedDays), 0, 36_500)
	p.number("chat.event_days", int64(c.EventDays), 1, 36_500)
	p.number("chat.call_history", int64(c.CallHistory), 0, 100)
	return p.err()
}
