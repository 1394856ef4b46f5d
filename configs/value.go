package configs

import (
	"encoding"
	"errors"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// field is one key of a section.
type field struct {
	name  string
	value reflect.Value
}

// fields returns the keys of a section in the order of its struct.
func fields(section reflect.Value) []field {
	var list []field
	for i := range section.NumField() {
		if name := section.Type().Field(i).Tag.Get("yaml"); name != "-" {
			list = append(list, field{name, section.Field(i)})
		}
	}
	return list
}

func names(section reflect.Value) string {
	var list []string
	for _, f := range fields(section) {
		list = append(list, f.name)
	}
	return strings.Join(list, ", ")
}

// isSection reports whether a value has keys of its own.
func isSection(v reflect.Value) bool {
	return v.Kind() == reflect.Struct && !isText(v)
}

// isText reports whether a value knows how to read itself.
func isText(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

var errValue = errors.New("not such a value")

// parse sets a value that is neither section nor list from its text. What it
// expects is in want.
func parse(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return errValue // the text of err may quote a secret
		}
		return nil
	}
	if d, ok := v.Addr().Interface().(*time.Duration); ok {
		parsed, err := time.ParseDuration(text)
		if err != nil {
			return errValue
		}
		*d = parsed
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errValue
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errValue
		}
		v.SetInt(n)
	case reflect.Uint32:
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return errValue
		}
		v.SetUint(n)
	default:
		panic("configs: no reader for a key of type " + v.Type().String())
	}
	return nil
}

// want says in words what a value can be.
func want(v reflect.Value) string {
	switch v.Addr().Interface().(type) {
	case *time.Duration:
		return "a duration such as 20s or 5m"
	case *Size:
		return "a size such as 64KiB or 2MiB"
	case *Secret:
		return "a secret"
	case *netip.Addr:
		return "an IP address"
	case *netip.Prefix:
		return "a network such as 10.0.0.0/8"
	case *[]Key:
		return "a list of {id, secret}, {id, secret_file} or {id, public_key_file}"
	}
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Uint32:
		return "a whole number"
	case reflect.Slice:
		return "a list, each item " + want(reflect.New(v.Type().Elem()).Elem())
	case reflect.Struct:
		return "a section with the keys " + names(v)
	default:
		return "text"
	}
}
