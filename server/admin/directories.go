package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/minifed/minifed/internal/uri"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
)

// CreateDirectory creates a directory with its signing keys and token secrets. An empty ID is generated.
func (s *Service) CreateDirectory(ctx context.Context, directory storage.Directory) (*storage.Entry[storage.Directory], error) {
	if err := s.Allowed(storage.Everywhere, ActDirectoryCreate); err != nil {
		return nil, err
	}
	if directory.ID == storage.OperatorsDirectory {
		return nil, fmt.Errorf("%w: directory %q is created when the server starts", ErrRefused, directory.ID)
	}
	if directory.ID == "" {
		id, err := s.newID()
		if err != nil {
			return nil, err
		}
		directory.ID = id
	}
	if err := s.newDirectory(ctx, &directory); err != nil {
		return nil, err
	}
	// Keys and host come first, so that no instance reads a directory without them.
	if err := s.ensureKeys(ctx, directory); err != nil {
		return nil, err
	}
	if err := s.claimHost(ctx, directory); err != nil {
		return nil, err
	}
	return create(ctx, s, directoryName(directory.ID), directoryEntry(directory.ID, ActDirectoryCreate), directory)
}

// newDirectory completes the record of a new directory, and returns what is wrong with it.
func (s *Service) newDirectory(ctx context.Context, directory *storage.Directory) (err error) {
	directory.CreatedAt = s.now()
	directory.UpdatedAt, directory.SMSKey, directory.CaptchaKey = directory.CreatedAt, "", ""
	if directory.Incarnation, err = s.newIncarnation(); err != nil {
		return err
	}
	if err := s.drawLogo(ctx, "branding.logo", nil, &directory.Branding.Logo); err != nil {
		return err
	}
	return s.checkDirectory(*directory)
}

// ensureKeys creates the signing keys and token secrets that a directory lacks.
func (s *Service) ensureKeys(ctx context.Context, directory storage.Directory) error {
	if err := s.config.Keys.EnsureDirectory(ctx, directory); err != nil {
		return err
	}
	return s.config.Secrets.Ensure(ctx, directory.ID)
}

func directoryEntry(id string, act Act) entry {
	return entry{directory: id, action: act, target: "directory:" + id}
}

// EnsureDirectory creates the directory if it is missing, and completes its keys in any case. created reports whether it was
// missing.
func (s *Service) EnsureDirectory(ctx context.Context, directory storage.Directory) (created bool, err error) {
	if err := s.Allowed(storage.Everywhere, ActDirectoryCreate); err != nil {
		return false, err
	}
	existing, err := s.directory(ctx, directory.ID)
	if errors.Is(err, ErrNotFound) {
		_, err = s.CreateDirectory(ctx, directory)
		if !errors.Is(err, ErrExists) {
			return err == nil, err
		}
		existing, err = s.directory(ctx, directory.ID)
	}
	if err != nil {
		return false, err
	}
	return false, s.ensureKeys(ctx, existing.Record)
}

// Directory returns one directory, or ErrNotFound.
func (s *Service) Directory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error) {
	if err := s.Allowed(id, ActDirectoryRead); err != nil {
		return nil, err
	}
	return s.directory(ctx, id)
}

func (s *Service) directory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error) {
	return get[storage.Directory](ctx, s, directoryName(id), id)
}

// IssuerOf returns the issuer of a directory.
func (s *Service) IssuerOf(directory storage.Directory) string {
	switch {
	case directory.ID == s.config.DefaultDirectory:
		return s.config.PublicURL
	case directory.Issuer != "":
		return directory.Issuer
	default:
		return s.config.PublicURL + "/d/" + directory.ID
	}
}

// Directories returns one page of the directories that the actor may read, by ID, and where the next page begins. The directory
// of operators is never among them.
func (s *Service) Directories(ctx context.Context, page Page) ([]storage.Directory, string, error) {
	for {
		directories, next, err := list[storage.Directory](ctx, s, page.query("", storage.ByID))
		if err != nil {
			return nil, "", err
		}
		directories = slices.DeleteFunc(directories, func(directory storage.Directory) bool {
			return directory.ID == storage.OperatorsDirectory || s.Allowed(directory.ID, ActDirectoryRead) != nil
		})
		if len(directories) > 0 || next == "" {
			return directories, next, nil
		}
		page.After = next
	}
}

// UpdateDirectory applies change to a directory and checks the result. change may not alter ID, state and times. If revision is
// not empty and not the directory's current one, the error is ErrChanged.
func (s *Service) UpdateDirectory(ctx context.Context, id, revision string, change func(*storage.Directory)) (*storage.Entry[storage.Directory], error) {
	if err := s.Allowed(id, ActDirectoryUpdate); err != nil {
		return nil, err
	}
	return s.changeDirectory(ctx, id, revision, ActDirectoryUpdate, func(directory *storage.Directory) error {
		if err := s.editDirectory(ctx, directory, change); err != nil {
			return err
		}
		if err := s.ensureKeys(ctx, *directory); err != nil {
			return err
		}
		return s.claimHost(ctx, *directory)
	})
}

