package store

// Pair is a key of two parts, sorted by the first, then by the second.
type Pair[A, B any] struct {
	First  A
	Second B
}

// PairKey encodes a Pair.
type PairKey[A, B any] struct {
	first  Key[A]
	second Key[B]
}

// Join makes a key of two; a part may itself be joined.
func Join[A, B any](first Key[A], second Key[B]) PairKey[A, B] { return PairKey[A, B]{first, second} }

// Append implements Key.
func (p PairKey[A, B]) Append(b []byte, k Pair[A, B]) []byte {
	return p.second.Append(p.first.Append(b, k.First), k.Second)
}

// Cut implements Key.
func (p PairKey[A, B]) Cut(b []byte) (k Pair[A, B], rest []byte, err error) {
	if k.First, rest, err = p.first.Cut(b); err != nil {
		return k, nil, err
	}
	k.Second, rest, err = p.second.Cut(rest)
	return k, rest, err
}

// Of returns all keys with a first part.
func (p PairKey[A, B]) Of(first A) Group[Pair[A, B]] {
	return Group[Pair[A, B]]{encode(p.first, first)}
}

// Triple is a key of three parts.
type Triple[A, B, C any] struct {
	First  A
	Second B
	Third  C
}

// TripleKey encodes a Triple.
type TripleKey[A, B, C any] struct {
	first  Key[A]
	second Key[B]
	third  Key[C]
}

// Join3 makes a key of three.
func Join3[A, B, C any](first Key[A], second Key[B], third Key[C]) TripleKey[A, B, C] {
	return TripleKey[A, B, C]{first, second, third}
}

// Append implements Key.
func (t TripleKey[A, B, C]) Append(b []byte, k Triple[A, B, C]) []byte {
	return t.third.Append(t.second.Append(t.first.Append(b, k.First), k.Second), k.Third)
}

// Cut implements Key.
func (t TripleKey[A, B, C]) Cut(b []byte) (k Triple[A, B, C], rest []byte, err error) {
	if k.First, rest, err = t.first.Cut(b); err != nil {
		return k, nil, err
	}
	if k.Second, rest, err = t.second.Cut(rest); err != nil {
		return k, nil, err
	}
	k.Third, rest, err = t.third.Cut(rest)
	return k, rest, err
}

// Of returns all keys with a first part.
func (t TripleKey[A, B, C]) Of(first A) Group[Triple[A, B, C]] {
	return Group[Triple[A, B, C]]{encode(t.first, first)}
}

// Of2 returns all keys with a first and a second part.
func (t TripleKey[A, B, C]) Of2(first A, second B) Group[Triple[A, B, C]] {
	return Group[Triple[A, B, C]]{t.second.Append(encode(t.first, first), second)}
}

// Group is all keys that begin with the same parts. The zero value is all keys.
type Group[K any] struct{ prefix []byte }

// Range says which keys a scan goes through, and how. The zero value is all of them, upwards.
type Range[K any] struct {
	In      Group[K] // only keys of this group
	From    *K       // the least key
	After   *K       // all keys are more
	To      *K       // all keys are less
	Reverse bool     // downwards: the largest first
	Limit   int      // at most so many; 0: no limit
}

// bounds returns the bytes from which, and before which, the keys are; nil means no bound. ok is false when there are none.
func (r Range[K]) bounds(key Key[K]) (from, to []byte, ok bool) {
	if len(r.In.prefix) > 0 {
		from, to = r.In.prefix, behind(r.In.prefix)
	}
	if r.From != nil {
		from = later(from, encode(key, *r.From))
	}
	if r.After != nil {
		after := behind(encode(key, *r.After))
		if after == nil {
			return nil, nil, false
		}
		from = later(from, after)
	}
	if r.To != nil {
		if end := encode(key, *r.To); to == nil || string(end) < string(to) {
			to = end
		}
	}
	return from, to, to == nil || string(from) < string(to)
}

func later(a, b []byte) []byte {
	if string(a) > string(b) {
		return a
	}
	return b
}
