package search

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"careline/internal/errs"
)

var ctx = context.Background()

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, dir string) *Index {
	t.Helper()
	x, err := Open(Options{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// message is the n-th of a conversation that everybody may read.
func message(n int, text string) Document {
	return Document{
		ID: fmt.Sprintf("m%06d", n), Kind: "text", Stream: "c1", Access: []string{"p:all"}, From: "ann", At: start.Add(time.Duration(n) * time.Minute),
		Seq: uint64(n), Text: text,
	}
}

func put(t testing.TB, x *Index, docs ...Document) {
	t.Helper()
	changes := make([]Change, len(docs))
	for i := range docs {
		changes[i].Put = &docs[i]
	}
	if err := x.Apply(ctx, changes, nil); err != nil {
		t.Fatal(err)
	}
}

func seeAll(_ context.Context, hits []Hit) ([]Hit, error) { return hits, nil }

func query(text string) Query {
	return Query{Expression: Parse(text, time.UTC), Access: []string{"p:all"}, Visible: seeAll}
}

func ask(t testing.TB, x *Index, q Query) Page {
	t.Helper()
	p, err := x.Query(ctx, q)
	if err != nil {
		t.Fatalf("%s: %v", q.String(), err)
	}
	return p
}

func ids(hits []Hit) string {
	list := make([]string, len(hits))
	for i, h := range hits {
		list[i] = strings.TrimLeft(h.ID, "m0")
	}
	return strings.Join(list, " ")
}

// find returns what a query finds, newest first, by number.
func find(t testing.TB, x *Index, text string) string {
	t.Helper()
	return ids(ask(t, x, query(text)).Hits)
}

// TestLanguages writes a sentence in each language and looks for other forms of its words.
func TestLanguages(t *testing.T) {
	for _, c := range []struct {
		name, text, lang string
		found, missed    []string
	}{
		{"English", "Two travellers are stuck at hotels near the airport and are waiting for answers", "", []string{"traveller", "hotel", "WAIT", "answer near", "waited"}, []string{"motel", "wai"}},
		{"English, short", "boxes", "", []string{"box"}, []string{"bo"}},
		{"German", "Die Häuser in der Straße wurden wegen des Hochwassers geräumt", "", []string{"haus", "Hauser", "häuser", "strasse", "STRASSE", "geraumt", "hochwasser"}, []string{"maus"}},
		{"French", "Les voyageurs attendent leurs valises à l'hôtel depuis des journées", "", []string{"voyageur", "hotel", "hôtel", "valise", "l'hotel"}, []string{"auberge"}},
		{"Spanish", "Los pasajeros están esperando en las estaciones porque no hay aviones", "", []string{"pasajero", "estan", "estación", "estacion"}, []string{"tren"}},
		{"Portuguese", "Os passageiros não conseguiram encontrar as informações sobre as viagens", "", []string{"passageiro", "informacoes", "informação", "nao"}, []string{"barco"}},
		{"Italian", "I viaggiatori aspettano le informazioni davanti alle stazioni della città", "", []string{"viaggiatore", "stazione", "citta", "informazione"}, []string{"nave"}},
		{"Dutch", "De reizigers wachten al uren op hun koffers bij de luchthaven", "", []string{"reiziger", "koffer", "luchthaven"}, []string{"fiets"}},
		{"Swedish", "Resenärerna väntar på bussarna utanför hotellet eftersom tågen är inställda", "sv", []string{"buss", "vantar", "tåg"}, []string{"båt"}},
		{"Russian", "Путешественники ждут новостей в гостиницах рядом с аэропортом", "", []string{"гостиница", "новости", "аэропорт", "путешественник"}, []string{"поезд"}},
		{"Russian, short", "ёлки", "", []string{"елки", "ёлка"}, []string{"палка"}},
		{"Arabic", "المسافرون ينتظرون في الفندق بالقرب من المدرسة", "", []string{"فندق", "الفندق", "المدرسه", "مسافرون"}, []string{"سيارة"}},
		{"Arabic, vowels and hamza", "أَهْلًا بكم", "", []string{"اهلا", "أهلا"}, []string{"سهلا"}},
		{"Greek", "Οι ταξιδιώτες περιμένουν στο ξενοδοχείο", "", []string{"ταξιδιωτες", "ΞΕΝΟΔΟΧΕΊΟ"}, []string{"πλοίο"}},
		{"Turkish", "Yolcular İstanbul havalimanında bekliyorlar", "tr", []string{"istanbul", "yolcu", "ISTANBUL"}, []string{"ankara"}},
		{"Hebrew", "הנוסעים מחכים במלון", "", []string{"במלון"}, []string{"מלונות"}},
		{"Hindi", "यात्री होटल में इंतज़ार कर रहे हैं", "", []string{"होटल", "यात्री"}, []string{"हाटल"}},
		{"Vietnamese", "Hành khách đang chờ ở khách sạn", "", []string{"khach san", "khách sạn", "dang cho"}, []string{"tàu"}},
		{"Chinese", "旅客在北京机场等待航班", "", []string{"北京", "北京机场", "机场", "航班", "班", "京机"}, []string{"京北", "南京", "机北"}},
		{"Japanese", "東京タワーの近くのホテルで待っています", "", []string{"東京", "タワー", "東京タワー", "ホテル", "ﾎﾃﾙ", "待って"}, []string{"京東", "ホタル"}},
		{"Korean", "여행자들이 서울역에서 기다리고 있습니다", "", []string{"서울역", "서울", "여행자", "역에서"}, []string{"부산"}},
		{"Thai", "นักเดินทางรออยู่ที่โรงแรม", "", []string{"โรงแรม", "เดินทาง"}, []string{"รถไฟ"}},
		{"mixed", "Gate 42B 変更 → iPhone15 for flight LH-1234, mail ops@example.org", "", []string{"42b", "変更", "iphone15", "lh-1234", "LH 1234", "ops@example.org", "example.org", "gate 変更"}, []string{"lh-4321", "org.example"}},
		{"emoji", "all good 👍", "", []string{"👍"}, []string{"👎"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := open(t, t.TempDir())
			d := message(1, c.text)
			d.Lang = c.lang
			put(t, x, d, message(2, "something else"))
			for _, text := range c.found {
				if got := find(t, x, text); got != "1" {
					t.Errorf("%q finds %q", text, got)
				}
			}
			for _, text := range c.missed {
				if got := find(t, x, text); got != "" {
					t.Errorf("%q finds %q", text, got)
				}
			}
		})
	}
}

func TestTerms(t *testing.T) {
	x := open(t, t.TempDir())
	file := message(4, "see attached")
	file.FileName = "Boarding_Pass-Müller.PDF"
	put(t, x, message(1, "the quick brown fox"), message(2, "brown quick the fox"), message(3, "京都の quick 東京 fox"), file, message(5, "wednesday"))
	for text, want := range map[string]string{
		`quick`:                 "3 2 1",
		`"quick brown"`:         "1",
		`"brown quick"`:         "2",
		`“the quick brown fox”`: "1",
		`"quicks"`:              "", // a phrase is exact
		`quicks`:                "3 2 1",
		`"quick 東京 fox"`:        "3",
		`"quick 東 fox"`:         "",
		`"quick 東"`:             "3",
		`東`:                     "3",
		`京`:                     "3",
		`"京都の quick"`:           "3",
		`qui*`:                  "3 2 1",
		`"brown" fo*`:           "2 1",
		`brown-qu*`:             "2",
		`quikc~`:                "3 2 1",
		`quik~`:                 "3 2 1",
		`wendesday~`:            "5",
		`wdnsday~`:              "",
		`wednsday~`:             "5",
		`fox wednesday`:         "",
		`boarding`:              "4",
		`muller`:                "4",
		`"boarding pass"`:       "4",
		`pdf attached`:          "4",
		`has:file`:              "4",
		`has:file fox`:          "",
		`q*`:                    "", // too short, so it is a word
	} {
		if got := find(t, x, text); got != want {
			t.Errorf("%s finds %q, want %q", text, got, want)
		}
	}
}

func TestFilters(t *testing.T) {
	x := open(t, t.TempDir())
	var docs []Document
	for n := 1; n <= 6; n++ {
		d := message(n, "word")
		d.At = time.Date(2024, time.Month(2*n), 28, 23, 30, 0, 0, time.UTC)
		docs = append(docs, d)
	}
	docs[0].From, docs[1].From = "bob", "Cid Dee"
	docs[2].Stream, docs[2].Kind, docs[2].Lang = "c2", "Image", "de-AT"
	docs[3].Incidents = []string{"INC-6", "INC-7"}
	docs[4].At = time.Date(2026, 11, 21, 8, 15, 0, 5000, time.UTC)
	docs[5].At = time.Date(2025, 12, 31, 23, 59, 59, 999999000, time.UTC)
	put(t, x, docs...)
	for text, want := range map[string]string{
		`from:bob`:                                "1",
		`from:bob from:"Cid Dee"`:                 "2 1",
		`from:Bob`:                                "",
		`in:c2`:                                   "3",
		`kind:image word`:                         "3",
		`lang:de`:                                 "3",
		`lang:DE_ch`:                              "3",
		`incident:inc-7`:                          "4",
		`incident:INC-6`:                          "4",
		`in:c1 from:ann after:2024`:               "5 6 4",
		`after:2025`:                              "5 6",
		`before:2025`:                             "4 3 2 1",
		`before:2026-01 after:2025-12-31`:         "6",
		`before:2025-12-31`:                       "4 3 2 1",
		`after:2026-11-21T08:15:00Z`:              "5",
		`after:2026-11-21T08:15:00.000005Z`:       "5",
		`after:2026-11-21T08:15:00.000006Z`:       "",
		`before:2026-11-21T08:15:00.000005Z`:      "6 4 3 2 1",
		`after:2024-04-28 before:2024-06-29 word`: "3 2",
		`after:2024-04-29 before:2024-06-28 word`: "",
		`after:2026-11-21T09:15:00+01:00`:         "5",
		`after:2030`:                              "",
		`word before:2026 after:2027`:             "",
	} {
		if got := find(t, x, text); got != want {
			t.Errorf("%s finds %q, want %q", text, got, want)
		}
	}
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	q := query("")
	q.Expression = Parse("after:2026", vienna)
	if got := ids(ask(t, x, q).Hits); got != "5 6" {
		t.Errorf("since midnight in Vienna: %q", got)
	}
	hit := ask(t, x, query("kind:image")).Hits[0]
	if hit.Stream != "c2" || hit.Seq != 3 || hit.Kind != "Image" || !hit.At.Equal(docs[2].At) || hit.ID != docs[2].ID {
		t.Errorf("%+v", hit)
	}
}

func TestRights(t *testing.T) {
	x := open(t, t.TempDir())
	mine, theirs, ours, gone := message(1, "secret"), message(2, "secret"), message(3, "secret"), message(4, "secret")
	mine.Access, theirs.Access, ours.Access = []string{"p:ann"}, []string{"p:bob"}, []string{"p:ann", "p:bob"}
	gone.Access, gone.Deleted = []string{"p:ann"}, true
	put(t, x, mine, theirs, ours, gone, Document{ID: "nobody's", At: start, Text: "secret"})
	for _, c := range []struct {
		access []string
		past   bool
		want   string
	}{
		{[]string{"p:ann"}, false, "3 1"}, {[]string{"p:bob"}, false, "3 2"}, {[]string{"p:ann", "p:bob"}, false, "3 2 1"},
		{[]string{"p:cid"}, false, ""}, {[]string{"p:ann"}, true, "4 3 1"}, {[]string{"p:bob"}, true, "3 2"}, {[]string{""}, true, ""},
	} {
		q := query("secret")
		q.Access, q.Past = c.access, c.past
		if got := ids(ask(t, x, q).Hits); got != c.want {
			t.Errorf("%v, past %v: %q, want %q", c.access, c.past, got, c.want)
		}
	}
	q := query("secret")
	q.Access = nil
	if _, err := x.Query(ctx, q); !errors.Is(err, ErrNoAccess) {
		t.Errorf("without tokens: %v", err)
	}
	q = query("secret")
	q.Visible = nil
	if _, err := x.Query(ctx, q); !errors.Is(err, ErrNoAccess) {
		t.Errorf("without a check: %v", err)
	}
	// The store knows better than the index.
	q = query("secret")
	q.Access = []string{"p:ann"}
	q.Visible = func(_ context.Context, hits []Hit) ([]Hit, error) {
		return slices.DeleteFunc(slices.Clone(hits), func(h Hit) bool { return h.ID == ours.ID }), nil
	}
	if got := ids(ask(t, x, q).Hits); got != "1" {
		t.Errorf("after the check: %q", got)
	}
	broken := errors.New("the store is away")
	q.Visible = func(context.Context, []Hit) ([]Hit, error) { return nil, broken }
	if p, err := x.Query(ctx, q); !errors.Is(err, broken) || len(p.Hits) != 0 {
		t.Errorf("a check that fails: %v, %v", p, err)
	}
	// Who is taken out of a conversation has its documents written again.
	ours.Access = []string{"p:bob"}
	put(t, x, ours)
	q = query("secret")
	q.Access = []string{"p:ann"}
	if got := ids(ask(t, x, q).Hits); got != "1" {
		t.Errorf("after the change: %q", got)
	}
}

func TestBadQueries(t *testing.T) {
	x := open(t, t.TempDir())
	put(t, x, message(1, "one"))
	for _, text := range []string{"", "   ", "...", "from: before:yesterday"} {
		if _, err := x.Query(ctx, query(text)); !errors.Is(err, ErrNoQuery) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, cursor := range []string{"x", "!!", "AAAA", "enp6enp6enp6enp6enp6enp6enp6"} {
		q := query("one")
		q.Cursor = cursor
		if _, err := x.Query(ctx, q); !errors.Is(err, ErrBadCursor) {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	q := query("one")
	q.Access = make([]string, MostAccess+1)
	if _, err := x.Query(ctx, q); !errs.Is(err, errs.Limit) {
		t.Errorf("too many tokens: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := x.Query(ended, query("one")); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
	for _, d := range []Document{{At: start}, {ID: "a\x00b", At: start}, {ID: "x"}, {ID: "\xff", At: start}, {ID: "x", At: start, Access: []string{strings.Repeat("x", longestName+1)}}} {
		if err := x.Apply(ctx, []Change{{Put: &d}}, nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

// TestPages reads page by page while others write, delete and share one moment.
func TestPages(t *testing.T) {
	x := open(t, t.TempDir())
	var docs []Document
	const n = 103
	for i := range n {
		d := message(i, "word")
		d.At = start.Add(time.Duration(i/7) * time.Second) // seven of one moment each
		docs = append(docs, d)
	}
	put(t, x, docs...)
	for _, hidden := range []int{0, 3} {
		var got []string
		q := query("word")
		q.Limit = 10
		q.Visible = func(_ context.Context, hits []Hit) ([]Hit, error) {
			return slices.DeleteFunc(slices.Clone(hits), func(h Hit) bool { return hidden > 0 && h.Seq%uint64(hidden) != 0 }), nil
		}
		for pages := 0; ; pages++ {
			p := ask(t, x, q)
			for _, h := range p.Hits {
				got = append(got, h.ID)
			}
			if p.Cursor == "" {
				break
			}
			if len(p.Hits) != q.Limit || pages > n {
				t.Fatalf("page %d has %d hits", pages, len(p.Hits))
			}
			q.Cursor = p.Cursor
			late := message(1000+pages, "word")
			late.At = start.Add(time.Hour)
			put(t, x, late)
			if err := x.Apply(ctx, []Change{{Delete: p.Hits[0].ID}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		var want []string
		for i := n - 1; i >= 0; i-- {
			if hidden == 0 || i%hidden == 0 {
				want = append(want, docs[i].ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("hidden %d: got %v, want %v", hidden, got, want)
		}
		for i := range 50 {
			if err := x.Apply(ctx, []Change{{Delete: message(1000+i, "").ID}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		put(t, x, docs...)
	}
	q := query("word")
	q.Limit = 2
	rounds := 0
	q.Visible = func(context.Context, []Hit) ([]Hit, error) { rounds++; return nil, nil }
	for pages := 0; ; pages++ {
		p := ask(t, x, q)
		if q.Cursor = p.Cursor; q.Cursor == "" || pages > n {
			break
		}
	}
	if rounds > 20 {
		t.Errorf("%d checks until it is clear that nothing is visible", rounds)
	}
}

// TestApplyTwice writes the same and the opposite again.
func TestApplyTwice(t *testing.T) {
	x := open(t, t.TempDir())
	old, edited := message(1, "before"), message(1, "behind")
	both := []Change{{Put: &old}, {Put: &edited}}
	for range 2 {
		if err := x.Apply(ctx, both, &Cursor{Pos: 2, At: start}); err != nil {
			t.Fatal(err)
		}
		if got := find(t, x, "behind") + find(t, x, "before"); got != "1" {
			t.Errorf("found %q", got)
		}
	}
	if c, known, err := x.Cursor(); err != nil || !known || c.Pos != 2 || !c.At.Equal(start) {
		t.Errorf("%+v %v %v", c, known, err)
	}
	if err := x.Apply(ctx, []Change{{Put: &old}, {Delete: old.ID}}, &Cursor{Pos: 3}); err != nil {
		t.Fatal(err)
	}
	if got := find(t, x, "in:c1"); got != "" {
		t.Errorf("found %q after it was deleted", got)
	}
}
