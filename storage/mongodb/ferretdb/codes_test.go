package ferretdb

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minifed/minifed/identity"
	"github.com/minifed/minifed/storage"
)

const annNumber = "+8613800000001"

// addPhone lets the directory sign in by codes by SMS, and creates the user "ann" with a number that was proven here.
func (i *instance) addPhone() {
	i.Helper()
	entry := must(storage.Get[storage.Directory](i.Context(), i.engine, "default"))(i.T)
	next := entry.Record
	next.SignInMethods, next.SMS.Provider = []string{storage.SignInPhoneCode}, storage.SMSLog
	must(entry.Replace(i.Context(), i.engine, next))(i.T)
	ann := i.addPerson("ann")
	must(i.people().ProvePhone(i.Context(), "default", ann.ID, annNumber, identity.Self(ann.ID)))(i.T)
	i.clock.Advance(6 * time.Second) // Instances have the directory in memory for five.
}

// askCode asks for a code by SMS, and returns the page that asks for it, with the code.
func (b *browser) askCode() (page apiResponse, code string) {
	b.Helper()
	page = b.submit(b.visit(b.url+"/login/phone-code"), "phone_number", annNumber)
	b.handler.Wait()
	sent := regexp.MustCompile(`(?m)\d{6}$`).FindAllString(b.phones.String(), -1)
	if len(sent) == 0 {
		b.Fatalf("nothing was sent: %d %s\n%s", page.status, page.url, page.raw)
	}
	return page, sent[len(sent)-1]
}

// typeAt types a code at an instance.
func (b *browser) typeAt(i *instance, page apiResponse, code string) apiResponse {
	b.Helper()
	page.url = strings.Replace(page.url, b.url, i.address, 1)
	return b.submit(page, "code", code)
}

func TestInstances_CodesShareGuessesAndSignInOnce(t *testing.T) {
	t.Parallel()
	w, a := newDeployment(t, (*Server).ReplicaSet)
	a.addPhone()
	instances := []*instance{a, w.start()}
	thief := a.newBrowser()
	page, code := thief.askCode()
	wrong := "000000"
	if code == wrong {
		wrong = "000001"
	}
	// 1. Five guesses at each of both, two at a time.
	for range 5 {
		var guesses sync.WaitGroup
		for _, i := range instances {
			guesses.Go(func() {
				if got := thief.typeAt(i, page, wrong); got.status != http.StatusBadRequest {
					t.Errorf("a guess: %d\n%s", got.status, got.raw)
				}
			})
		}
		guesses.Wait()
	}
	for _, i := range instances {
		if got := thief.typeAt(i, page, code); got.status != http.StatusTooManyRequests {
			t.Errorf("after ten guesses: %d\n%s", got.status, got.raw)
		}
	}
	// 2. The right code, at both at once.
	w.clock.Advance(61 * time.Minute)
	ann := a.newBrowser()
	page, code = ann.askCode()
	var typed sync.WaitGroup
	for _, i := range instances {
		typed.Go(func() { ann.typeAt(i, page, code) })
	}
	typed.Wait()
	if sessions := list[storage.Session](a); len(sessions) != 1 {
		t.Errorf("%d sessions by one code", len(sessions))
	}
}
