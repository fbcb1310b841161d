package userfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/minifed/minifed/identity/userfile"
)

// read reads a whole file: its rows, and its errors as texts.
func read(t testing.TB, format userfile.Format, text string) (rows []userfile.Row, failures []string) {
	t.Helper()
	reader, err := userfile.NewReader(strings.NewReader(text), format)
	if err != nil {
		return nil, []string{err.Error()}
	}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return rows, failures
		}
		if err != nil {
			failures = append(failures, err.Error())
			if userfile.Broken(err) {
				return rows, failures
			}
			continue
		}
		rows = append(rows, row)
	}
}

const csvFile = "\ufeffsub,external_id,username,email,email_verified,phone_number,phone_number_verified,name,address,groups,attribute:role,openid:wxsim1,unionid:group," +
	"password_hash,password_scheme,password_salt,created_at,disabled\r\n" +
	`u-1,4711,alice,Alice@Example.com,1,+8613800138000,0,"Wang, Alice","1 Road` + "\n" + `Shanghai",staff;key users,editor;author,o1,u1,` +
	"5f4dcc3b5aa765d61d8327deb882cf99,md5(password),,2020-01-31 08:00:00,true\r\n" +
	",,bob,,,,,,,,,,,,,,,\r\n"

const jsonFile = `{"sub":"u-1","external_id":"4711","username":"alice","email":"Alice@Example.com","phone_number":"+8613800138000","phone_number_verified":false,` +
	`"name":"Wang, Alice","address":"1 Road\nShanghai","groups":["staff","key users"],"attributes":{"role":["editor","author"]},` +
	`"wechat":[{"app_id":"wxsim1","openid":"o1"},{"open_platform":"group","unionid":"u1"}],` +
	`"password_hash":"5f4dcc3b5aa765d61d8327deb882cf99","password_scheme":"md5(password)","created_at":"2020-01-31T08:00:00Z","disabled":true,"nickname":null}` +
	"\n\n" + `{"username":"bob"}`

func TestReader_BothFormatsSayTheSame(t *testing.T) {
	fromCSV, failures := read(t, userfile.CSV, csvFile)
	fromJSON, more := read(t, userfile.JSONLines, jsonFile)
	if len(failures)+len(more) > 0 || len(fromCSV) != 2 || len(fromJSON) != 2 {
		t.Fatalf("got %v %v, %d and %d rows", failures, more, len(fromCSV), len(fromJSON))
	}
	for n := range fromCSV {
		if !reflect.DeepEqual(fromCSV[n].User, fromJSON[n].User) || !reflect.DeepEqual(fromCSV[n].Dropped, fromJSON[n].Dropped) {
			t.Errorf("got\n%+v\n%+v", fromCSV[n], fromJSON[n])
		}
	}
	alice := fromCSV[0]
	if alice.User.Email != "alice@example.com" || alice.User.Phone != "" || fmt.Sprint(alice.Dropped) != "[phone_number]" || !alice.User.Disabled ||
		alice.User.CreatedAt.Year() != 2020 || len(alice.User.WeChat) != 2 || alice.Line != 2 || fromCSV[1].Line != 4 || fromJSON[1].Line != 3 {
		t.Errorf("got %+v, lines %d and %d", alice, fromCSV[1].Line, fromJSON[1].Line)
	}
}

func TestWrite_IsReadAsTheSameUser(t *testing.T) {
	rows, _ := read(t, userfile.JSONLines, jsonFile)
	for _, row := range rows {
		var out bytes.Buffer
		if err := userfile.Write(&out, row.User); err != nil {
			t.Fatal(err)
		}
		again, failures := read(t, userfile.JSONLines, out.String())
		if len(failures) > 0 || len(again) != 1 || !reflect.DeepEqual(again[0].User, row.User) {
			t.Errorf("%s: got %v %+v, want %+v", out.String(), failures, again, row.User)
		}
	}
}

