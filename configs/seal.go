package configs

// Seal says where the key is without which nothing of what people wrote can be read.
type Seal struct {
	KeyFile string `yaml:"key_file"`
}

// Validate reports what is wrong.
func (s Seal) Validate() error {
	var p problems
	p.plain("seal.key_file", s.KeyFile)
	return p.err()
}
