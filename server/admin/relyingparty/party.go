package relyingparty

import (
	"embed"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/minifed/minifed/storage"
)

// configurations are the configuration texts, a file for each Party.
//
//go:embed configurations
var configurations embed.FS

// Party is a relying party or a framework: a program that signs users in with minifed, or that checks its tokens.
type Party struct {
	// Name identifies the row: a-z, 0-9 and hyphens. It is part of the path of redirect URIs nowhere.
	Name string
	// Title is the name that people know, and Version the version whose sign-in was tested; empty is none.
	Title, Version string
	Kind           storage.ClientKind
	// Redirects are the redirect URIs: a path below the address of the application, or the whole URI of a program on the user's
	// machine. Empty is a program that checks tokens and signs no user in.
	Redirects []string
	// PostLogout and BackchannelLogout are paths below the address of the application; empty is none. The path / of PostLogout is the
	// address with and without the slash, because programs send either.
	PostLogout, BackchannelLogout string
	// SendsPKCE is set when the configuration sends a code challenge. The client then requires one.
	SendsPKCE bool
	// SecretInBody is set when the secret is sent in the body and not by Basic authentication. The client accepts both.
	SecretInBody bool
	// NeedsEmail is set when a user without an e-mail address cannot sign in, unless the client has a placeholder domain.
	NeedsEmail bool
	// Introspection is set for a program that introspects tokens of other clients.
	Introspection bool
	// BackendLogout is set for a program whose backend ends sessions at the logout endpoint.
	BackendLogout bool
	// File is where the configuration text belongs, and Language its language as code blocks of Markdown name it.
	File, Language string
	// Note is what the operator must know in addition.
	Note Note
}

// Note is a text in the languages of the console.
type Note struct{ English, Chinese string }

// In returns the text in a language, a BCP 47 tag; English is the default.
func (n Note) In(tag string) string {
	if strings.HasPrefix(tag, "zh") {
		return n.Chinese
	}
	return n.English
}

// Unsupported is a relying party that cannot work with minifed.
type Unsupported struct {
	Name, Title string
	Reason      Note
}

// ErrUnknown means that the table has no row of this name.
var ErrUnknown = errors.New("relyingparty: no such relying party")

// Named returns the row of a name, or ErrUnknown.
func Named(name string) (Party, error) {
	parties := All()
	if i := slices.IndexFunc(parties, func(p Party) bool { return p.Name == name }); i >= 0 {
		return parties[i], nil
	}
	return Party{}, ErrUnknown
}

// NeedsAddress reports whether the redirect URIs depend on the address of the application.
func (p Party) NeedsAddress() bool {
	return slices.ContainsFunc(p.Redirects, func(uri string) bool { return strings.HasPrefix(uri, "/") })
}

// Client returns the settings of a client for the application at an address, such as https://shop.example.com. The caller adds
// the directory, the ID and the name. Without an address, only redirect URIs on the user's machine are set.
func (p Party) Client(address string) (storage.Client, error) {
	client := storage.Client{Kind: p.Kind, RequirePKCE: p.SendsPKCE, Introspection: p.Introspection, BackendLogout: p.BackendLogout}
	if address != "" {
		if err := CheckAddress(address); err != nil {
			return storage.Client{}, err
		}
	}
	for _, uri := range p.Redirects {
		if uri = below(address, uri); uri != "" {
			client.RedirectURIs = append(client.RedirectURIs, uri)
		}
	}
	if logout := below(address, p.PostLogout); logout != "" {
		client.PostLogoutRedirectURIs = []string{logout}
	}
	if root := strings.TrimSuffix(address, "/"); root != "" && p.PostLogout == "/" {
		client.PostLogoutRedirectURIs = append(client.PostLogoutRedirectURIs, root)
	}
	client.BackchannelLogoutURI = below(address, p.BackchannelLogout)
	if p.Kind == storage.ClientSPA && address != "" {
		client.Origins = []string{originOf(address)}
	}
	return client, nil
}

// below returns the URI of a path at an address; a whole URI remains as it is. It is empty for an unknown address.
func below(address, uri string) string {
	switch {
	case !strings.HasPrefix(uri, "/"):
		return uri
	case address == "":
		return ""
	default:
		return strings.TrimSuffix(address, "/") + uri
	}
}

func originOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return parsed.Scheme + "://" + parsed.Host
}

// CheckAddress accepts the address of an application: http or https, a host, and a path without characters that a configuration
// file would read as its own.
func CheckAddress(address string) error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%:/[]"
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "https" && parsed.Scheme != "http" || parsed.Hostname() == "" || len(address) > 512 || strings.Trim(address, allowed) != "" {
		return errors.New("must be the address of the application, such as https://shop.example.com, without query and fragment")
	}
	return nil
}

// Values are the values of a configuration text. An empty Secret is written as CLIENT_SECRET.
type Values struct {
	Issuer, ClientID, Secret string
	// RedirectURI is the client's first redirect URI.
	RedirectURI string
	// Address is that of the application; empty is the origin of RedirectURI.
	Address string
}

// Configuration returns the configuration text with the values in place of its placeholders.
func (p Party) Configuration(values Values) (string, error) {
	text, err := configurations.ReadFile("configurations/" + p.Name + ".txt")
	if err != nil {
		return "", fmt.Errorf("relyingparty: the configuration of %s: %w", p.Name, err)
	}
	if values.Secret == "" {
		values.Secret = "CLIENT_SECRET"
	}
	if values.Address == "" {
		values.Address = originOf(values.RedirectURI)
	}
	return strings.NewReplacer(
		"{issuer}", values.Issuer, "{client_id}", values.ClientID, "{client_secret}", values.Secret,
		"{redirect_uri}", values.RedirectURI, "{application}", strings.TrimSuffix(values.Address, "/"),
	).Replace(string(text)), nil
}
