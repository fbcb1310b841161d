package memory

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// allowed returns the number of bytes of memory that this process may use. It is the minimum of the machine's memory and the limits of its
// control group and all groups above it, in cgroup v1 and v2. It returns 0 if the files of Linux have no limit. files is the root of the
// file system.
func allowed(files fs.FS) int64 {
	least := machineMemory(files)
	for _, limit := range groupLimits(files) {
		if least == 0 || limit < least {
			least = limit
		}
	}
	return least
}

// machineMemory reads MemTotal of /proc/meminfo.
func machineMemory(files fs.FS) int64 {
	content, _ := fs.ReadFile(files, "proc/meminfo")
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// hierarchy is a mounted file system of control groups that can limit memory.
type hierarchy struct {
	// root is the group that is mounted at mount.
	root, mount string
	// v2 is the unified hierarchy.
	v2 bool
}

// groupLimits returns the limits of the process's control group and of all visible groups above it.
func groupLimits(files fs.FS) []int64 {
	var limits []int64
	for _, h := range hierarchies(files) {
		names := []string{"memory.limit_in_bytes"}
		if h.v2 {
			names = []string{"memory.max", "memory.high"}
		}
		for group := h.group(files); ; group = path.Dir(group) {
			for _, name := range names {
				if limit, ok := readLimit(files, path.Join(h.mount, group, name)); ok {
					limits = append(limits, limit)
				}
			}
			if group == "/" {
				break
			}
		}
	}
	return limits
}

// hierarchies reads /proc/self/mountinfo (proc_pid_mountinfo(5)).
func hierarchies(files fs.FS) []hierarchy {
	content, _ := fs.ReadFile(files, "proc/self/mountinfo")
	var found []hierarchy
	for line := range strings.Lines(string(content)) {
		before, after, ok := strings.Cut(line, " - ")
		mount, kind := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 5 || len(kind) < 3 {
			continue
		}
		h := hierarchy{root: mount[3], mount: mount[4], v2: kind[0] == "cgroup2"}
		if h.v2 || kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), "memory") {
			found = append(found, h)
		}
	}
	return found
}

// group returns the path of the process's group below the mount, from /proc/self/cgroup (cgroups(7)). Inside a container, that group may
// not be mounted. Then the mounted group is the container's own.
func (h hierarchy) group(files fs.FS) string {
	content, _ := fs.ReadFile(files, "proc/self/cgroup")
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 || h.v2 != (fields[1] == "") || !h.v2 && !slices.Contains(strings.Split(fields[1], ","), "memory") {
			continue
		}
		if h.root == "/" {
			return path.Join("/", fields[2])
		}
		if below, ok := strings.CutPrefix(fields[2]+"/", h.root+"/"); ok {
			return path.Join("/", below)
		}
	}
	return "/"
}

// readLimit reads a file that contains a number of bytes. "max", and the largest number of pages in v1, are no limit.
func readLimit(files fs.FS, name string) (int64, bool) {
	content, err := fs.ReadFile(files, strings.TrimPrefix(name, "/"))
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
	return limit, err == nil && limit > 0 && limit < math.MaxInt64/2
}
