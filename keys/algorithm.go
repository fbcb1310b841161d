package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
)

// The JWS algorithms that directories have keys for (RFC 7518 §3.1, RFC 8037 §3.1).
const (
	RS256 = "RS256"
	PS256 = "PS256"
	ES256 = "ES256"
	ES384 = "ES384"
	EdDSA = "EdDSA"
)

// rsaBits is the size of new RSA keys.
const rsaBits = 2048

// ErrAlgorithm says that no directory can have keys of this algorithm.
var ErrAlgorithm = errors.New("keys: unsupported algorithm")

// Algorithms returns the JWS algorithms that a directory can have keys for.
func Algorithms() []string { return []string{RS256, PS256, ES256, ES384, EdDSA} }

// algorithm creates keys of one JWS algorithm, signs and verifies with them.
type algorithm interface {
	// generate returns a new key pair.
	generate() (crypto.Signer, error)
	// fits reports whether a public key is one of the algorithm's.
	fits(public crypto.PublicKey) bool
	// sign returns the JWS signature of input. The key is one that fits.
	sign(key crypto.Signer, input []byte) ([]byte, error)
	// verify reports whether signature is the key's over input. The key is one that fits.
	verify(public crypto.PublicKey, input, signature []byte) bool
}

func algorithmOf(name string) (algorithm, error) {
	switch name {
	case RS256:
		return rsaPKCS1{}, nil
	case PS256:
		return rsaPSS{}, nil
	case ES256:
		return ecdsaCurve{elliptic.P256(), crypto.SHA256}, nil
	case ES384:
		return ecdsaCurve{elliptic.P384(), crypto.SHA384}, nil
	case EdDSA:
		return edwards{}, nil
	default:
		return nil, fmt.Errorf("%w %.20q", ErrAlgorithm, name)
	}
}

// digest is that of SHA-384, or else SHA-256.
func digest(hash crypto.Hash, input []byte) []byte {
	if hash == crypto.SHA384 {
		sum := sha512.Sum384(input)
		return sum[:]
	}
	sum := sha256.Sum256(input)
	return sum[:]
}

// rsaKey is what RS256 and PS256 have in common.
type rsaKey struct{}

func (rsaKey) generate() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, rsaBits) }

func (rsaKey) fits(public crypto.PublicKey) bool {
	key, ok := public.(*rsa.PublicKey)
	return ok && key.N.BitLen() >= rsaBits
}

type rsaPKCS1 struct{ rsaKey }

func (rsaPKCS1) sign(key crypto.Signer, input []byte) ([]byte, error) {
	return key.Sign(rand.Reader, digest(crypto.SHA256, input), crypto.SHA256)
}

func (rsaPKCS1) verify(public crypto.PublicKey, input, signature []byte) bool {
	key, ok := public.(*rsa.PublicKey)
	return ok && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest(crypto.SHA256, input), signature) == nil
}

type rsaPSS struct{ rsaKey }

// options asks for a salt as long as the hash (RFC 7518 §3.5).
func (rsaPSS) options() *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
}

func (a rsaPSS) sign(key crypto.Signer, input []byte) ([]byte, error) {
	return key.Sign(rand.Reader, digest(crypto.SHA256, input), a.options())
}

func (a rsaPSS) verify(public crypto.PublicKey, input, signature []byte) bool {
	key, ok := public.(*rsa.PublicKey)
	return ok && rsa.VerifyPSS(key, crypto.SHA256, digest(crypto.SHA256, input), signature, a.options()) == nil
}

type ecdsaCurve struct {
	curve elliptic.Curve
	hash  crypto.Hash
}

func (a ecdsaCurve) generate() (crypto.Signer, error) { return ecdsa.GenerateKey(a.curve, rand.Reader) }

func (a ecdsaCurve) fits(public crypto.PublicKey) bool {
	key, ok := public.(*ecdsa.PublicKey)
	return ok && key.Curve == a.curve
}

// size is the length of r and of s in a signature (RFC 7518 §3.4).
func (a ecdsaCurve) size() int { return a.curve.Params().BitSize / 8 }

func (a ecdsaCurve) sign(key crypto.Signer, input []byte) ([]byte, error) {
	// Without a source of randomness the nonce derives from key and input (RFC 6979), as RFC 8725 §3.2 asks of JWTs.
	der, err := key.Sign(nil, digest(a.hash, input), a.hash)
	if err != nil {
		return nil, err
	}
	return fixedWidth(der, a.size())
}

func (a ecdsaCurve) verify(public crypto.PublicKey, input, signature []byte) bool {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || len(signature) != 2*a.size() {
		return false
	}
	r := new(big.Int).SetBytes(signature[:a.size()])
	s := new(big.Int).SetBytes(signature[a.size():])
	return ecdsa.Verify(key, digest(a.hash, input), r, s)
}

var errDER = errors.New("keys: malformed ECDSA signature")

// fixedWidth returns r and s of an ASN.1 DER signature, each in size bytes. The signatures of our curves are shorter than
// 128 bytes, so that every length is one byte.
func fixedWidth(der []byte, size int) ([]byte, error) {
	if len(der) < 2 || der[0] != 0x30 || int(der[1]) != len(der)-2 {
		return nil, errDER
	}
	der = der[2:]
	signature := make([]byte, 2*size)
	for _, field := range [][]byte{signature[:size], signature[size:]} {
		if len(der) < 2 || der[0] != 0x02 || int(der[1]) > len(der)-2 {
			return nil, errDER
		}
		number := bytes.TrimLeft(der[2:2+der[1]], "\x00")
		der = der[2+der[1]:]
		if len(number) > size {
			return nil, errDER
		}
		copy(field[size-len(number):], number)
	}
	if len(der) != 0 {
		return nil, errDER
	}
	return signature, nil
}

type edwards struct{}

func (edwards) generate() (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func (edwards) fits(public crypto.PublicKey) bool {
	key, ok := public.(ed25519.PublicKey)
	return ok && len(key) == ed25519.PublicKeySize
}

func (edwards) sign(key crypto.Signer, input []byte) ([]byte, error) {
	return key.Sign(rand.Reader, input, crypto.Hash(0))
}

func (edwards) verify(public crypto.PublicKey, input, signature []byte) bool {
	key, ok := public.(ed25519.PublicKey)
	return ok && ed25519.Verify(key, input, signature)
}
