package configs

import "reflect"

// Changes returns the paths of the keys in which two configurations differ.
func Changes(a, b *Config) []string {
	values := make(map[string]any)
	leaves(reflect.ValueOf(a).Elem(), "", func(path string, v reflect.Value) { values[path] = v.Interface() })
	var list []string
	leaves(reflect.ValueOf(b).Elem(), "", func(path string, v reflect.Value) {
		if !reflect.DeepEqual(values[path], v.Interface()) {
			list = append(list, path)
		}
	})
	return list
}
