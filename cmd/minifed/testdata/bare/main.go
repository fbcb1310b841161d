// Command bare does what no login can do without, and nothing else: it reads a token request, calls WeChat, signs two tokens with
// ES256 and stores one durable record. `make bench` and `make pair` measure it next to minifed: the difference is what minifed costs.
//
//	bare LISTEN_ADDRESS WECHAT_URL FILE
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(listen, wechat, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	s := &server{
		key: key, wechat: wechat, journal: newJournal(file),
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}},
	}
	fmt.Println("bare is at", listen)
	return http.ListenAndServe(listen, s) //nolint:gosec // Only the benchmark connects.
}

type server struct {
	key     *ecdsa.PrivateKey
	wechat  string
	client  *http.Client
	journal *journal
}

// ServeHTTP responds to a token request with the code of a login.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	response, err := s.login(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(response) // The client is gone.
}

func (s *server) login(r *http.Request) (map[string]any, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	id, _, _ := r.BasicAuth()
	openID, err := s.exchange(id, r.PostForm.Get("subject_token"))
	if err != nil {
		return nil, err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": "https://id.example.com", "sub": openID, "aud": id, "exp": time.Now().Unix() + 600, "iat": time.Now().Unix(), "jti": rand.Text(),
	})
	if err != nil {
		return nil, err
	}
	access, err := s.sign(claims)
	if err != nil {
		return nil, err
	}
	idToken, err := s.sign(claims)
	if err != nil {
		return nil, err
	}
	const record = 256 // a grant in minifed's store
	if err := s.journal.append(append(claims, make([]byte, record)...)); err != nil {
		return nil, err
	}
	return map[string]any{
		"access_token": access, "id_token": idToken, "refresh_token": rand.Text(), "token_type": "Bearer", "expires_in": 600,
	}, nil
}

// exchange spends a code at WeChat.
func (s *server) exchange(id, code string) (openID string, err error) {
	query := url.Values{"appid": {"wxsim" + id}, "secret": {"secret"}, "js_code": {code}, "grant_type": {"authorization_code"}}
	response, err := s.client.Get(s.wechat + "/sns/jscode2session?" + query.Encode())
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var session struct {
		OpenID string `json:"openid"`
	}
	if err := json.Unmarshal(body, &session); err != nil || session.OpenID == "" {
		return "", fmt.Errorf("not a session: %s", body)
	}
	return session.OpenID, nil
}

// sign returns a compact JWS.
func (s *server) sign(claims []byte) (string, error) {
	encoding := base64.RawURLEncoding
	token := encoding.EncodeToString([]byte(`{"alg":"ES256","kid":"bare","typ":"JWT"}`)) + "." + encoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(token))
	signature, err := s.key.Sign(nil, digest[:], crypto.SHA256)
	return token + "." + encoding.EncodeToString(signature), err
}

// journal appends records to a file. Records that wait share one fsync.
type journal struct {
	file *os.File

	mu      sync.Mutex
	synced  *sync.Cond
	waiting []byte
	batch   int // the number of the batch that waits
	durable int // the number of the batches that are durable
	syncing bool
	offset  int64
}

func newJournal(file *os.File) *journal {
	j := &journal{file: file}
	j.synced = sync.NewCond(&j.mu)
	return j
}

// append returns when the record is durable.
func (j *journal) append(record []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = append(j.waiting, record...)
	for mine := j.batch; j.durable <= mine; {
		if j.syncing {
			j.synced.Wait()
			continue
		}
		if err := j.sync(); err != nil {
			return err
		}
	}
	return nil
}

// journalSize is the size at which the file is overwritten from its beginning, as SQLite overwrites its log.
const journalSize = 4 << 20

// sync makes the batch that waits durable, without the lock.
func (j *journal) sync() error {
	records := j.waiting
	j.waiting, j.batch, j.syncing = nil, j.batch+1, true
	j.mu.Unlock()
	_, err := j.file.WriteAt(records, j.offset)
	if err == nil {
		err = j.file.Sync()
	}
	j.mu.Lock()
	j.offset = (j.offset + int64(len(records))) % journalSize
	j.durable, j.syncing = j.batch, false
	j.synced.Broadcast()
	return err
}
