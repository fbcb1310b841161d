package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/minifed/minifed/wechat/wechattest"
)

const inChinese = "LANG=zh_CN.UTF-8"

func TestStartErrors_AreInTheLanguageOfTheEnvironment(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		writeFile(t, path, content)
		return path
	}
	text := file("text", strings.Repeat("not a database\n", 1000))
	key := file("master.key", strings.Repeat("ab", 31)+"\n")
	for name, c := range map[string]struct{ variable, english, chinese string }{
		"unknown key":           {"MINIFED_CONFIG=" + file("a.yaml", "publik_url: x\n"), "unknown key; the nearest one is public_url", "未知的配置项；最接近的是 public_url"},
		"syntax":                {"MINIFED_CONFIG=" + file("b.yaml", "log:\n\tlevel: info\n"), "is not valid YAML", "不是有效的 YAML"},
		"no file":               {"MINIFED_CONFIG=/nonexistent/c.yaml", "the configuration cannot be read: /nonexistent/c.yaml: no such file", "无法读取配置：/nonexistent/c.yaml: 文件或目录不存在"},
		"unknown variable":      {"MINIFED_STORGE_URI=x", "the nearest one is MINIFED_STORAGE_URI", "未知的环境变量"},
		"value":                 {"MINIFED_LOG_LEVEL=loud", "must be one of debug, info", "必须是以下之一：debug、info"},
		"duration":              {"MINIFED_WECHAT_TIMEOUT=5", "must be a duration", "必须是带单位的时长"},
		"origin":                {"MINIFED_PUBLIC_URL=http://id.example.com", "must be https", "必须是 https"},
		"secret in the file":    {"MINIFED_CONFIG=" + file("d.yaml", "keys:\n  master_key: hunter2\n"), "must not be in this file", "不能写在本文件中"},
		"URI of MongoDB":        {"MINIFED_STORAGE_URI=mongodb://db/x?w=1", "the URI sets w", "URI 中 w 的值"},
		"master key":            {"MINIFED_KEYS_MASTER_KEY_FILE=" + key, "line 1: not 32 bytes", "第 1 行：不是以 base64"},
		"no master key":         {"MINIFED_PUBLIC_URL=https://id.example.com", "the master key is missing", "缺少主密钥"},
		"address of no machine": {"MINIFED_LISTEN_ADDRESS=192.0.2.1:1", "the server cannot listen on", "无法监听 192.0.2.1:1"},
		"damaged store":         {"MINIFED_STORAGE_URI=sqlite:" + text, "is damaged, or no database", "已损坏，或不是数据库"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCLI(t, "MINIFED_LISTEN_ADMIN_ADDRESS=off").with("MINIFED_LISTEN_ADDRESS=127.0.0.1:0", c.variable)
			if strings.HasPrefix(c.variable, "MINIFED_CONFIG=") {
				s.Environ = append([]string{c.variable}, s.Environ...)
			}
			if name == "damaged store" {
				s.run(t, "keys", "master", "new")
			}
			s.mustFail(t, exitFailed, []string{"minifed: ", c.english}, "serve")
			s.with(inChinese).mustFail(t, exitFailed, []string{"minifed: ", c.chinese}, "serve")
			if strings.Contains(s.err.String(), "hunter2") {
				t.Error("a secret is printed")
			}
			if _, err := os.Stat(filepath.Join(s.folder, "minifed.db")); !os.IsNotExist(err) {
				t.Errorf("a store was made: %v", err)
			}
		})
	}
}

func TestUsageErrors_AreInTheLanguageOfTheEnvironment(t *testing.T) {
	s := newCLI(t, inChinese)
	for args, says := range map[string]string{
		"clinet":                   `minifed 没有命令 "clinet"；最接近的是 "client"`,
		"serve extra":              `minifed serve 不接受参数，却给出了 "extra"`,
		"help serve extra":         `minifed serve 不接受参数，却给出了 "extra"`,
		"help clinet":              `最接近的是 "client"`,
		"serve --confg x":          "minifed serve 没有选项 --confg；最接近的是 --config",
		"serve -x":                 "minifed serve 没有选项 -x",
		"serve --config":           "--config 需要一个值",
		"serve --=x":               "--=x 不是选项",
		"demo --once=maybe":        "--once maybe：必须是 true 或 false",
		"serve --output xml":       "--output xml：必须是以下之一：text、json",
		"completion bash no-shell": "minifed completion bash 不接受参数",
	} {
		s.mustFail(t, exitUsage, []string{"minifed: ", says, "用法见 `minifed"}, strings.Fields(args)...)
	}
}

