package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/minifed/minifed/storage"
)

// race calls do in parallel, and returns how many calls had the status 200.
func race(times int, do func(n int) response) (won int) {
	var calls sync.WaitGroup
	responses := make([]response, times)
	for n := range times {
		calls.Go(func() { responses[n] = do(n) })
	}
	calls.Wait()
	for _, each := range responses {
		if each.status == http.StatusOK {
			won++
		}
	}
	return won
}

func TestScan_RacesHaveOneWinner(t *testing.T) {
	t.Parallel()
	for name, open := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			ts := scanServerOn(pageTestServerOn(newTestServerOn(t, c, open(t, c))))
			instances := []*testServer{ts.testServer, ts.secondInstance()}
			const people = 8
			subs := make([]string, people)
			for n := range subs {
				subs[n] = ts.sub(ts.login("mini", fmt.Sprint("person", n)))
			}
			b := ts.deskBrowser()
			scene := b.beginScan()
			// 1. Several people scan one code.
			if won := race(people, func(n int) response { return instances[n%2].seen(scene, "attempt", fmt.Sprint(n)) }); won != 1 {
				t.Errorf("%d people have seen the code", won)
			}
			// 2. All type the right number.
			b.reload()
			number := b.number()
			if won := race(people, func(n int) response { return instances[n%2].approve(scene, fmt.Sprint("person", n), number) }); won != 1 {
				t.Errorf("%d people approved", won)
			}
			scans := list[storage.Scan](ts.testServer)
			if len(scans) != 1 || scans[0].State != storage.ScanApproved || !slices.Contains(subs, scans[0].User) {
				t.Fatalf("%+v", scans)
			}
			// 3. The browser loads its page in several tabs.
			page, cookies := b.page.url, b.cookies
			var tabs sync.WaitGroup
			for range people {
				tabs.Go(func() {
					request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
					for name, value := range cookies {
						request.AddCookie(&http.Cookie{Name: name, Value: value})
					}
					response, err := ts.transport.RoundTrip(request)
					if err != nil {
						t.Error(err)
						return
					}
					_ = response.Body.Close()
				})
			}
			tabs.Wait()
			sessions := list[storage.Session](ts.testServer)
			if len(sessions) != 1 || sessions[0].User != scans[0].User {
				t.Errorf("%d sessions of one approval", len(sessions))
			}
		})
	}
}
