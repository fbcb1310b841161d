package wechat_test

import (
	"io"
	"net"
	"testing"

	"github.com/minifed/minifed/wechat"
)

// BenchmarkCode2Session measures a login on a reused connection: the client, both sides of the loopback interface, and a
// minimal server.
func BenchmarkCode2Session(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	go serveSessions(listener)
	client := newClient(b, wechat.Config{BaseURL: "http://" + listener.Addr().String()})
	app := fixedApp()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := client.Code2Session(b.Context(), app, "0716AVll20uHk94SLDml27etM946AVlq"); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// serveSessions replies to each read with a session. Requests are small enough to arrive in one.
func serveSessions(listener net.Listener) {
	const response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 84\r\n\r\n" +
		`{"session_key":"nzoqhc3OnwHzeTxJs+inbQ==","openid":"oVBkZ0aYgDMDIywRdgPW8-joxXc4"}` + "\r\n"
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buffer := make([]byte, 4096)
			for {
				if _, err := conn.Read(buffer); err != nil {
					return
				}
				if _, err := io.WriteString(conn, response); err != nil {
					return
				}
			}
		}()
	}
}
