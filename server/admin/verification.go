package admin

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/minifed/minifed/storage"
)

// checkVerificationFiles checks files that an issuer serves at {issuer}/NAME.txt.
func (p *problems) checkVerificationFiles(files []storage.VerificationFile) {
	if len(files) > storage.MaxVerificationFiles {
		p.add("verification_files", "has %d files; at most %d are allowed", len(files), storage.MaxVerificationFiles)
	}
	seen := map[string]bool{}
	for _, file := range files {
		p.check("verification_files", checkVerificationFile(file))
		if seen[file.Name] {
			p.add("verification_files", "has %s twice", file.Name)
		}
		seen[file.Name] = true
	}
}

// ChinaProblems returns what is wrong with the verification files and the filing numbers of a directory, such as one that an import
// wrote.
func ChinaProblems(directory storage.Directory) []Problem {
	var found problems
	found.checkVerificationFiles(directory.VerificationFiles)
	found.checkFilings(directory.Branding)
	return found
}

func checkVerificationFile(file storage.VerificationFile) error {
	stem, text := strings.CutSuffix(file.Name, ".txt")
	isName := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
	}
	if !text || stem == "" || len(stem) > 64 || !allRunes(stem, isName) {
		return fmt.Errorf("has the name %q; it must be 1 to 64 letters, digits, - and _, and .txt", file.Name)
	}
	if file.Content == "" || len(file.Content) > storage.MaxVerificationFile || !utf8.ValidString(file.Content) || strings.ContainsRune(file.Content, 0) {
		return fmt.Errorf("has %s, whose content is not a text of 1 to %d bytes", file.Name, storage.MaxVerificationFile)
	}
	return nil
}

// checkFilings checks the filing numbers of a site in mainland China.
func (p *problems) checkFilings(branding storage.Branding) {
	if number := branding.ICPNumber; number != "" {
		p.check("branding.icp_number", checkFiling(number, "ICP", 6, "京ICP备12345678号-1"))
	}
	if number := branding.PoliceNumber; number != "" {
		p.check("branding.police_number", checkFiling(number, "公网安备", 13, "京公网安备 11010502030143号"))
	}
}

// checkFiling requires a label with a word and a number of digits. Licences of telecommunication services have other words; they
// are shown in the place of the ICP number too.
func checkFiling(number, word string, digits int, example string) error {
	if err := checkLabel(number); err != nil {
		return err
	}
	has := strings.Count(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0'
		}
		return -1
	}, number), "0")
	licence := word == "ICP" && (strings.Contains(number, "B1") || strings.Contains(number, "B2"))
	if len(number) > 64 || !strings.Contains(number, word) && !licence || has < digits {
		return errors.New("must be a filing number such as " + example)
	}
	return nil
}
