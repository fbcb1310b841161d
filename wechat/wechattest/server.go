package wechattest

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/minifed/minifed/wechat"
)

// AppIDPrefix is what the AppID of every simulated app begins with, so that no simulated identity can meet a real one.
const AppIDPrefix = "wxsim"

// API is the path of a call.
type API string

// The calls that are simulated.
const (
	Code2Session    API = "/sns/jscode2session"
	Token           API = "/cgi-bin/token"
	StableToken     API = "/cgi-bin/stable_token"
	PhoneNumber     API = "/wxa/business/getuserphonenumber"
	CheckSession    API = "/wxa/checksession"
	ResetSession    API = "/wxa/resetusersessionkey"
	MiniProgramCode API = "/wxa/getwxacodeunlimit"
	URLLink         API = "/wxa/generate_urllink"
	URLScheme       API = "/wxa/generatescheme"
	PaidUnionID     API = "/wxa/getpaidunionid"
	WebAccessToken  API = "/sns/oauth2/access_token"
	WebRefreshToken API = "/sns/oauth2/refresh_token"
	WebCheckToken   API = "/sns/auth"
	WebUserInfo     API = "/sns/userinfo"
	PluginOpenPID   API = "/wxa/getpluginopenpid"
	EncryptKey      API = "/wxa/business/getuserencryptkey"
	CheckEncrypted  API = "/wxa/business/checkencryptedmsg"
	APIAddresses    API = "/cgi-bin/get_api_domain_ip"
	PushAddresses   API = "/cgi-bin/getcallbackip"
	ClearQuota      API = "/cgi-bin/clear_quota"
	ClearQuotaV2    API = "/cgi-bin/clear_quota/v2"
	GetQuota        API = "/cgi-bin/openapi/quota/get"
	GetRID          API = "/cgi-bin/openapi/rid/get"
)

// handler returns the handler of a call; nil for a call that is not simulated.
func (s *Server) handler(api API) func(*incoming) reply {
	switch api {
	case Code2Session:
		return s.code2Session
	case Token:
		return s.legacyToken
	case StableToken:
		return s.stableToken
	case PhoneNumber:
		return s.phoneNumber
	case CheckSession:
		return s.checkSession
	case ResetSession:
		return s.resetSession
	case MiniProgramCode:
		return s.miniProgramCode
	case URLLink:
		return s.generateURLLink
	case URLScheme:
		return s.generateScheme
	case PaidUnionID:
		return s.paidUnionID
	case WebAccessToken:
		return s.webAccessToken
	case WebRefreshToken:
		return s.refreshWebToken
	case WebCheckToken:
		return s.checkWebToken
	case WebUserInfo:
		return s.webUserInfo
	case PluginOpenPID:
		return s.pluginOpenPID
	case EncryptKey:
		return s.encryptKey
	case CheckEncrypted:
		return s.checkEncryptedMessage
	case APIAddresses, PushAddresses:
		return s.addresses
	case ClearQuota:
		return s.clearQuota
	case ClearQuotaV2:
		return s.clearQuotaBySecret
	case GetQuota:
		return s.getQuota
	case GetRID:
		return s.getRID
	default:
		return nil
	}
}

// Server simulates WeChat's API host. It is an http.Handler; its zero value works and knows no app. Fields must not change
// after first use. It is safe for concurrent use.
type Server struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// KeyRotation is how old a session key must be for a new wx.login to replace it; 0 means one minute. WeChat documents
	// that there is such a minimum, not how long it is.
	KeyRotation time.Duration
	// LoginsPerMinute is the quota of code2Session for every app without a limit of its own (App.SetLimit), above which it
	// returns 45011; 0 means no quota.
	LoginsPerMinute int
	// PlainSlashes leaves "/" unescaped in responses of /sns/. By default it is written "\/", as real responses have it.
	PlainSlashes bool
	// KeepRequests is how many requests are remembered; 0 means 10000.
	KeepRequests int

	once  sync.Once
	seed  [32]byte
	mu    sync.Mutex
	ahead time.Duration
	apps  map[wechat.AppID]*App
	// codes of all kinds, in the order of issue
	codes  map[string]*code
	issued []*code
	tokens map[string]*token
	phones map[string]wechat.PhoneNumber
	// webTokens and webRefreshes are the tokens of sign-ins by WeChat's pages, by value.
	webTokens, webRefreshes map[string]*webToken
	people                  map[string]Person
	// payments by transaction ID
	payments map[string]payment
	gates    map[string]*Gate
	log      []*Request
	// pictures are the drawn mini-program codes by their bits, and links the URL links.
	pictures map[[codeModules * codeModules / 8]byte]Opened
	links    map[string]openedLink
	// rules open mini-programs for ordinary links.
	rules []linkRule
}

