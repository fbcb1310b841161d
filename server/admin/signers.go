package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// maxNamed bounds how many clients a message names.
const maxNamed = 10

// checkSigners rejects the removal of an algorithm while clients of the directory have tokens signed with it: discovery, the
// rotation of keys and the tokens would contradict each other.
func (s *Service) checkSigners(ctx context.Context, before, after storage.Directory) error {
	remaining := SigningAlgorithms(after)
	removed := slices.DeleteFunc(slices.Clone(SigningAlgorithms(before)), func(algorithm string) bool {
		return slices.Contains(remaining, algorithm)
	})
	if len(removed) == 0 {
		return nil
	}
	users := map[string][]string{}
	for page := (Page{Limit: storage.MaxPage}); ; {
		clients, next, err := list[storage.Client](ctx, s, page.query(after.ID, storage.ByCreated))
		if err != nil {
			return err
		}
		for _, client := range clients {
			for _, algorithm := range signersOf(client) {
				users[algorithm] = append(users[algorithm], client.ID)
			}
		}
		if next == "" {
			break
		}
		page.After = next
	}
	var p problems
	for _, algorithm := range removed {
		if clients := users[algorithm]; len(clients) > 0 {
			p.add("policy.signing_algorithms", "must keep %s, which signs the tokens of %s; give them another one first, by --id-token-alg and --access-token-alg of `client update`",
				algorithm, named(clients))
		}
	}
	if err := s.checkResourceSigners(ctx, after.ID, removed, &p); err != nil {
		return err
	}
	return p.err()
}

// checkResourceSigners adds the resources of a directory whose tokens are signed with a removed algorithm.
func (s *Service) checkResourceSigners(ctx context.Context, directory string, removed []string, p *problems) error {
	for page := (Page{Limit: storage.MaxPage}); ; {
		resources, next, err := list[storage.Resource](ctx, s, page.query(directory, storage.ByCreated))
		if err != nil {
			return err
		}
		for _, resource := range resources {
			if slices.Contains(removed, resource.TokenAlgorithm) {
				p.add("policy.signing_algorithms", "must keep %s, which signs the tokens of resource %s; give it another one first, by --token-alg of `resource update`",
					resource.TokenAlgorithm, resource.Identifier)
				return nil
			}
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}

// signersOf returns the algorithms that sign a client's tokens.
func signersOf(client storage.Client) []string {
	idToken := cmp.Or(client.IDTokenAlgorithm, keys.RS256)
	if access := cmp.Or(client.AccessTokenAlgorithm, idToken); access != idToken {
		return []string{idToken, access}
	}
	return []string{idToken}
}

// named lists clients for a message.
func named(clients []string) string {
	if more := len(clients) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more clients", strings.Join(clients[:maxNamed], ", "), more)
	}
	return "client " + strings.Join(clients, ", ")
}
