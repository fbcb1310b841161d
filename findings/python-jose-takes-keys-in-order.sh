#!/bin/sh
# python-jose 3.5.0 rejects a valid RS256 token when an EC key stands before the RSA key in the JWK Set.
# It does not select the key by kid (RFC 7515 section 4.1.4) or kty. It builds each key of the set in turn with the algorithm of
# the token, and the first key that cannot have that algorithm ends the verification with an error.
# Remedy for servers: publish RSA keys first. For clients: pass the one key with the kid of the token.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check 'python-jose[cryptography]==3.5.0' cryptography==46.0.3
cat > main.py <<'EOF'
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jose import jwk, jwt


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


private = pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
rs = dict(jwk.construct(private, "RS256").public_key().to_dict(), kid="rsa", use="sig")
es = dict(jwk.construct(pem(ec.generate_private_key(ec.SECP256R1())), "ES256").public_key().to_dict(), kid="ec", use="sig")
token = jwt.encode({"sub": "alice"}, private, algorithm="RS256", headers={"kid": "rsa"})
for name, keys in (("RSA first", [rs, es]), ("EC first", [es, rs])):
    try:
        print(name + ":", jwt.decode(token, {"keys": keys}, algorithms=["RS256"]))
    except Exception as error:
        print(name + ":", type(error).__name__)
EOF
venv/bin/python main.py | tee seen.txt
cat > want.txt <<'EOF'
RSA first: {'sub': 'alice'}
EC first: JWKError
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
