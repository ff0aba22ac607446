package arena

import "testing"

func TestClassesAreEighthsApart(t *testing.T) {
	prev := uint(0)
	for c := uint(0); c < NumClasses; c++ {
		size := sizeOf(c)
		if size%8 != 0 || size <= prev {
			t.Fatalf("class %d: %d bytes after %d", c, size, prev)
		}
		if step := size - prev; step > 8 && step*8 > prev {
			t.Errorf("class %d: %d is more than 12.5 %% above %d", c, size, prev)
		}
		prev = size
	}
	if prev != maxSmall {
		t.Errorf("largest class is %d bytes, want %d", prev, maxSmall)
	}
}

func TestClassOfIsTheSmallestThatFits(t *testing.T) {
	c := uint(0)
	for n := uint(1); n <= maxSmall; n++ {
		if n > sizeOf(c) {
			c++
		}
		if got := classOf(n); got != c {
			t.Fatalf("classOf(%d) = %d, want %d", n, got, c)
		}
		if got := ClassSize(int(n)); got != int(sizeOf(c)) {
			t.Fatalf("ClassSize(%d) = %d, want %d", n, got, sizeOf(c))
		}
	}
}

func TestClassSizeOutsideTheClasses(t *testing.T) {
	for n, want := range map[int]int{-1: 8, 0: 8, maxSmall + 1: 36 << 10, 1 << 30: 1 << 30, 1<<30 + 1: 1<<30 + 4096} {
		if got := ClassSize(n); got != want {
			t.Errorf("ClassSize(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestSmallestRuns(t *testing.T) {
	for c, p := range runPages {
		bytes, size := uint(p)<<pageShift, sizeOf(uint(c))
		if p == 0 || p > 32 || bytes/size < 4 || bytes%size > bytes/16 {
			t.Errorf("class %d of %d bytes: run of %d pages", c, size, p)
		}
	}
	if runPages[0] != 1 || runPages[classOf(80)] != 1 || runPages[classOf(1024)] != 1 {
		t.Error("small classes should begin with one page")
	}
}

func TestRunsGrowWithTheClass(t *testing.T) {
	c := classOf(64)
	for total, want := range map[int64]uint32{0: 1, 64 * 15: 1, 64 * 16: 2, 64 * 32: 4, 64 * 128: 16, 1 << 30: 16} {
		if got := nextRunPages(c, total); got != want {
			t.Errorf("with %d blocks the next run has %d pages, want %d", total, got, want)
		}
	}
	if got := nextRunPages(NumClasses-1, 1<<30); got != 32 {
		t.Errorf("run of the largest class has %d pages, want 32", got)
	}
}

// TestFullRunsWasteLittle: the end of a run that is too short for a block is resident all the same.
func TestFullRunsWasteLittle(t *testing.T) {
	for c, p := range fullPages {
		bytes, size := uint(p)<<pageShift, sizeOf(uint(c))
		if p < runPages[c] || size <= 8<<10 && float64(bytes%size) > 0.008*float64(bytes) || p > max(runPages[c], maxRunPages) {
			t.Errorf("class %d of %d bytes: run of %d pages wastes %d bytes", c, size, p, bytes%size)
		}
		if got := nextRunPages(uint(c), 1<<40); got != uint32(p) {
			t.Errorf("class %d of %d bytes: the next run has %d pages, want %d", c, size, got, p)
		}
	}
}

func TestBins(t *testing.T) {
	prev := uint(0)
	for n := uint32(1); n < 1<<20; n++ {
		b := binOf(n)
		if b < prev || b > prev+1 {
			t.Fatalf("binOf(%d) = %d after %d", n, b, prev)
		}
		prev = b
	}
	if b := binOf(1 << 31); b >= numBins {
		t.Fatalf("binOf(1<<31) = %d, there are %d", b, numBins)
	}
}