// editDirectory applies change to a directory, and returns what is wrong with the result.
func (s *Service) editDirectory(ctx context.Context, directory *storage.Directory, change func(*storage.Directory)) error {
	before := *directory
	change(directory)
	directory.ID, directory.CreatedAt, directory.Disabled = before.ID, before.CreatedAt, before.Disabled
	directory.Incarnation, directory.SMSKey, directory.CaptchaKey = before.Incarnation, before.SMSKey, before.CaptchaKey
	directory.FormerIssuer, directory.IssuerChangedAt = before.FormerIssuer, before.IssuerChangedAt
	if directory.Issuer != before.Issuer {
		directory.FormerIssuer, directory.IssuerChangedAt = before.Issuer, directory.UpdatedAt
	}
	if err := s.drawLogo(ctx, "branding.logo", before.Branding.Logo, &directory.Branding.Logo); err != nil {
		return err
	}
	if err := s.checkDirectory(*directory); err != nil {
		return err
	}
	return s.checkSigners(ctx, before, *directory)
}

func (s *Service) changeDirectory(ctx context.Context, id, revision string, act Act, change func(*storage.Directory) error) (*storage.Entry[storage.Directory], error) {
	return update(ctx, s, edit[storage.Directory]{
		what: directoryName(id), key: id, revision: revision, entry: directoryEntry(id, act),
		change: func(directory *storage.Directory) error {
			directory.UpdatedAt = s.now()
			return change(directory)
		},
	})
}

// DisableDirectory closes a directory to all users and clients. The default directory cannot be disabled.
func (s *Service) DisableDirectory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error) {
	if err := s.Allowed(id, ActDirectoryDisable); err != nil {
		return nil, err
	}
	if err := s.rejectPermanent(id); err != nil {
		return nil, err
	}
	return s.changeDirectory(ctx, id, "", ActDirectoryDisable, func(directory *storage.Directory) error {
		directory.Disabled = true
		return nil
	})
}

// rejectPermanent returns ErrRefused for a directory that cannot be disabled or deleted.
func (s *Service) rejectPermanent(id string) error {
	switch id {
	case s.config.DefaultDirectory:
		return fmt.Errorf("%w: directory %q is the default one: the public URL itself is its issuer", ErrRefused, id)
	case storage.OperatorsDirectory:
		return fmt.Errorf("%w: directory %q is that of the operators", ErrRefused, id)
	default:
		return nil
	}
}

// EnableDirectory opens a disabled directory again.
func (s *Service) EnableDirectory(ctx context.Context, id string) (*storage.Entry[storage.Directory], error) {
	if err := s.Allowed(id, ActDirectoryEnable); err != nil {
		return nil, err
	}
	return s.changeDirectory(ctx, id, "", ActDirectoryEnable, func(directory *storage.Directory) error {
		directory.Disabled = false
		return s.ensureKeys(ctx, *directory) // They are absent after a deletion that was interrupted.
	})
}

// DeleteDirectory removes a disabled directory without clients and users, and its keys with it.
func (s *Service) DeleteDirectory(ctx context.Context, id string) error {
	if err := s.Allowed(id, ActDirectoryDelete); err != nil {
		return err
	}
	entry, err := s.directory(ctx, id)
	if err != nil {
		return err
	}
	if err := s.rejectPermanent(id); err != nil {
		return err
	}
	if !entry.Record.Disabled {
		return fmt.Errorf("%w: disable directory %q first", ErrRefused, id)
	}
	if err := s.rejectIfInUse(ctx, entry.Record); err != nil {
		return err
	}
	if err := s.audit(ctx, directoryEntry(id, ActDirectoryDelete)); err != nil {
		return err
	}
	if err := s.deleteUsers(ctx, id, func(user storage.User) bool { return !user.BelongsTo(entry.Record) }); err != nil {
		return err
	}
	if err := s.deleteCandidates(ctx, id); err != nil {
		return err
	}
	if err := errors.Join(deleteOwned[storage.Connection](ctx, s, id), deleteOwned[storage.InitialToken](ctx, s, id)); err != nil {
		return err
	}
	if err := deleteOwned[storage.Resource](ctx, s, id); err != nil {
		return err
	}
	if err := s.deleteDescribed(ctx, id); err != nil {
		return err
	}
	for _, algorithm := range keys.Algorithms() {
		if err := s.config.Engine.Delete(ctx, storage.KindSigningKeys, storage.Key(id, algorithm)); err != nil {
			return err
		}
	}
	if err := s.config.Engine.Delete(ctx, storage.KindTokenSecrets, id); err != nil {
		return err
	}
	if err := s.config.Engine.Delete(ctx, storage.KindDirectory, id); err != nil {
		return err
	}
	if err := s.deleteOrphans(ctx, entry.Record); err != nil {
		return err
	}
	return s.deleteUsers(ctx, id, func(user storage.User) bool { return user.BelongsTo(entry.Record) })
}