func (s *Server) init() {
	s.once.Do(func() {
		_, _ = rand.Read(s.seed[:]) // never fails (crypto/rand)
		s.apps = map[wechat.AppID]*App{}
		s.codes = map[string]*code{}
		s.tokens = map[string]*token{}
		s.phones = map[string]wechat.PhoneNumber{}
		s.webTokens, s.webRefreshes = map[string]*webToken{}, map[string]*webToken{}
		s.people = map[string]Person{}
		s.payments = map[string]payment{}
		s.gates = map[string]*Gate{}
		s.pictures = map[[codeModules * codeModules / 8]byte]Opened{}
		s.links = map[string]openedLink{}
	})
}

// AddApp registers a mini-program. The AppID must begin with AppIDPrefix and be new; an empty secret is replaced by a random
// one.
func (s *Server) AddApp(credential wechat.App) (*App, error) {
	s.init()
	if !strings.HasPrefix(string(credential.ID), AppIDPrefix) || len(credential.ID) > 64 {
		return nil, errors.New("wechattest: a simulated AppID begins with " + AppIDPrefix)
	}
	if credential.Secret == "" {
		credential.Secret = wechat.AppSecret(randomText(hexDigits, 32))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.apps[credential.ID] != nil {
		return nil, errors.New("wechattest: this AppID exists")
	}
	app := &App{
		server: s, id: credential.ID, secret: credential.Secret, users: map[wechat.OpenID]string{},
		sessions: map[string]*session{}, blocked: map[string]bool{}, faults: map[API][]*Fault{},
		snapshots: map[string]bool{},
		limits:    map[API]Limit{}, used: map[API]*usage{}, encrypted: map[string]time.Time{},
	}
	s.apps[credential.ID] = app
	return app, nil
}

// App returns a registered app.
func (s *Server) App(id wechat.AppID) (*App, bool) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	app := s.apps[id]
	return app, app != nil
}

// Advance moves the simulator's clock forward.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// SetPhone gives a user another phone number. Without it, each has one of their own that no telephone has. Two users may
// have the same: numbers are recycled.
func (s *Server) SetPhone(user string, number wechat.PhoneNumber) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phones[user] = number
}

// Phone returns the phone number of a user.
func (s *Server) Phone(user string) wechat.PhoneNumber {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phone(user)
}

func (s *Server) phone(user string) wechat.PhoneNumber {
	if number, ok := s.phones[user]; ok {
		return number
	}
	sum := s.derive("phone", user)
	national := []byte("100")
	for _, b := range sum[:8] {
		national = append(national, '0'+b%10)
	}
	return wechat.PhoneNumber{CountryCode: "86", PureNumber: string(national)}
}

// now is the simulator's time. It is called with s.mu held.
func (s *Server) now() time.Time {
	if s.Now == nil {
		return time.Now().Add(s.ahead)
	}
	return s.Now().Add(s.ahead)
}

// derive is where the identifiers of users come from: the same for the life of a Server, different in another.
func (s *Server) derive(parts ...string) []byte {
	mac := hmac.New(sha256.New, s.seed[:])
	mac.Write([]byte(strings.Join(parts, "\x00")))
	return mac.Sum(nil)
}

// id generates an identifier in WeChat's format: 28 characters, "o" first.
func (s *Server) id(parts ...string) string {
	return ("o" + base64.RawURLEncoding.EncodeToString(s.derive(parts...)))[:28]
}

// incoming is a request that was read, with what is known of it before it is handled.
type incoming struct {
	*Request
	app           *App
	chunked       bool
	escapeSlashes bool
	trace         string // the trace ID of a failure
}

