package setting

import "github.com/minifed/minifed/storage"

// Profile returns the members of a user's profile.
func Profile() []Setting[storage.Profile] {
	type (
		r    = storage.Profile
		text = Text[r]
	)
	return []Setting[r]{
		{"name", "name", Person, nil, text(func(p *r) *string { return &p.Name })},
		{"given-name", "given_name", Person, nil, text(func(p *r) *string { return &p.GivenName })},
		{"family-name", "family_name", Person, nil, text(func(p *r) *string { return &p.FamilyName })},
		{"middle-name", "middle_name", Person, nil, text(func(p *r) *string { return &p.MiddleName })},
		{"nickname", "nickname", Person, nil, text(func(p *r) *string { return &p.Nickname })},
		{"picture", "picture", Person, nil, text(func(p *r) *string { return &p.Picture })},
		{"profile", "profile", Person, nil, text(func(p *r) *string { return &p.Profile })},
		{"website", "website", Person, nil, text(func(p *r) *string { return &p.Website })},
		{"gender", "gender", Person, nil, text(func(p *r) *string { return &p.Gender })},
		{"birthdate", "birthdate", Person, nil, text(func(p *r) *string { return &p.Birthdate })},
		{"locale", "locale", Person, nil, text(func(p *r) *string { return &p.Locale })},
		{"zoneinfo", "zoneinfo", Person, nil, text(func(p *r) *string { return &p.Zoneinfo })},
		{"address", "address.formatted", Address, nil, text(func(p *r) *string { return &address(p).Formatted })},
		{"street-address", "address.street_address", Address, nil, text(func(p *r) *string { return &address(p).StreetAddress })},
		{"locality", "address.locality", Address, nil, text(func(p *r) *string { return &address(p).Locality })},
		{"region", "address.region", Address, nil, text(func(p *r) *string { return &address(p).Region })},
		{"postal-code", "address.postal_code", Address, nil, text(func(p *r) *string { return &address(p).PostalCode })},
		{"country", "address.country", Address, nil, text(func(p *r) *string { return &address(p).Country })},
	}
}

// address returns the address of a profile, and creates it if there is none.
func address(p *storage.Profile) *storage.Address {
	if p.Address == nil {
		p.Address = new(storage.Address)
	}
	return p.Address
}
