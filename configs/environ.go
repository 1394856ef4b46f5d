package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Prefix starts the name of each environment variable that is read.
const Prefix = "CARELINE_"

// variable returns the environment variable of a key.
func variable(path string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// leaves calls f for each key that has a value of its own, with its path.
func leaves(section reflect.Value, path string, f func(path string, v reflect.Value)) {
	for _, key := range fields(section) {
		if isSection(key.value) {
			leaves(key.value, join(path, key.name), f)
		} else {
			f(join(path, key.name), key.value)
		}
	}
}

// environ sets what the environment, as os.Environ returns it, names. It
// returns a warning for each variable with the prefix that is no key: not an
// error, since orchestrators inject variables named after a service.
func (r *reader) environ(environ []string, to reflect.Value) (warnings []string) {
	left := make(map[string]string)
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, Prefix) {
			left[name] = value
		}
	}
	delete(left, Prefix+"CONFIG") // the command line's
	leaves(to, "", func(path string, v reflect.Value) {
		name := variable(path)
		text, ok := left[name]
		delete(left, name)
		file, fromFile := left[name+"_FILE"]
		if keys, isKeys := v.Addr().Interface().(*[]Key); isKeys {
			delete(left, name+"_FILE")
			r.keys(name, text, ok, file, fromFile, keys)
			return
		}
		if !ok {
			return
		}
		where := "environment " + name
		if v.Kind() == reflect.Slice {
			r.commaList(where, path, text, v)
		} else {
			r.text(where, path, text, v)
		}
	})
	for name := range left {
		warnings = append(warnings, "the environment variable "+name+" names no key and is ignored")
	}
	slices.Sort(warnings)
	return warnings
}

// commaList sets a list from `a, b`; an empty text is an empty list.
func (r *reader) commaList(where, path, text string, to reflect.Value) {
	r.origins[path] = where
	var items []string
	if strings.TrimSpace(text) != "" {
		items = strings.Split(text, ",")
	}
	list := reflect.MakeSlice(to.Type(), len(items), len(items))
	for i, item := range items {
		r.text(where, fmt.Sprintf("%s[%d]", path, i), strings.TrimSpace(item), list.Index(i))
	}
	to.Set(list)
}

// keys sets the API keys from pairs `id: secret`, one in a line or separated
// by commas, in the variable or in the file that its twin names.
func (r *reader) keys(name, text string, given bool, file string, fromFile bool, to *[]Key) {
	where := "environment " + name
	switch {
	case given && fromFile:
		r.problem(where, "keys", "", "only one of "+name+" and "+name+"_FILE")
		return
	case fromFile:
		where = "environment " + name + "_FILE"
		content, err := readSecret(file)
		if err != nil {
			r.problem(where, "keys", fmt.Sprintf("%q", file), err.Error())
			return
		}
		text = content
	case !given:
		return
	}
	*to = nil
	r.origins["keys"] = where
	separator := func(c rune) bool { return c == '\n' || c == ',' }
	for pair := range strings.FieldsFuncSeq(text, separator) {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		id, secret, ok := strings.Cut(pair, ":")
		if !ok {
			r.problem(where, "keys", "", "pairs of the form `id: secret`, one in a line or separated by commas")
			return
		}
		path := fmt.Sprintf("keys[%d]", len(*to))
		r.origins[path+".id"], r.origins[path+".secret"] = where, where
		*to = append(*to, Key{ID: strings.TrimSpace(id), Secret: Secret(strings.TrimSpace(secret))})
	}
}