// rejectIfInUse returns ErrRefused while a directory has clients, or users other than tombstones.
func (s *Service) rejectIfInUse(ctx context.Context, directory storage.Directory) error {
	id := directory.ID
	clients, _, err := list[storage.Client](ctx, s, Page{Limit: 1}.query(id, storage.ByCreated))
	if err != nil {
		return err
	}
	if len(clients) > 0 {
		return fmt.Errorf("%w: directory %q still has clients; delete them first", ErrRefused, id)
	}
	for page := (Page{Limit: storage.MaxPage}); ; {
		users, next, err := list[storage.User](ctx, s, page.query(id, storage.ByCreated))
		if err != nil {
			return err
		}
		if slices.ContainsFunc(users, func(user storage.User) bool { return user.Status != storage.UserDeleted && user.BelongsTo(directory) }) {
			return fmt.Errorf("%w: directory %q still has users; delete them first", ErrRefused, id)
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}

// SigningAlgorithms returns the algorithms that a directory has keys for.
func SigningAlgorithms(directory storage.Directory) []string {
	if len(directory.Policy.SigningAlgorithms) == 0 {
		return []string{keys.RS256, keys.ES256}
	}
	return directory.Policy.SigningAlgorithms
}

func (s *Service) checkDirectory(directory storage.Directory) error {
	var p problems
	if directory.ID != storage.OperatorsDirectory {
		p.check("id", CheckID(directory.ID))
	} else if directory.Issuer != "" || directory.Policy.SelfRegistration {
		p.add("id", "the directory of operators has the issuer admin.public_url and no self-registration")
	}
	p.check("name", checkLabel(directory.Name))
	if directory.Issuer != "" {
		p.check("issuer", s.checkIssuer(directory.Issuer))
	}
	if directory.Issuer != "" && directory.ID == s.config.DefaultDirectory {
		p.add("issuer", "the default directory's issuer is the public URL; change public_url in the configuration")
	}
	p.checkBranding(directory.Branding)
	p.checkPolicy(directory.Policy)
	p.checkUnknownClients(directory)
	p.checkSignInMethods(directory)
	p.checkScan(directory.Scan)
	p.checkCodes(directory)
	if directory.ScanLinkRule && directory.Scan.MiniProgram == "" {
		p.add("scan_link_rule", "has no effect without scan.mini_program")
	}
	p.checkLifetimes(directory.Lifetimes)
	p.checkClaims(directory.Claims)
	p.checkVerificationFiles(directory.VerificationFiles)
	p.checkTerms(directory)
	return p.err()
}

func (p *problems) checkBranding(branding storage.Branding) {
	if color := branding.AccentColor; color != "" && !isColor(color) {
		p.add("branding.accent_color", "must be # and six hexadecimal digits, such as #07c160")
	}
	p.checkFilings(branding)
	p.checkLinks(map[string]string{
		"branding.policy_url": branding.PolicyURL, "branding.terms_url": branding.TermsURL, "branding.support_url": branding.SupportURL,
	})
}

// checkLinks checks what people can follow from a page, by field.
func (p *problems) checkLinks(urls map[string]string) {
	for _, field := range slices.Sorted(maps.Keys(urls)) {
		if urls[field] != "" {
			p.check(field, uri.CheckHTTPS(urls[field]))
		}
	}
}

// The bounds of Policy.DeletionDelay, in seconds.
const (
	minDeletionDelay = 24 * 60 * 60
	maxDeletionDelay = 30 * minDeletionDelay
)

func (p *problems) checkPolicy(policy storage.Policy) {
	supported := keys.Algorithms()
	p.each("policy.signing_algorithms", policy.SigningAlgorithms, len(supported), func(algorithm string) error {
		if !slices.Contains(supported, algorithm) {
			return errors.New("is not an algorithm that minifed signs with")
		}
		return nil
	})
	if algorithms := policy.SigningAlgorithms; len(algorithms) > 0 && !slices.Contains(algorithms, "RS256") {
		p.add("policy.signing_algorithms", "must contain RS256 (OpenID Connect Discovery §3)")
	}
	switch policy.TwoFactor {
	case "", storage.TwoFactorOff, storage.TwoFactorOptional, storage.TwoFactorRequired:
	default:
		p.add("policy.two_factor", "must be off, optional or required")
	}
	if policy.PhoneFresh < 0 {
		p.add("policy.phone_fresh", "must not be negative")
	}
	if age := policy.GuardianConsentUnder; age < 0 || age > storage.MaxGuardianConsentUnder {
		p.add("policy.guardian_consent_under", "must be between 0 and 21")
	}
	if delay := policy.DeletionDelay; delay != 0 && (delay < minDeletionDelay || delay > maxDeletionDelay) {
		p.add("policy.deletion_delay", "must be between 1 day and 30 days")
	}
}

func isColor(color string) bool {
	isHex := func(r rune) bool { return r >= '0' && r <= '9' || r >= 'a' && r <= 'f' || r >= 'A' && r <= 'F' }
	return len(color) == 7 && color[0] == '#' && allRunes(color[1:], isHex)
}

func directoryName(id string) string { return fmt.Sprintf("directory %q", id) }