// ServeHTTP responds as WeChat's API host does, or with a queued fault. It also serves the pages of open.weixin.qq.com.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.init()
	if strings.HasPrefix(r.URL.Path, "/connect/") {
		s.servePage(w, r)
		return
	}
	in, err := s.receive(r)
	if err != nil {
		http.Error(w, "413 Request Entity Too Large", http.StatusRequestEntityTooLarge)
		return
	}
	fault := s.takeFault(in)
	answer := s.respond(r.Context(), in, fault)
	s.finish(in, answer)
	answer.write(w)
}

// receive reads the request, finds its app, and records it.
func (s *Server) receive(r *http.Request) (*incoming, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return nil, errors.New("wechattest: body")
	}
	in := &incoming{
		Request: &Request{API: API(r.URL.Path), Method: r.Method, Query: r.URL.Query(), Header: r.Header.Clone(), Body: body},
		chunked: r.ContentLength < 0, escapeSlashes: !s.PlainSlashes,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in.At = s.now()
	in.clientIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	s.identify(in)
	s.record(in.Request)
	return in, nil
}

const maxBody = 1 << 20

// identify finds the app and the user of a request, if the request has them.
func (s *Server) identify(in *incoming) {
	fields := in.fields()
	switch in.API {
	case Code2Session:
		in.AppID, in.Code = wechat.AppID(in.Query.Get("appid")), in.Query.Get("js_code")
	case WebAccessToken:
		in.AppID, in.Code = wechat.AppID(in.Query.Get("appid")), in.Query.Get("code")
	case Token, ClearQuotaV2, WebRefreshToken:
		in.AppID = wechat.AppID(in.Query.Get("appid"))
	case WebCheckToken, WebUserInfo:
		if t := s.webTokens[in.Query.Get("access_token")]; t != nil {
			in.AppID = t.app.id
		}
	case StableToken:
		in.AppID = wechat.AppID(fields.AppID)
	default:
		if t := s.tokens[in.Query.Get("access_token")]; t != nil {
			in.AppID = t.app.id
		}
		in.Code = fields.Code
	}
	in.app = s.apps[in.AppID]
	if c := s.codes[in.Code]; c != nil {
		in.User = c.user
	} else if in.app != nil {
		in.User = in.app.users[cmp.Or(wechat.OpenID(in.Query.Get("openid")), fields.OpenID)]
	}
}

// handle lets the call take effect and returns WeChat's response.
func (s *Server) handle(in *incoming) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	handle := s.handler(in.API)
	if handle == nil {
		return in.failure(40066)
	}
	return handle(in)
}

// Request is one call as it arrived, and its result.
type Request struct {
	At     time.Time
	API    API
	Method string
	Query  url.Values
	Header http.Header
	Body   []byte
	// AppID is the app of the call, if the request has one.
	AppID wechat.AppID
	// User is the user that the code or OpenID in it belongs to; empty when it belongs to none.
	User string
	// Code is the login or phone code in it.
	Code string
	// Errcode is the returned errcode, 0 for success. Status is the HTTP status, 0 when the connection was dropped or the
	// response is still pending.
	Errcode int
	Status  int
	// RID is the trace ID of the response; only failures have one.
	RID string

	response string
	clientIP string
}

func (s *Server) record(request *Request) {
	keep := s.KeepRequests
	if keep == 0 {
		keep = 10000
	}
	s.log = append(s.log, request)
	if len(s.log) > 2*keep {
		s.log = append([]*Request(nil), s.log[len(s.log)-keep:]...)
	}
}

func (s *Server) finish(in *incoming, answer reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in.Errcode = answer.errcode
	if in.RID = in.trace; in.RID != "" {
		in.response = string(answer.body)
	}
	if answer.drop == "" {
		in.Status = answer.status
	}
}

// Requests returns the calls so far, in the order of arrival, including those whose response is pending.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := make([]Request, len(s.log))
	for i, request := range s.log {
		requests[i] = *request
	}
	return requests
}

// TimesSent counts the calls that carried a code.
func (s *Server) TimesSent(code string) int {
	n := 0
	for _, request := range s.Requests() {
		if request.Code == code {
			n++
		}
	}
	return n
}

// ForgetRequests empties the record.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}
