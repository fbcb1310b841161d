package admin

import (
	"testing"

	"github.com/minifed/minifed/storage"
)

func TestScanProblems_NameWhatIsMissing(t *testing.T) {
	t.Parallel()
	scan := func(target storage.ScanTarget) storage.Directory {
		return storage.Directory{ID: "d", SignInMethods: []string{storage.SignInPassword, storage.SignInLink}, Scan: target}
	}
	mini := storage.Client{ID: "m", StartsSessions: true, Federation: &storage.Federation{AppID: "wx1"}}
	plain, disabled := mini, mini
	plain.StartsSessions, disabled.Disabled = false, true
	whole := storage.ScanTarget{MiniProgram: "m", Page: "pages/scan/index"}
	for name, tt := range map[string]struct {
		directory storage.Directory
		clients   []storage.Client
		want      string
	}{
		"not listed":       {storage.Directory{}, nil, ""},
		"complete":         {scan(whole), []storage.Client{mini}, ""},
		"no target":        {scan(storage.ScanTarget{}), []storage.Client{mini}, "no_target"},
		"own target":       {scan(storage.ScanTarget{}), []storage.Client{mini, {ID: "spa", Scan: whole}}, ""},
		"own, not allowed": {scan(storage.ScanTarget{}), []storage.Client{plain, {ID: "spa", Scan: whole}}, "spa not_allowed"},
		"unknown":          {scan(whole), nil, "unknown"},
		"disabled":         {scan(whole), []storage.Client{disabled}, "unknown"},
		"no mini-program":  {scan(whole), []storage.Client{{ID: "m", StartsSessions: true}}, "unknown"},
		"not allowed":      {scan(whole), []storage.Client{plain}, "not_allowed"},
		"no page":          {scan(storage.ScanTarget{MiniProgram: "m"}), []storage.Client{mini}, "no_page"},
		"trial":            {scan(storage.ScanTarget{MiniProgram: "m", Page: "p", Version: "trial"}), []storage.Client{mini}, "unreleased"},
	} {
		got := ""
		for _, problem := range ScanProblems(tt.directory, tt.clients) {
			if got += " "; problem.Client != "" {
				got += problem.Client + " "
			}
			got += string(problem.Reason)
		}
		if len(got) > 0 {
			got = got[1:]
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestAllowScan_KeepsTargetAndMethods(t *testing.T) {
	t.Parallel()
	other := storage.Directory{SignInMethods: []string{storage.SignInPassword, storage.SignInScan}, Scan: storage.ScanTarget{MiniProgram: "first"}}
	AllowScan(&other, "second")
	if other.Scan.MiniProgram != "first" || len(other.SignInMethods) != 2 {
		t.Errorf("%+v", other)
	}
	passkeys := storage.Directory{Policy: storage.Policy{TwoFactor: storage.TwoFactorOptional}}
	AllowScan(&passkeys, "m")
	if passkeys.Scan.MiniProgram != "m" || len(passkeys.SignInMethods) != 3 || passkeys.SignInMethods[0] != storage.SignInScan {
		t.Errorf("%+v", passkeys)
	}
}
