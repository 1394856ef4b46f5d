package search

import "time"

// Layouts of the terms by which documents of a time are found, from the longest period to the shortest. The first letter tells them apart.
const (
	inYear  = "y2006"
	inMonth = "m200601"
	inDay   = "d20060102"
	inHour  = "h2006010215"
)

func periods(at time.Time) []string {
	at = at.UTC()
	return []string{at.Format(inYear), at.Format(inMonth), at.Format(inDay), at.Format(inHour)}
}

// spans returns the fewest periods that hold everything from a time on until before another, and at most an hour more at either end.
func spans(from, to time.Time) []string {
	var list []string
	from, to = from.UTC().Truncate(time.Hour), to.UTC()
	for from.Before(to) {
		y, m, d := from.Date()
		term, next := from.Format(inHour), from.Add(time.Hour)
		for _, longer := range []struct {
			layout      string
			begin, next time.Time
		}{
			{inDay, time.Date(y, m, d, 0, 0, 0, 0, time.UTC), time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)},
			{inMonth, time.Date(y, m, 1, 0, 0, 0, 0, time.UTC), time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)},
			{inYear, time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(y+1, 1, 1, 0, 0, 0, 0, time.UTC)},
		} {
			if from.Equal(longer.begin) && !longer.next.After(to) {
				term, next = from.Format(longer.layout), longer.next
			}
		}
		list, from = append(list, term), next
	}
	return list
}
