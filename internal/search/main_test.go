package search

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(child(dir))
	}
	// Of an index whose files are damaged the library may never return: see engine.close.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("careline/internal/search.(*engine).close.func1"))
}
