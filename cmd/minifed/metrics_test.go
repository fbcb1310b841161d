package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/minifed/minifed/wechat/wechattest"
)

func TestMetrics_FollowThePrometheusConventions(t *testing.T) {
	simulator := new(wechattest.Server)
	api := httptest.NewServer(simulator)
	t.Cleanup(api.Close)
	running := newCLI(t).startServer(t, "MINIFED_WECHAT_BASE_URL="+api.URL)
	mini := running.miniProgram(t, simulator)
	if status, answer, err := mini.signIn(running.url, url.Values{"code": {mini.app.Login("alice")}}); err != nil || status != http.StatusOK {
		t.Fatalf("%d %v, error %v", status, answer, err)
	}
	_, metrics := get(t, running.adminURL+"/metrics")
	problems, err := promlint.New(strings.NewReader(metrics)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func TestMetrics_RequestsCreateNoNewLabels(t *testing.T) {
	running := newCLI(t).startServer(t)
	series := func() int {
		_, metrics := get(t, running.adminURL+"/metrics")
		return strings.Count(metrics, "\nminifed_")
	}
	for i := range 5 {
		sendUniqueValues(t, running.url, i)
	}
	before := series()
	for i := range 40 {
		sendUniqueValues(t, running.url, 5+i)
	}
	if after := series(); after != before {
		t.Errorf("%d series became %d", before, after)
	}
}

// sendUniqueValues sends requests with new values in every place that could become a label.
func sendUniqueValues(t *testing.T, address string, i int) {
	t.Helper()
	odd := fmt.Sprint("odd-", i)
	for _, row := range []struct{ method, path, host, body string }{
		{http.MethodGet, "/" + odd, "", ""},
		{http.MethodGet, "/d/" + odd + "/oauth2/jwks", "", ""},
		{http.MethodGet, "/oauth2/authorize?client_id=" + odd + "&response_type=" + odd, "", ""},
		{"ODD" + fmt.Sprint(i), "/oauth2/token", "", ""},
		{http.MethodGet, "/oauth2/jwks", odd + ".example", ""},
		{http.MethodPost, "/oauth2/token", "", "grant_type=" + odd + "&client_id=" + odd + "&client_secret=" + odd},
		{http.MethodPost, "/oauth2/revoke", "", "token=" + odd + "&token_type_hint=" + odd},
		{http.MethodPost, bindPath, "", "method=" + odd},
	} {
		request, err := http.NewRequestWithContext(context.Background(), row.method, address+row.path, strings.NewReader(row.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Host = row.host
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	}
}
