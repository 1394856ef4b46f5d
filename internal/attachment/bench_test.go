package attachment

import (
	"io"
	"runtime"
	"testing"
)

// growing is content without end that notes how much memory is in use while it is read.
type growing struct {
	read int64
	peak uint64
}

func (g *growing) Read(b []byte) (int, error) {
	if g.read>>22 != (g.read+int64(len(b)))>>22 { // every 4 MiB
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		g.peak = max(g.peak, m.HeapAlloc)
	}
	g.read += int64(len(b))
	for i := range b {
		b[i] = byte(i)
	}
	return len(b), nil
}

// The memory that an upload takes does not grow with the file.
func BenchmarkUpload(b *testing.B) {
	for name, size := range map[string]int64{"16MiB": 16 << 20, "256MiB": 256 << 20} {
		b.Run(name, func(b *testing.B) {
			bench := openAt(b, b.TempDir(), func(o *Options) { o.Limits.File = size })
			var peak uint64
			b.SetBytes(size)
			for b.Loop() {
				u := bench.begin("a.bin", "", int(size))
				content := &growing{}
				if _, err := bench.Append(b.Context(), u.ID, "ann", 0, io.LimitReader(content, size)); err != nil {
					b.Fatal(err)
				}
				if _, err := bench.Finish(b.Context(), u.ID, "ann"); err != nil {
					b.Fatal(err)
				}
				bench.attach(u.ID, "m")
				peak = max(peak, content.peak)
			}
			b.ReportMetric(float64(peak)/(1<<20), "MiB-heap")
		})
	}
}
