package store

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ordered checks that a key's bytes sort as keys do, come back as they were, and are no beginning of others.
func ordered[K any](t *rapid.T, key Key[K], compare func(a, b K) int, a, b K) {
	t.Helper()
	x, y := encode(key, a), encode(key, b)
	want := compare(a, b)
	if got := bytes.Compare(x, y); got != want {
		t.Fatalf("%v and %v: bytes compare as %d, expected %d\n%x\n%x", a, b, got, want, x, y)
	}
	if want != 0 && (bytes.HasPrefix(x, y) || bytes.HasPrefix(y, x)) {
		t.Fatalf("%v and %v: one is the beginning of the other\n%x\n%x", a, b, x, y)
	}
	for _, k := range []K{a, b} {
		back, rest, err := key.Cut(append(encode(key, k), "rest"...))
		if err != nil || string(rest) != "rest" || compare(back, k) != 0 {
			t.Fatalf("%v comes back as %v, %q, %v", k, back, rest, err)
		}
	}
}

var (
	drawText = rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 'a', 0xff, 0x100}), 0, 5, -1))
	drawTime = rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos"))
	})
)

type small uint64

func TestKeysKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawText.Draw(t, "a"), drawText.Draw(t, "b")
		m, n := rapid.Uint64().Draw(t, "m"), rapid.Uint64().Draw(t, "n")
		i, j := rapid.Int64().Draw(t, "i"), rapid.Int64().Draw(t, "j")
		x, y := drawTime.Draw(t, "x"), drawTime.Draw(t, "y")
		ordered(t, String[string](), strings.Compare, a, b)
		ordered(t, Uint64[small](), cmp.Compare[small], small(m), small(n))
		ordered(t, Int64[int64](), cmp.Compare[int64], i, j)
		ordered(t, Time(), time.Time.Compare, x, y)
		ordered(t, Descending(String[string]()), func(a, b string) int { return strings.Compare(b, a) }, a, b)
		ordered(t, Join(Descending(Int64[int64]()), String[string]()), func(a, b Pair[int64, string]) int {
			return cmp.Or(cmp.Compare(b.First, a.First), strings.Compare(a.Second, b.Second))
		}, Pair[int64, string]{i % 2, a}, Pair[int64, string]{j % 2, b})
		ordered(t, Join3(String[string](), Descending(Time()), String[string]()), func(a, b Triple[string, time.Time, string]) int {
			return cmp.Or(strings.Compare(a.First, b.First), b.Second.Compare(a.Second), strings.Compare(a.Third, b.Third))
		}, Triple[string, time.Time, string]{a, x, b}, Triple[string, time.Time, string]{rapid.SampledFrom([]string{a, b}).Draw(t, "first"), y, a})
	})
}

func TestKeysAtTheEdges(t *testing.T) {
	times := []time.Time{{}, time.Unix(math.MinInt32, 0), time.Unix(0, 0), time.Unix(0, 1), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)}
	for i := 1; i < len(times); i++ {
		if bytes.Compare(encode(Time(), times[i-1]), encode(Time(), times[i])) >= 0 {
			t.Errorf("%v is not before %v", times[i-1], times[i])
		}
	}
	back, err := decode(Time(), encode(Time(), time.Time{}))
	if !back.IsZero() || err != nil {
		t.Errorf("no time comes back as %v, %v", back, err)
	}
	here, err := decode(Time(), encode(Time(), time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("east", 3600))))
	if here != time.Date(2026, 1, 2, 2, 4, 5, 6, time.UTC) || err != nil {
		t.Errorf("%v, %v", here, err)
	}
	for in, want := range map[string]string{"a": "b", "a\xff": "b", "\xff\xff": "", "": ""} {
		if got := behind([]byte(in)); string(got) != want || want == "" && got != nil {
			t.Errorf("behind %q: %q", in, got)
		}
	}
}

// reread checks that what a key reads is what it would have written.
func reread[K any](t *testing.T, key Key[K], b []byte) {
	t.Helper()
	k, rest, err := key.Cut(bytes.Clone(b))
	if err != nil {
		return
	}
	if again := append(encode(key, k), rest...); !bytes.Equal(again, b) {
		t.Errorf("%x is read as %v, which is written as %x", b, k, again)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("text\x00\x01rest"))
	f.Add([]byte("te\x00\xffxt\x00\x01"))
	f.Add([]byte("\x00\x00"))
	f.Add(bytes.Repeat([]byte{0xff}, 12))
	f.Add(encode(Join3(String[string](), Descending(Time()), Uint64[uint64]()), Triple[string, time.Time, uint64]{"a", time.Unix(5, 6), 7}))
	f.Fuzz(func(t *testing.T, b []byte) {
		reread(t, String[string](), b)
		reread(t, Uint64[uint64](), b)
		reread(t, Int64[int64](), b)
		reread(t, Time(), b)
		reread(t, Descending(String[string]()), b)
		reread(t, Join3(String[string](), Descending(Time()), Uint64[uint64]()), b)
		reread(t, Join(Join(String[string](), Int64[int64]()), String[string]()), b)
	})
}

// FuzzRecords gives bytes to everything that reads values from disk.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("key"), seal("s", []byte("key"), []byte(`{"Name":"a","Tags":["b"]}`)))
	f.Add([]byte("key"), []byte{1, 2, 3})
	f.Add([]byte{}, []byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, key, b []byte) {
		if value, err := unseal("s", key, b); err == nil && !bytes.Equal(seal("s", key, value), b) {
			t.Errorf("%x holds %x, which would be sealed otherwise", b, value)
		}
		if p, err := JSON[person]().Decode(b); err == nil {
			again, err := JSON[person]().Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			if q, err := JSON[person]().Decode(again); err != nil || q.Name != p.Name || len(q.Tags) != len(p.Tags) {
				t.Errorf("%+v comes back as %+v, %v", p, q, err)
			}
		}
	})
}
