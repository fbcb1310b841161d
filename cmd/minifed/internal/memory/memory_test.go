package memory

import (
	"math"
	"testing"
	"testing/fstest"
)

const (
	mib = int64(1) << 20

	mountV1     = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	mountV2     = "29 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	mountDocker = "900 880 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
	mountHybrid = mountV1 + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	noLimitV1   = "9223372036854771712\n"
)

func TestAllowed_ReadsCgroups(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is known":          {nil, 0},
		"the machine's own memory":  {map[string]string{"proc/meminfo": "MemTotal:  524288 kB\nMemFree: 1 kB\n"}, 512 * mib},
		"no limit in v2":            {map[string]string{"proc/meminfo": "MemTotal: 524288 kB\n", "proc/self/mountinfo": mountV2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 512 * mib},
		"a container of v2":         {map[string]string{"proc/meminfo": "MemTotal: 524288 kB\n", "proc/self/mountinfo": mountV2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 256 * mib},
		"a service of v2":           {map[string]string{"proc/self/mountinfo": mountV2, "proc/self/cgroup": "0::/system.slice/minifed.service\n", "sys/fs/cgroup/system.slice/minifed.service/memory.max": "268435456\n"}, 256 * mib},
		"a slice above the service": {map[string]string{"proc/self/mountinfo": mountV2, "proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/memory.max": "134217728\n", "sys/fs/cgroup/a.slice/b.service/memory.max": "268435456\n"}, 128 * mib},
		"memory.high of v2":         {map[string]string{"proc/self/mountinfo": mountV2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n", "sys/fs/cgroup/memory.high": "201326592\n"}, 192 * mib},
		"a group of v1":             {map[string]string{"proc/self/mountinfo": mountV1, "proc/self/cgroup": "4:memory:/x/y\n3:cpu:/z\n", "sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": "268435456\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": noLimitV1}, 256 * mib},
		"a group above it in v1":    {map[string]string{"proc/self/mountinfo": mountV1, "proc/self/cgroup": "4:memory:/x/y\n", "sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": noLimitV1, "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "134217728\n"}, 128 * mib},
		"a container of v1":         {map[string]string{"proc/self/mountinfo": mountDocker, "proc/self/cgroup": "4:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}, 256 * mib},
		"a group inside it":         {map[string]string{"proc/self/mountinfo": mountDocker, "proc/self/cgroup": "4:memory:/docker/abc/in\n", "sys/fs/cgroup/memory/in/memory.limit_in_bytes": "67108864\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}, 64 * mib},
		"another container's name":  {map[string]string{"proc/self/mountinfo": mountDocker, "proc/self/cgroup": "4:memory:/docker/abcdef\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}, 256 * mib},
		"a group that is not there": {map[string]string{"proc/self/mountinfo": mountV2, "proc/self/cgroup": "0::/../outside\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 256 * mib},
		"v1 beside v2":              {map[string]string{"proc/self/mountinfo": mountHybrid, "proc/self/cgroup": "4:memory:/x\n0::/\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "268435456\n"}, 256 * mib},
		"more than the machine has": {map[string]string{"proc/meminfo": "MemTotal: 131072 kB\n", "proc/self/mountinfo": mountV2, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "268435456\n"}, 128 * mib},
		"files that mean nothing":   {map[string]string{"proc/meminfo": "MemTotal\n", "proc/self/mountinfo": "x\n - \n", "proc/self/cgroup": "::\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{}
			for path, content := range c.files {
				files[path] = &fstest.MapFile{Data: []byte(content)}
			}
			if got := allowed(files); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// The memory of the runtime, of running hashes and of finished hashes fits in the container, with a reserve for other memory.
func TestLimit_FitsTheContainer(t *testing.T) {
	for allowed, want := range map[int64]int64{0: 0, 64 * mib: 32 * mib, 128 * mib: 80 * mib, 256 * mib: 192 * mib, 1024 * mib: 768 * mib} {
		if got := limit(allowed); got != want {
			t.Errorf("%d MiB: the limit is %d MiB, want %d", allowed/mib, got/mib, want/mib)
		}
	}
	for limit, want := range map[int64]int64{192 * mib: 48 * mib, math.MaxInt64: 0} {
		if got := ForHashing(limit); got != want {
			t.Errorf("limit %d: hashes take %d, want %d", limit, got, want)
		}
	}
}
