package configs

import "time"

// Room holds what applies to rooms that do not say otherwise.
type Room struct {
	AutoCreate        bool          `yaml:"auto_create"`
	EmptyTimeout      time.Duration `yaml:"empty_timeout"`
	DepartureTimeout  time.Duration `yaml:"departure_timeout"`
	MaxParticipants   uint32        `yaml:"max_participants"`
	AllowRemoteUnmute bool          `yaml:"allow_remote_unmute"`
	JoinTimeout       time.Duration `yaml:"join_timeout"`
	ResumeTimeout     time.Duration `yaml:"resume_timeout"`
}

// Validate says which keys are wrong.
func (r Room) Validate() error {
	var p problems
	p.duration("room.empty_timeout", r.EmptyTimeout, time.Second, 7*24*time.Hour)
	p.duration("room.departure_timeout", r.DepartureTimeout, time.Second, 7*24*time.Hour)
	p.duration("room.join_timeout", r.JoinTimeout, time.Second, 10*time.Minute)
	p.duration("room.resume_timeout", r.ResumeTimeout, time.Second, 10*time.Minute)
	return p.err()
}

// Limits bounds what one client can make the server hold.
type Limits struct {
	Message              Size `yaml:"message"`
	MessagesPerSecond    int  `yaml:"messages_per_second"`
	Metadata             Size `yaml:"metadata"`
	TracksPerParticipant int  `yaml:"tracks_per_participant"`
	SectionsPerOffer     int  `yaml:"sections_per_offer"`
	CandidatesPerSession int  `yaml:"candidates_per_session"`
	JoinsPerAddress      int  `yaml:"joins_per_address"`
	JoinsPerKey          int  `yaml:"joins_per_key"`
	BadTokensPerAddress  int  `yaml:"bad_tokens_per_address"`
	FeedsPerPerson       int  `yaml:"feeds_per_person"`
	FeedsPerAddress      int  `yaml:"feeds_per_address"`
}

// Validate says which keys are wrong.
func (l Limits) Validate() error {
	var p problems
	p.size("limits.message", l.Message, 64<<10, 2<<20)
	p.number("limits.messages_per_second", int64(l.MessagesPerSecond), 0, 100_000)
	p.size("limits.metadata", l.Metadata, 256, 256<<10)
	p.number("limits.tracks_per_participant", int64(l.TracksPerParticipant), 1, 1000)
	p.number("limits.sections_per_offer", int64(l.SectionsPerOffer), 4, 4000)
	p.number("limits.candidates_per_session", int64(l.CandidatesPerSession), 8, 10000)
	p.number("limits.joins_per_address", int64(l.JoinsPerAddress), 0, 1_000_000)
	p.number("limits.joins_per_key", int64(l.JoinsPerKey), 0, 1_000_000)
	p.number("limits.bad_tokens_per_address", int64(l.BadTokensPerAddress), 0, 1_000_000)
	p.number("limits.feeds_per_person", int64(l.FeedsPerPerson), 0, 1_000_000)
	p.number("limits.feeds_per_address", int64(l.FeedsPerAddress), 0, 1_000_000)
	return p.err()
}
