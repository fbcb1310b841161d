package explain

import (
	"errors"

	"github.com/minifed/minifed/cmd/minifed/internal/locale"
	"github.com/minifed/minifed/keys"
	"github.com/minifed/minifed/storage"
	"github.com/minifed/minifed/storage/mongodb"
)

// settingProblem returns the operator's error for a setting that a package rejects; nil for any other error.
func settingProblem(err error) *locale.Problem {
	if origin, ok := errors.AsType[*storage.OriginError](err); ok {
		return &locale.Problem{What: originText(origin)}
	}
	if uri, ok := errors.AsType[*mongodb.URIError](err); ok {
		return &locale.Problem{What: uriText(uri)}
	}
	if key, ok := errors.AsType[*keys.MasterKeyError](err); ok {
		return &locale.Problem{What: masterKeyText(key)}
	}
	return nil
}

func originText(e *storage.OriginError) locale.Message {
	switch e.Reason {
	case storage.OriginScheme:
		return locale.Text("origin.scheme", e.Detail)
	case storage.OriginPlainHTTP:
		return locale.Text("origin.plain_http")
	case storage.OriginDefaultPort:
		return locale.Text("origin.default_port", e.Detail)
	case storage.OriginPort:
		return locale.Text("origin.port", e.Detail)
	case storage.OriginNotBare:
		return locale.Text("origin.not_bare", e.Detail)
	case storage.OriginMalformed:
	}
	return locale.Text("origin.malformed")
}

func uriText(e *mongodb.URIError) locale.Message {
	switch e.Reason {
	case mongodb.URIConflict:
		return locale.Text("mongodb.uri_conflict")
	case mongodb.URIWeak:
		return locale.Text("mongodb.uri_weak", e.Option, e.Required)
	case mongodb.URIDirect:
		return locale.Text("mongodb.uri_direct")
	case mongodb.URIUntrusted:
		return locale.Text("mongodb.uri_untrusted", e.Option)
	case mongodb.URIMalformed:
	}
	return locale.Text("mongodb.uri_malformed")
}

func masterKeyText(e *keys.MasterKeyError) locale.Message {
	reason := locale.Text("masterkey.none")
	switch e.Reason {
	case keys.MasterKeyByteOrderMark:
		reason = locale.Text("secret.byte_order_mark")
	case keys.MasterKeyLineTooLong:
		reason = locale.Text("masterkey.line_too_long")
	case keys.MasterKeyEncoding:
		reason = locale.Text("masterkey.encoding")
	case keys.MasterKeyNotRandom:
		reason = locale.Text("masterkey.not_random")
	case keys.MasterKeyRepeated:
		reason = locale.Text("masterkey.repeated")
	case keys.MasterKeyTooMany:
		reason = locale.Text("masterkey.too_many")
	case keys.MasterKeyMissing:
	}
	if e.Line == 0 {
		return reason
	}
	return locale.Text("masterkey.line", e.Line, reason)
}