func TestReader_ErrorsNameLineAndColumn(t *testing.T) {
	long := strings.Repeat("x", userfile.MaxRow)
	for name, row := range map[string]struct {
		format userfile.Format
		text   string
		want   string
	}{
		"an empty file":           {userfile.CSV, "", "line 1: is empty"},
		"an unknown column":       {userfile.CSV, "username,shoe_size\n", "line 1, column 2: names an unknown column"},
		"a column twice":          {userfile.CSV, "username,username\n", "line 1, column 2: names a column twice"},
		"a missing cell":          {userfile.CSV, "username,email\nalice,a@example.com\nbob\n", "line 3, column 1: has another number of columns"},
		"a stray quotation mark":  {userfile.CSV, "username,email\nali\"ce,x\n", "line 2, column 4: has a quotation mark"},
		"an open quotation mark":  {userfile.CSV, "username,email\n\"alice,x\n", "has a quotation mark"},
		"a long row":              {userfile.CSV, "username,email\n\"" + long + long + "\n", "has a row of more than"},
		"GBK":                     {userfile.CSV, "username,name\nalice,\xcd\xf5\n", "line 2, column 7: is not UTF-8"},
		"an e-mail address":       {userfile.CSV, "username,email\nalice,nonsense\n", "line 2, email: must be a plain address"},
		"a truth":                 {userfile.CSV, "username,disabled\nalice,maybe\n", "line 2, disabled: must be true or false"},
		"a time":                  {userfile.CSV, "username,created_at\nalice,yesterday\n", "line 2, created_at: must be a time"},
		"a group":                 {userfile.CSV, "username,groups\nalice," + strings.Repeat("g", 65) + "\n", "line 2, groups: must be names"},
		"no key":                  {userfile.CSV, "name\nAlice\n", "line 2, row: needs sub"},
		"no JSON":                 {userfile.JSONLines, "{\"username\":\"alice\"}\nusername\n", "line 2, column 1: is no JSON object"},
		"broken JSON":             {userfile.JSONLines, `{"username":"alice",}`, "line 1, column"},
		"JSON that ends":          {userfile.JSONLines, `{"username":"alice"`, "line 1, column"},
		"two objects in a line":   {userfile.JSONLines, `{"username":"alice"} {"username":"bob"}`, "line 1, column 22: has more than one JSON value"},
		"an unknown member":       {userfile.JSONLines, `{"username":"alice","shoe":1}`, "has an unknown member"},
		"a member in capitals":    {userfile.JSONLines, `{"USERNAME":"alice"}`, "has an unknown member"},
		"a member twice":          {userfile.JSONLines, `{"username":"alice","username":"bob"}`, "has a member twice"},
		"a number for a text":     {userfile.JSONLines, `{"username":1}`, "line 1, column 13: username must be a text"},
		"a text for a list":       {userfile.JSONLines, `{"groups":"a"}`, "groups must be a list of texts"},
		"an unknown WeChat field": {userfile.JSONLines, `{"wechat":[{"app":"wx"}]}`, "wechat must be a list"},
		"an attribute":            {userfile.JSONLines, `{"attributes":{"a":1}}`, "attributes must be an object"},
		"a long line":             {userfile.JSONLines, `{"name":"` + long + `"}`, "line 1: has more than 65536 bytes"},
		"a password hash":         {userfile.JSONLines, `{"username":"alice","password_hash":"secret-password"}`, "line 1, password_hash: must be bcrypt"},
		"a sub that is an OpenID": {userfile.JSONLines, `{"sub":"oGZUI0egBJY1zhBYw2KhdUfwVJJE"}`, "line 1, sub: must not be an OpenID"},
	} {
		_, failures := read(t, row.format, row.text)
		if len(failures) != 1 || !strings.Contains(failures[0], row.want) {
			t.Errorf("%s: got %q, want %q", name, failures, row.want)
		}
		for _, value := range []string{"nonsense", "maybe", "yesterday", "secret-password", "oGZUI0egBJY1zhBYw2KhdUfwVJJE"} {
			if strings.Contains(fmt.Sprint(failures), value) {
				t.Errorf("%s: the error contains the value: %q", name, failures)
			}
		}
	}
}

func TestReader_ContinuesAfterAnUnacceptableValue(t *testing.T) {
	rows, failures := read(t, userfile.CSV, "username,email\na b,\nalice,\n,x\nbob,\n")
	if len(rows) != 2 || len(failures) != 2 {
		t.Errorf("got %d rows, %v", len(rows), failures)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(true, csvFile)
	f.Add(false, jsonFile)
	f.Add(false, `{"password_hash":"pbkdf2_sha256$1$s$AAAAAAAAAAAAAAAAAAAAAA==","sub":"1"}`)
	f.Fuzz(func(t *testing.T, isCSV bool, text string) {
		format := userfile.JSONLines
		if isCSV {
			format = userfile.CSV
		}
		rows, _ := read(t, format, text)
		for _, row := range rows {
			var out bytes.Buffer
			if err := userfile.Write(&out, row.User); err != nil {
				t.Fatal(err)
			}
			again, failures := read(t, userfile.JSONLines, out.String())
			if len(failures) > 0 || len(again) != 1 || !reflect.DeepEqual(again[0].User, row.User) {
				t.Errorf("%q is written as %s, which is read as %v %+v, want %+v", text, out.String(), failures, again, row.User)
			}
		}
	})
}
