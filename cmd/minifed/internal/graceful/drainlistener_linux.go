package graceful

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// handshakeTime is the maximum wait for the last packet of a handshake.
	handshakeTime = 2 * time.Second
	// tcpFlags is the offset of the flags in a TCP header (RFC 9293 §3.1).
	tcpFlags = 13
	// flagsSYN and flagsACK are bits of the flags.
	flagsSYN, flagsACK = 0x02, 0x10
	// stateSYNRecv is TCP_SYN_RECV in /proc/net/tcp (proc_pid_net(5)).
	stateSYNRecv = "03"
)

// ignoreHandshakes lets the system drop packets that begin a connection, and returns when the handshakes in progress are complete. Their
// clients have established connections, and would lose a request if the listener closed earlier. A client that connects later tries again
// after a second, and its connection is rejected.
func ignoreHandshakes(ctx context.Context, listener syscall.RawConn, address net.Addr) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: tcpFlags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: flagsSYN | flagsACK},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: flagsSYN, Jt: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	var failed error
	err := listener.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)
	})
	tcp, ok := address.(*net.TCPAddr)
	if err != nil || failed != nil || !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	for ctx.Err() == nil && halfOpen(os.DirFS("/proc/self/net"), tcp.Port) {
		wait(ctx, 5*time.Millisecond)
	}
}

// halfOpen reports whether a handshake with a local port has begun and is not complete. files is /proc/self/net.
func halfOpen(files fs.FS, port int) bool {
	suffix := fmt.Sprintf(":%04X", port)
	for _, name := range []string{"tcp", "tcp6"} {
		file, err := files.Open(name)
		if err != nil {
			continue
		}
		found := false
		for lines := bufio.NewScanner(file); !found && lines.Scan(); {
			fields := strings.Fields(lines.Text())
			found = len(fields) > 3 && fields[3] == stateSYNRecv && strings.HasSuffix(fields[1], suffix)
		}
		_ = file.Close()
		if found {
			return true
		}
	}
	return false
}
