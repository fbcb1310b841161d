package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/minifed/minifed/wechat/wechattest"
)

const deviceGrantType = "urn:ietf:params:oauth:grant-type:device_code"

func TestDevice_ClientNeedsTheOfferOfItsDirectory(t *testing.T) {
	api := httptest.NewServer(new(wechattest.Server))
	t.Cleanup(api.Close)
	s := newCLIWithStore(t).with("MINIFED_WECHAT_BASE_URL=" + api.URL)
	// Only the authorization code needs a redirect URI.
	s.mustFail(t, exitFailed, []string{"--redirect-uri"}, "client", "create", "--kind", "native", "--id", "app")
	s.run(t, "client", "create", "--kind", "native", "--id", "tv", "--grant-type", deviceGrantType)
	s.mustFail(t, exitFailed, []string{"--grant-type"}, "client", "create", "--kind", "service", "--id", "job", "--grant-type", deviceGrantType)
	const remedy = "minifed directory update default --device-grant"
	if said := s.run(t, "doctor"); !strings.Contains(said, remedy) {
		t.Errorf("doctor does not say %q:\n%s", remedy, said)
	}
	s.run(t, "directory", "update", "default", "--device-grant")
	if said := s.run(t, "directory", "show", "default", "--output", "json"); !strings.Contains(said, `"device_grant": true`) {
		t.Errorf("show prints %s", said)
	}
	if said := s.run(t, "doctor"); strings.Contains(said, remedy) {
		t.Errorf("doctor after the remedy:\n%s", said)
	}
}
