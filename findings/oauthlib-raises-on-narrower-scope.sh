#!/bin/sh
# oauthlib 3.3.1 raises an exception for a valid token response with fewer scopes than the client requested.
# RFC 6749 section 3.3 lets the server grant fewer scopes, and section 5.1 makes it return them. oauthlib raises the response as a
# Warning, a subclass of Exception, so the caller gets no token. requests-oauthlib and programs on it fail in the same way.
# Remedy for clients: set OAUTHLIB_RELAX_TOKEN_SCOPE=1. Then the token is returned.
set -eu
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check oauthlib==3.3.1
cat > main.py <<'EOF'
from oauthlib.oauth2.rfc6749.parameters import parse_token_response

body = '{"access_token": "token", "token_type": "Bearer", "scope": "openid"}'
try:
    print(parse_token_response(body, scope=["openid", "email"])["access_token"])
except Exception as error:
    print(type(error).__name__ + ":", error)
EOF
venv/bin/python main.py | tee seen.txt
OAUTHLIB_RELAX_TOKEN_SCOPE=1 venv/bin/python main.py | tee -a seen.txt
cat > want.txt <<'EOF'
Warning: Scope has changed from "openid email" to "openid".
token
EOF
diff want.txt seen.txt || { echo "CHANGED"; exit 1; }
