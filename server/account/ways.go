package account

import (
	"github.com/minifed/minifed/server/authorize"
	"github.com/minifed/minifed/server/endpoint"
	"github.com/minifed/minifed/server/page"
	"github.com/minifed/minifed/storage"
)

// Way is a sign-in method with a page of its own, which the login page links to.
type Way struct {
	// Method is its name in storage.Directory.SignInMethods.
	Method string
	// Path is its page, and Text the text of the link or button on the login page.
	Path string
	Text page.Message
	// Begin means that the login page begins the method by a POST request to Path. Otherwise it links to Path.
	Begin bool
	// Works reports whether the method works in the browser of r, and is set up for the client of p, which is nil for the account page.
	Works func(r *endpoint.Request, p *authorize.Pending) (bool, error)
}

// Offered reports whether users can sign in by this way: the directory lists the method, and it works.
func (w Way) Offered(r *endpoint.Request, p *authorize.Pending) (bool, error) {
	if !r.Issuer.Directory.HasSignInMethod(w.Method) {
		return false, nil
	}
	return w.Works(r, p)
}

// loginWays are the ways on the login page, those before and those after the form of the password.
type loginWays struct {
	Before, After []Way
	Password      bool
}

// offered returns the ways of a login page in the order of the directory.
func (e *Login) offered(r *endpoint.Request, p *authorize.Pending) (loginWays, error) {
	var shown loginWays
	for _, method := range r.Issuer.Directory.ShownSignInMethods() {
		if method == storage.SignInPassword {
			shown.Password = true
			continue
		}
		for _, way := range e.Ways {
			if way.Method != method {
				continue
			}
			works, err := way.Works(r, p)
			if err != nil {
				return loginWays{}, err
			}
			switch {
			case !works:
			case shown.Password:
				shown.After = append(shown.After, way)
			default:
				shown.Before = append(shown.Before, way)
			}
		}
	}
	return shown, nil
}