func TestDoctor_SpeaksTheLanguageOfTheEnvironmentAndJSONIsEnglish(t *testing.T) {
	s, app := newDoctorHarness(t)
	app.Fail(wechattest.StableToken, wechattest.Fault{Errcode: 40164})
	s = s.with(inChinese)
	s.mustFail(t, exitFailed, []string{"1 项检查失败（共 "}, "doctor")
	for _, line := range []string{
		"正常  配置：http://localhost:8080，身份应用 \"default\"\n", "正常  内存：", "正常  存储：", "正常  磁盘：", "正常  主密钥：", "正常  出口代理：", "正常  微信：",
		"正常  时钟：与微信的时钟相差 ", "正常  邮件：", "正常  default 的密钥：令牌密钥齐全，RS256 自 ", "正常  default 的账号：",
		"失败  小程序 shop（default）：微信拒绝了调用：", "\n      本服务器的地址不在微信公众平台的 IP 白名单中",
	} {
		if !strings.Contains(s.out.String(), line) {
			t.Errorf("without %q:\n%s", line, s.out)
		}
	}
	s.out.Reset()
	s.exitCode(t, "doctor", "--output", "json")
	if printed := s.out.String(); strings.ContainsFunc(printed, func(r rune) bool { return unicode.Is(unicode.Han, r) }) || !strings.Contains(printed, `"check": "master key"`) {
		t.Errorf("JSON:\n%s", printed)
	}
}

func TestDoctor_OfAStoreThatCannotBeUsedIsInChinese(t *testing.T) {
	api := httptest.NewServer(new(wechattest.Server))
	t.Cleanup(api.Close)
	s := newCLIWithStore(t).with(inChinese, "MINIFED_WECHAT_BASE_URL="+api.URL)
	text := filepath.Join(t.TempDir(), "text")
	writeFile(t, text, strings.Repeat("not a database\n", 1000))
	for name, c := range map[string]struct {
		variable string
		says     []string
	}{
		"damaged": {"MINIFED_STORAGE_URI=sqlite:" + text, []string{"失败  存储：" + text + " 已损坏，或不是数据库", "      请停止 minifed 并恢复最近的备份。"}},
		"missing": {"MINIFED_STORAGE_URI=sqlite:/nonexistent/minifed.db", []string{"失败  存储：/nonexistent/minifed.db 处没有存储", "      请先运行一次 `minifed serve`"}},
		"away": {
			"MINIFED_STORAGE_URI=mongodb://u:hunter2@127.0.0.1:1/x?serverSelectionTimeoutMS=100",
			[]string{"失败  存储：存储无法使用：", "      请检查存储是否正在运行"},
		},
		"master key": {"MINIFED_KEYS_MASTER_KEY_FILE=/nonexistent", []string{"失败  主密钥：缺少主密钥：文件 /nonexistent 不存在", "或从副本恢复。"}},
		"configured": {"MINIFED_LOG_LEVEL=loud", []string{"失败  配置：配置有 1 处问题：", "请更正以上配置项。"}},
	} {
		t.Run(name, func(t *testing.T) {
			ill := s.with(c.variable)
			ill.mustFail(t, exitFailed, nil, "doctor")
			for _, says := range c.says {
				if !strings.Contains(ill.out.String(), says) {
					t.Errorf("without %q:\n%s", says, ill.out)
				}
			}
		})
	}
}

// TestRecordErrors_AreInTheLanguageOfTheEnvironment checks a record with problems, a record that does not exist, a row of a file of
// users, and a document.
func TestRecordErrors_AreInTheLanguageOfTheEnvironment(t *testing.T) {
	s := newCLIWithStore(t)
	folder := t.TempDir()
	users, document := filepath.Join(folder, "users.csv"), filepath.Join(folder, "shop.yaml")
	writeFile(t, users, "username,email\nalice,not an address\n")
	writeFile(t, document, "kind: web\nid: shop\nredirect_uri: x\n")
	for _, c := range []struct {
		english, chinese string
		args             []string
	}{
		{"--redirect-uri: a web client needs at least one", "--redirect-uri: web 客户端至少需要一个", []string{"client", "create", "--kind", "web"}},
		{`client "shop" of directory "default" does not exist`, `身份应用 "default" 的客户端 "shop" 不存在`, []string{"client", "show", "shop"}},
		{"redirect_uri: is not a member", "redirect_uri: 不是成员", []string{"apply", "-f", document, "--dry-run"}},
	} {
		s.mustFail(t, exitFailed, []string{c.english}, c.args...)
		s.with(inChinese).mustFail(t, exitFailed, []string{c.chinese}, c.args...)
	}
	s.with(inChinese).mustFail(t, exitFailed, nil, "user", "import", users)
	if got := s.out.String(); !strings.Contains(got, "第 2 行，email：必须是普通的邮箱地址") {
		t.Errorf("the import prints %s", got)
	}
}
