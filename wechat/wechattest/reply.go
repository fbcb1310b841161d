package wechattest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reply is a response before it is written.
type reply struct {
	status      int
	contentType string
	body        []byte
	errcode     int
	drop        Drop
	cut         bool // whether drop comes in the middle of the body rather than before it
}

// status is the envelope of WeChat's JSON. Calls below /sns/ and /cgi-bin/token leave it out on success.
type status struct {
	Errcode int    `json:"errcode"`
	Errmsg  string `json:"errmsg"`
}

func okAnswer() status { return status{Errmsg: "ok"} }

// success writes JSON as WeChat does: as text/plain with escaped slashes below /sns/.
func (in *incoming) success(v any) reply {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // structs of strings and numbers
	answer := reply{status: http.StatusOK, contentType: in.contentType(), body: bytes.TrimSpace(body.Bytes())}
	if in.sns() && in.escapeSlashes {
		answer.body = bytes.ReplaceAll(answer.body, []byte("/"), []byte(`\/`))
	}
	return answer
}

// failure writes an error envelope with a trace id. The HTTP status of a failure is 200.
func (in *incoming) failure(errcode int) reply {
	return in.failureText(errcode, strconv.Itoa(errcode))
}

func (in *incoming) failureText(errcode int, written string) reply {
	body := fmt.Sprintf(`{"errcode":%s,"errmsg":"%s"}`, written, in.errmsg(errcode))
	return reply{status: http.StatusOK, contentType: in.contentType(), body: []byte(body), errcode: errcode}
}

func (in *incoming) sns() bool { return strings.HasPrefix(string(in.API), "/sns/") }

func (in *incoming) contentType() string {
	if in.sns() {
		return "text/plain"
	}
	return "application/json; encoding=utf-8"
}

// errmsg is the text of an errcode and a trace id, in the style of the call. The first group of a trace id is the time.
func (in *incoming) errmsg(errcode int) string {
	text := errmsg(errcode)
	if errcode == -1 {
		return text
	}
	trace := fmt.Sprintf("%08x-%s-%s", uint32(in.At.Unix()), randomText(hexDigits, 8), randomText(hexDigits, 8))
	in.trace = trace
	rid := "rid: " + trace
	switch {
	case in.API == PhoneNumber && errcode == 40029:
		return text + " hint: [" + randomText(base62Digits, 9) + "-" + randomText(base62Digits, 6) + "] " + rid
	case in.sns() && errcode != 41002:
		return text + ", " + rid
	default:
		return text + " " + rid
	}
}

func errmsg(errcode int) string {
	switch errcode {
	case -1:
		return "system error"
	case 40001:
		return "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r"
	case 40002:
		return "invalid grant_type"
	case 40003:
		return "invalid openid"
	case 40013:
		return "invalid appid"
	case 40014:
		return "invalid access_token"
	case 40029:
		return "invalid code"
	case 40030:
		return "invalid refresh_token"
	case 40033:
		return "invalid charset. please check your request, if include \\\\uxxxx will create fail!"
	case 40066:
		return "invalid url"
	case 40097:
		return "invalid args"
	case 40125:
		return "invalid appsecret"
	case 40129:
		return "invalid scene"
	case 40163:
		return "code been used"
	case 40164:
		return "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist"
	case 40165:
		return "invalid weapp pagepath"
	case 40212:
		return "invalid query"
	case 40169:
		return "invalid length for scene, or the data is not json string"
	case 40226:
		return "code blocked"
	case 40243:
		return "appsecret frozen"
	case 41001:
		return "access_token missing"
	case 41002:
		return "appid missing"
	case 41004:
		return "appsecret missing"
	case 41008:
		return "missing code"
	case 41030:
		return "invalid page"
	case 42001:
		return "access_token expired"
	case 43001:
		return "require GET method"
	case 43002:
		return "require POST method"
	case 45009:
		return "reach max api daily quota limit"
	case 45011:
		return "api minute-quota reach limit mustslower retry next minute"
	case 47001:
		return "data format error"
	case 48001:
		return "api unauthorized"
	case 48006:
		return "forbid to clear quota because of reaching the limit"
	case 76001:
		return "rid not found"
	case 76002:
		return "invalid rid"
	case 76003:
		return "rid is not owned by this account"
	case 76004:
		return "rid is expired"
	case 76021:
		return "cgi_path not found, please check"
	case 85401:
		return "time limit between 1min and 1year"
	case 85402:
		return "invalid env_version"
	case 87007:
		return "session_key is not existd or expired"
	case 87008:
		return "invalid sig_method"
	case 87009:
		return "invalid signature"
	case 89002:
		return "open not exists"
	case 89300:
		return "order is invalid"
	default:
		return "error"
	}
}

// write sends the response, or drops the connection in its place.
func (a reply) write(w http.ResponseWriter) {
	if a.drop != "" {
		a.hangUp(w)
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone
}

// hangUp closes the connection with FIN or RST, before the response or in the middle of it.
func (a reply) hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "this connection cannot be dropped", http.StatusNotImplemented)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if a.cut {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", a.contentType, len(a.body), a.body[:len(a.body)/2])
	}
	if a.drop == RST {
		reset(conn)
	}
}

// reset closes the TCP connection inside of conn with RST.
func reset(conn net.Conn) {
	for {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
			_ = tcp.Close()
			return
		}
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return
		}
		conn = outer.NetConn()
	}
}
