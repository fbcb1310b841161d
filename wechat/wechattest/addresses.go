package wechattest

import "net/http"

// addresses is GET /cgi-bin/get_api_domain_ip and /cgi-bin/getcallbackip. The simulator is on this machine.
func (s *Server) addresses(in *incoming) reply {
	if in.Method != http.MethodGet {
		return in.failure(43001)
	}
	if errcode := s.tokenErrcode(in); errcode != 0 {
		return in.failure(errcode)
	}
	return in.success(struct {
		List []string `json:"ip_list"`
	}{[]string{"127.0.0.1"}})
}
