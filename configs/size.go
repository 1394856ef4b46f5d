package configs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as 512, 64KiB or 2MiB.
type Size int64

var units = []struct {
	suffix string
	bytes  Size
}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// String writes the size in the largest unit that fits without rest.
func (s Size) String() string {
	for _, u := range units {
		if s != 0 && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", s/u.bytes, u.suffix)
		}
	}
	return "0"
}

// MarshalText is String.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what String writes.
func (s *Size) UnmarshalText(text []byte) error {
	digits, unit := string(text), Size(1)
	for _, u := range units {
		if rest, ok := strings.CutSuffix(digits, u.suffix); ok {
			digits, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 40)
	if err != nil {
		return errors.New("not a size")
	}
	*s = Size(n) * unit
	return nil
}

func (p *problems) size(key string, s, least, most Size) {
	if s < least || s > most {
		p.add(key, s, fmt.Sprintf("a size from %v to %v", least, most))
	}
}
