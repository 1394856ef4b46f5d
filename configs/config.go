// Package configs holds the server's configuration: one typed value, read from
// one YAML file, the environment and the command line, in this order of
// precedence from low to high. default.yaml, embedded here, names every key
// with its default and what it does: it is the manual.
//
// Nothing is read at run time from anywhere else, and there are no package
// variables: two servers in one process can have different configurations.
package configs

import "time"

// Config is the whole configuration. Fields are the keys of the file; Validate
// methods say what each accepts.
type Config struct {
	Development     bool          `yaml:"development"`
	Region          string        `yaml:"region"`
	DataDir         string        `yaml:"data_dir"`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
	Keys            []Key         `yaml:"keys"`
	Tokens          Tokens        `yaml:"tokens"`
	Log             Log           `yaml:"log"`
	HTTP            HTTP          `yaml:"http"`
	Admin           Admin         `yaml:"admin"`
	RTC             RTC           `yaml:"rtc"`
	TURN            TURN          `yaml:"turn"`
	Room            Room          `yaml:"room"`
	Limits          Limits        `yaml:"limits"`
	Webhooks        Webhooks      `yaml:"webhooks"`
	Seal            Seal          `yaml:"seal"`
	Chat            Chat          `yaml:"chat"`
	Attachments     Attachments   `yaml:"attachments"`
	Web             Web           `yaml:"web"`

	// Warnings are oddities that do not stop the start, for the log.
	Warnings []string `yaml:"-"`
}

// Default returns the configuration that an empty file gives. It has no API
// key, so it does not validate.
func Default() *Config {
	return &Config{
		DataDir:         "data",
		ShutdownTimeout: 10 * time.Second,
		Tokens:          Tokens{MaxLifetime: 24 * time.Hour},
		Log:             Log{Level: "info", Format: "text"},
		HTTP: HTTP{
			Address:           ":7880",
			TLS:               TLS{Mode: "off", ACME: ACME{Directory: "https://acme-v02.api.letsencrypt.org/directory"}},
			ReadHeaderTimeout: 5 * time.Second,
			WriteTimeout:      60 * time.Second,
			IdleTimeout:       60 * time.Second,
			MaxConnections:    10000,
		},
		Admin: Admin{Address: "127.0.0.1:7889"},
		RTC:   RTC{UDPPort: 7882, TCPPort: 7881, IPv6: true, ICELite: "auto"},
		TURN:  defaultTURN(),
		Room: Room{
			AutoCreate:       true,
			EmptyTimeout:     300 * time.Second,
			DepartureTimeout: 20 * time.Second,
			JoinTimeout:      60 * time.Second,
			ResumeTimeout:    20 * time.Second,
		},
		Chat:        Chat{DeletedDays: 30, EventDays: 14, CallHistory: 50},
		Attachments: Attachments{MaxSize: 25 << 20, Metadata: "strip"},
		Limits: Limits{
			Message:              256 << 10,
			MessagesPerSecond:    200,
			Metadata:             64 << 10,
			TracksPerParticipant: 32,
			SectionsPerOffer:     256,
			CandidatesPerSession: 256,
			JoinsPerAddress:      600,
			JoinsPerKey:          30_000,
			BadTokensPerAddress:  60,
			FeedsPerPerson:       20,
			FeedsPerAddress:      1000,
		},
	}
}

// Validate reports everything that is wrong, each by its key.
func (c *Config) Validate() error {
	var p problems
	p.duration("shutdown_timeout", c.ShutdownTimeout, time.Second, 10*time.Minute)
	p.plain("region", c.Region)
	p.plain("data_dir", c.DataDir)
	if c.DataDir == "" && !c.Development {
		p.add("data_dir", c.DataDir, "a folder")
	}
	p.join(validateKeys(c.Keys, c.Development))
	p.join(c.Tokens.Validate())
	p.join(c.Log.Validate())
	p.join(c.HTTP.Validate())
	p.join(c.Admin.Validate())
	p.join(c.RTC.Validate())
	p.join(c.TURN.Validate())
	p.join(c.Room.Validate())
	p.join(c.Limits.Validate())
	p.join(c.Webhooks.validate(c.Keys))
	p.join(c.Seal.Validate())
	p.join(c.Chat.Validate())
	p.join(c.Attachments.Validate())
	p.join(c.Web.Validate())
	if port := c.HTTP.port(); port != 0 && port == c.RTC.TCPPort {
		p.add("rtc.tcp_port", port, "a port other than that of http.address, since both are TCP")
	}
	p.join(c.TURN.conflicts(c))
	return p.err()
}
